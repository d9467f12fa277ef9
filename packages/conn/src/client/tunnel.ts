/** Reaching a host through others: OpenSSH's ProxyJump, and connections that are open already. */

import type { Duplex } from 'node:stream'
import { toDuplex } from '@ssh/streams'
import { printable, SshError } from '@ssh/wire'
import { ChannelOpenError, ConnectError, OptionsError } from '../errors.js'
import { openTcpTunnel } from '../forwarding/open-tunnel.js'
import type { AliveStream } from '../io/socket-address.js'
import { parseOptions } from '../options-schema.js'
import type { ClientLink } from './client-link.js'
import { type ClientOptions, clientOptionsSchema } from './client-options.js'
import { type Destination, parseDestination } from './destination.js'
import type { ParsedDialOptions, TunnelConnection, TunnelHop } from './dial-options.js'

/** Connects to one hop and logs in. */
export type ConnectHop = (destination: Destination, options: ClientOptions) => Promise<ClientLink>

/** Where a stream is to lead. */
export interface StreamTarget {
  readonly host: string
  readonly port: number
}

/**
 * Options given in code that hold for the hops of a tunnel as well: what is trusted, keys and agent, where the
 * configuration is, patience. Not what reveals a secret to the hop (passwords, answers to its questions), nor what is
 * said of one host (its name, user, port, pinned key, algorithms).
 */
const inheritedNames: ReadonlySet<string> = new Set([
  'config',
  'configCommands',
  'knownHosts',
  'knownHostsCommand',
  'revokedHostKeys',
  'requiredRsaSize',
  'hashKnownHosts',
  'updateHostKeys',
  'hostKeyPolicy',
  'verifyHostKey',
  'clientKeys',
  'clientCerts',
  'passphrase',
  'agentPath',
  'agentIdentities',
  'identitiesOnly',
  'loginTimeout',
  'keepaliveInterval',
  'keepaliveCountMax',
  'logger',
])

/** Options about the TCP connection, which is the first hop's. */
const firstHopNames: ReadonlySet<string> = new Set([
  'family',
  'localAddress',
  'localPort',
  'tcpKeepalive',
  'connectionAttempts',
])

/** Options that say how a host is reached. */
const routeNames = ['sock', 'tunnel', 'proxyCommand', 'proxy'] as const

/**
 * The hops that an option `tunnel` names.
 * @throws OptionsError when one is no destination, or has options that it cannot have
 */
export function parseHops(tunnel: string | readonly TunnelHop[]): readonly TunnelHop[] {
  const hops: readonly TunnelHop[] =
    typeof tunnel === 'string' ? tunnel.split(',').map((text) => ({ destination: text.trim() })) : tunnel
  for (const [index, { destination, options = {}, ...others }] of hops.entries()) {
    parseDestination(destination)
    const what = `tunnel[${index}]`
    const [unknown] = Object.keys(others)
    if (unknown !== undefined) throw new OptionsError(`Invalid options for ${what}: unknown option "${unknown}"`)
    parseOptions(what, clientOptionsSchema, options)
    const route = routeNames.find((name) => options[name] !== undefined)
    if (index > 0 && route !== undefined) {
      throw new OptionsError(`Invalid options for ${what}: ${route} may be given for the first hop only`)
    }
  }
  return hops
}

/**
 * Connects to each hop through the one before, and through the last one to the target. The hops end with the stream.
 * @param forHops options that the hops inherit from
 * @param signal gives up, with the error to fail with as its reason
 * @throws as {@link connectHops}; ConnectError `ERR_SSH_CONNECT_TUNNEL_REFUSED`
 */
export async function openTunnel(
  hops: readonly TunnelHop[],
  target: StreamTarget,
  forHops: ClientOptions,
  connect: ConnectHop,
  signal: AbortSignal,
): Promise<Duplex> {
  const link = await connectHops(hops, forHops, connect, signal)
  try {
    return await openThrough(new HopTunnel(link), target, signal)
  } catch (error) {
    link.destroy(link.closedError())
    throw error
  }
}

/**
 * Connects to each hop through the one before.
 * @returns the last one; the others end with it
 * @throws what connecting to a hop fails with, its message led by the hop
 */
export async function connectHops(
  hops: readonly TunnelHop[],
  forHops: ClientOptions,
  connect: ConnectHop,
  signal: AbortSignal,
): Promise<ClientLink> {
  let last: ClientLink | undefined
  try {
    for (const [index, { destination, options }] of hops.entries()) {
      const inherited = pick(forHops, (name) => inheritedNames.has(name) || (index === 0 && firstHopNames.has(name)))
      const through: ClientOptions = last === undefined ? {} : { tunnel: new HopTunnel(last) }
      // What ssh_config forwards for a host is not meant for connections through it.
      const hopOptions = { clearAllForwardings: true, ...inherited, ...options, ...through, signal }
      last = await connectHop(destination, hopOptions, connect)
      last.deliverToNobody()
    }
  } catch (error) {
    last?.destroy(last.closedError())
    // What the limit says, and not how each hop puts it.
    throw signal.aborted ? signal.reason : error
  }
  if (last === undefined) throw new OptionsError('A tunnel has at least one hop')
  return last
}

/**
 * A stream from the far side of a connection to the target.
 * @throws ConnectError `ERR_SSH_CONNECT_TUNNEL_REFUSED`; AbortError; what ended the connection
 */
export async function openThrough(
  tunnel: TunnelConnection,
  target: StreamTarget,
  signal: AbortSignal,
): Promise<Duplex> {
  const { host, port } = target
  try {
    return await tunnel.openConnection(host, port, { signal })
  } catch (cause) {
    if (signal.aborted) throw signal.reason
    if (!(cause instanceof ChannelOpenError)) throw cause
    const isHop = tunnel instanceof HopTunnel
    const text = `${isHop ? 'It' : 'The other end of the tunnel'} did not connect to ${host} port ${port}: ${cause.message}`
    const refused = new ConnectError('ERR_SSH_CONNECT_TUNNEL_REFUSED', text, {
      cause,
      details: { host, port, reasonCode: cause.reasonCode },
    })
    if (isHop) ledBy(tunnel.host, refused)
    throw refused
  }
}

async function connectHop(destination: Destination, options: ClientOptions, connect: ConnectHop): Promise<ClientLink> {
  try {
    return await connect(destination, options)
  } catch (error) {
    if (SshError.isSshError(error)) ledBy(parseDestination(destination).host, error)
    throw error
  }
}

/**
 * Tells whose failure it is, unless a hop before this one has said that it is its own. The error was made for this attempt
 * alone, so that it may be changed.
 */
function ledBy(host: string, error: SshError): void {
  if ('jumpHost' in error.details) return
  const { message: said, stack = '' } = error
  const message = `Jump host ${printable(host, 128)}: ${said}`
  Object.assign(error, {
    message,
    stack: stack.replace(said, () => message),
    details: { ...error.details, jumpHost: host },
  })
}

/** A hop that ends with the one stream that goes through it. */
class HopTunnel implements TunnelConnection {
  readonly #link: ClientLink

  constructor(link: ClientLink) {
    this.#link = link
  }

  get host(): string {
    return this.#link.target.host
  }

  async openConnection(host: string, port: number, options: { readonly signal?: AbortSignal } = {}): Promise<Duplex> {
    return owning(toDuplex(await openTcpTunnel(this.#link.peer.mux, host, port, options)), this.#link)
  }
}

/** The stream is closed when the link it goes through is, too. */
function owning(stream: Duplex, link: ClientLink): Duplex & AliveStream {
  const destroy = stream._destroy
  stream._destroy = (error, done) => {
    const isOrderly = stream.writableFinished
    destroy.call(stream, error, (failure) => {
      if (!isOrderly) link.destroy(link.closedError())
      link.close().then(() => done(failure ?? null))
    })
  }
  return Object.assign(stream, { keepProcessAlive: (keep: boolean) => link.keepProcessAlive(keep) })
}

function pick(options: ClientOptions, isWanted: (name: string) => boolean): ClientOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => isWanted(name)))
}

/** Which of several ways to a host is meant. */
export type Route = 'sock' | 'tunnel' | 'proxyCommand' | 'proxy' | 'direct'

/** What says how a host is reached. */
export type RouteOptions = Pick<ParsedDialOptions, 'tunnel' | 'proxyCommand' | 'proxy'> & { readonly sock?: unknown }

/**
 * The one way that options name; undefined when they leave it open.
 * @throws OptionsError when there are several
 */
export function routeOf(options: RouteOptions): Route | undefined {
  const named = routeNames.filter((name) => options[name] !== undefined && !isNone(options[name]))
  if (named.length > 1) {
    throw new OptionsError(`${named.join(' and ')} are given, which are different ways to the host; choose one`)
  }
  const isDirect = routeNames.some((name) => isNone(options[name]))
  return named[0] ?? (isDirect ? 'direct' : undefined)
}

function isNone(value: unknown): boolean {
  return value === null || (typeof value === 'string' && value.toLowerCase() === 'none')
}
