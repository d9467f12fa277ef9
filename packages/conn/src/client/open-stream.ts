/** The stream one end speaks over: given, or made, straight by TCP or through something in between. */

import type { Duplex } from 'node:stream'
import { printable } from '@ssh/wire'
import { expandTokens } from '../config/config-tokens.js'
import { ConfigParseError, type ConnectError, ConnectionLost, OptionsError } from '../errors.js'
import { type ChildCommand, ChildStream } from '../io/child-stream.js'
import { dial } from '../io/dial.js'
import { dialThroughProxy } from '../io/proxy-dial.js'
import { parseProxyUrl } from '../io/proxy-url.js'
import type { Logger } from '../log.js'
import type { ClientOptions } from './client-options.js'
import type { ParsedDialOptions } from './dial-options.js'
import { type ConnectHop, openThrough, openTunnel, parseHops, routeOf, type StreamTarget } from './tunnel.js'

/** Options about how the other end is reached. */
export type StreamOptions = Partial<ParsedDialOptions> & {
  readonly sock?: Duplex | undefined
  readonly logger?: Logger | undefined
}

/** A stream that is wanted. */
export interface StreamRequest {
  readonly target: StreamTarget & { readonly username: string }
  /** The host as the user wrote it. */
  readonly originalHost: string
  /** As given in code, where it says how to reach the host. */
  readonly given: StreamOptions
  /** The same with what ssh_config adds. */
  readonly resolved: StreamOptions
  /** What jump hosts inherit from. */
  readonly forHops: ClientOptions
  readonly connect: ConnectHop
}

/**
 * Checks what can be checked of how a host is reached before anything is done.
 * @throws OptionsError
 */
export function checkStreamOptions(options: StreamOptions): void {
  const { tunnel, family, localAddress } = options
  if (routeOf(options) === 'tunnel' && (typeof tunnel === 'string' || isHops(tunnel))) parseHops(tunnel)
  if (family !== undefined && localAddress !== undefined && family !== (localAddress.includes(':') ? 6 : 4)) {
    throw new OptionsError(`localAddress ${localAddress} is no IPv${family} address, as family wants it`)
  }
}

/**
 * Opens the stream to the other end. What it is made of (jump hosts' connections, a proxy's process) ends with it.
 * @param signal gives up, with its reason
 * @throws ConnectError; what connecting to a jump host fails with
 * @throws AbortError, or the signal's reason
 */
export function openStream(request: StreamRequest, signal: AbortSignal): Promise<Duplex> {
  const { target, given, forHops, connect } = request
  const options = routeOf(given) === undefined ? request.resolved : given
  switch (routeOf(options)) {
    case 'sock':
      if (options.sock !== undefined) return Promise.resolve(options.sock)
      break
    case 'tunnel': {
      const { tunnel } = options
      if (typeof tunnel === 'string' || isHops(tunnel)) {
        return openTunnel(parseHops(tunnel), target, forHops, connect, signal)
      }
      if (tunnel !== undefined) return openThrough(tunnel, target, signal)
      break
    }
    case 'proxyCommand':
      return ChildStream.open(commandOf(request, options), { logger: options.logger, signal })
  }
  const tcp = { ...tcpOptions(request.resolved), ...target, signal }
  return options.proxy === undefined ? dial(tcp) : dialThroughProxy(parseProxyUrl(options.proxy), tcp)
}

/** What is missing when a stream was not opened in time, for the error. */
export function missingConnection(given: StreamOptions, resolved: StreamOptions): string {
  switch (routeOf(given) ?? routeOf(resolved)) {
    case 'tunnel':
      return 'the way through the tunnel'
    case 'proxy':
      return 'the connection through the proxy'
    case 'proxyCommand':
      return 'the proxy command'
    default:
      return 'the TCP connection; is the address right, and the port open?'
  }
}

/** Why a stream ended that was lost before anybody had logged in over it, if it knows better. */
export function explainLoss(stream: Duplex | undefined, error: unknown): unknown {
  const isLost = error instanceof ConnectionLost && error.code === 'ERR_SSH_CONNECTION_LOST'
  const failure: ConnectError | undefined = isLost && stream instanceof ChildStream ? stream.failure : undefined
  return failure ?? error
}

function isHops<H>(tunnel: readonly H[] | object | undefined): tunnel is readonly H[] {
  return Array.isArray(tunnel)
}

function tcpOptions({ family, localAddress, localPort, tcpKeepalive, connectionAttempts }: StreamOptions) {
  return { family, localAddress, localPort, tcpKeepalive, attempts: connectionAttempts }
}

/**
 * The command with its tokens replaced. Nothing that a destination says means anything to a shell, or is an option of a
 * program.
 * @throws OptionsError, or ConfigParseError where ssh_config names the command
 */
function commandOf({ target, originalHost, given }: StreamRequest, { proxyCommand }: StreamOptions): ChildCommand {
  const { host, port, username } = target
  const isForShell = typeof proxyCommand === 'string'
  for (const name of [host, originalHost, username]) {
    const isVariable = isForShell && process.platform === 'win32' && name.includes('%')
    if (name.startsWith('-') || /\p{Cc}/u.test(name) || isVariable) {
      const text = `"${printable(name, 128)}" may look like an option, and is not passed on to the proxy command`
      throw new OptionsError(text)
    }
  }
  // As ssh_config(5) has it for ProxyCommand.
  const tokens = new Map([
    ['h', host],
    ['n', originalHost],
    ['p', String(port)],
    ['r', username],
  ])
  const expand = (template: string) => expandTokens(template, { keyword: 'ProxyCommand', tokens, isForShell })
  try {
    return typeof proxyCommand === 'string' ? expand(proxyCommand) : (proxyCommand ?? []).map(expand)
  } catch (error) {
    if (given.proxyCommand === undefined || !(error instanceof ConfigParseError)) throw error
    throw new OptionsError(error.message, { cause: error })
  }
}
