/** A server: accepts TCP connections and serves SSH on each. */

import type { Duplex } from 'node:stream'
import { ignoreError } from '@ssh/streams'
import { AbortError, parseDuration } from '@ssh/wire'
import { withoutUndefined } from '../client/options-from-config.js'
import { Deferred } from '../deferred.js'
import { maximumDelayMs } from '../io/clock.js'
import { parseOptions } from '../options-schema.js'
import { acceptStreams, type StreamAcceptor } from '../stream-acceptor.js'
import { acceptConnection, type PreparedServerOptions } from './accept-connection.js'
import { Admission, type RefusedBy } from './admission.js'
import { listeningOptionsFromConfig } from './options-from-config.js'
import { prepareServerOptions } from './prepare-server-options.js'
import type { ServerConnection } from './server-connection.js'
import type { ServerLink } from './server-link.js'
import {
  type ParsedServerConnectionOptions,
  type ParsedServerOptions,
  type ServerConnectionOptions,
  type ServerOptions,
  serverConnectionOptionsSchema,
  serverOptionsSchema,
} from './server-options.js'

const defaults = { port: 22, backlog: 511, maxStartups: 100 } as const

/**
 * Listens for SSH connections.
 * @throws OptionsError, KeyImportError, KeyEncryptionError
 * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED` when the port cannot be had; `cause` is the system's error
 * @throws ChannelListenError when the server at the far end of `tunnel` refuses; what connecting to a jump host fails with
 * @throws AbortError
 */
export async function listenServer(options: ServerOptions): Promise<SshServer> {
  const parsed = parseOptions('listen', serverOptionsSchema, options)
  const prepared = await prepareServerOptions(connectionOptions(parsed))
  if (parsed.signal?.aborted) throw new AbortError(parsed.signal.reason)
  const { config } = prepared
  const server = new SshServer(prepared, {
    ...(config && listeningOptionsFromConfig(config)),
    ...withoutUndefined(parsed),
  })
  await server.open()
  return server
}

/** A listening server. */
export class SshServer {
  /** Undefined before it accepts, and once it does not any more. */
  #acceptor: StreamAcceptor | undefined
  readonly #options: ParsedServerOptions
  #prepared: PreparedServerOptions
  readonly #links = new Map<ServerConnection, ServerLink>()
  readonly #closed = new Deferred<void>()
  readonly #admission: Admission
  #isClosing = false
  /** Closes what connections came through; undefined while it still accepts. */
  #release: (() => Promise<void>) | undefined

  /** Made by {@link listenServer}. */
  constructor(prepared: PreparedServerOptions, options: ParsedServerOptions) {
    this.#prepared = prepared
    this.#options = options
    const {
      maxStartups = defaults.maxStartups,
      perSourceMaxStartups,
      perSourceNetBlockSize,
      maxConnections,
      maxConnectionsPerAddress,
    } = options
    this.#admission = new Admission({
      maxStartups,
      perSourceMaxStartups,
      perSourceNetBlockSize,
      maxConnections,
      maxConnectionsPerAddress,
    })
  }

  /** The port it listens on; 0 once it is closed. */
  get port(): number {
    return this.addresses[0]?.port ?? 0
  }

  /** Where it listens. */
  get addresses(): readonly { readonly address: string; readonly port: number }[] {
    return this.#acceptor?.addresses ?? []
  }

  /** Connections that are open, logged in or not. */
  get connections(): ReadonlySet<ServerConnection> {
    return new Set(this.#links.keys())
  }

  /** Resolves when the server and all its connections are closed. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /** @internal */
  async open(): Promise<void> {
    const { host, port = defaults.port, backlog = defaults.backlog, ipv6Only, reusePort } = this.#options
    const { tunnel, signal, logger } = this.#options
    const acceptor = await acceptStreams({
      host,
      port,
      backlog,
      ipv6Only,
      reusePort,
      tunnel,
      signal,
      logger,
      onStream: (stream, address) => this.#accept(stream, address),
      onError: (error) => logger?.warn?.({ layer: 'server', event: 'accept-failed', error }),
    })
    this.#acceptor = acceptor
    acceptor.closed.then(() => {
      // By itself only when the tunnel is gone, and with it every connection.
      this.#isClosing = true
      this.#acceptor = undefined
      this.#release = () => acceptor.release()
      this.#settleWhenEmpty()
    })
    if (signal?.aborted) {
      await this.close()
      throw new AbortError(signal.reason)
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /**
   * Changes options for connections that come later; those that are open keep theirs.
   * @throws OptionsError, KeyImportError, KeyEncryptionError
   */
  async update(options: Partial<ServerConnectionOptions>): Promise<void> {
    const merged = { ...this.#prepared.given, ...options }
    this.#prepared = await prepareServerOptions(parseOptions('update', serverConnectionOptionsSchema, merged))
  }

  /**
   * Stops accepting, and ends every connection; resolves when all are closed.
   * @param options.drain time (milliseconds, or text like `'30s'`) that open sessions and forwarded connections are given
   *   to end by themselves, while none is asked for any more; default 0
   * @throws OptionsError when `drain` is no duration, and for nothing else
   */
  async close(options: { drain?: number | string } = {}): Promise<void> {
    const drainMs = parseDuration(options.drain ?? 0)
    this.#isClosing = true
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#acceptor?.close()
    this.#acceptor = undefined
    await this.#drain(drainMs)
    await Promise.all([...this.#links.values()].map((link) => link.close()))
    await this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  readonly #onAbort = () => void this.close()

  #accept(socket: Duplex, address: string | undefined): void {
    const { logger } = this.#options
    if (this.#isClosing) {
      socket.destroy()
      return
    }
    const admitted = this.#admission.admit(address)
    if (typeof admitted === 'string') {
      logger?.warn?.({ layer: 'server', event: 'connection-refused', limit: admitted, remoteAddress: address })
      sendAway(socket, refusals[admitted])
      return
    }
    const link = acceptConnection(socket, this.#prepared)
    this.#links.set(link.connection, link)
    link.authenticated.then(admitted.startedUp, admitted.startedUp)
    const ended = () => {
      admitted.ended()
      this.#links.delete(link.connection)
      this.#settleWhenEmpty()
    }
    link.closed.then(ended, ended)
  }

  /** Resolves when no session is open any more, or when the time is over. */
  async #drain(milliseconds: number): Promise<void> {
    if (milliseconds === 0) return
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.min(milliseconds, maximumDelayMs))
    })
    await Promise.race([Promise.all([...this.#links.values()].map((link) => link.drain())), deadline])
    clearTimeout(timer)
  }

  #settleWhenEmpty(): void {
    const release = this.#release
    if (release === undefined || this.#links.size > 0) return
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    release().then(() => this.#closed.resolve())
  }
}

/** What somebody who is not let in reads before the connection closes. OpenSSH's server says the first of them too. */
const refusals: Readonly<Record<RefusedBy, string>> = {
  maxStartups: 'Exceeded MaxStartups',
  perSourceMaxStartups: 'Too many connections from your address are logging in',
  maxConnections: 'Too many connections',
  maxConnectionsPerAddress: 'Too many connections from your address',
}

/** A line may come before the identification string (RFC 4253 §4.2). Nobody is waited for. */
function sendAway(socket: Duplex, why: string): void {
  socket.on('error', ignoreError)
  socket.end(`${why}\r\n`, () => socket.destroy())
}

function connectionOptions(options: ParsedServerOptions): ParsedServerConnectionOptions {
  const { host: _1, port: _2, tunnel: _3, backlog: _4, reusePort: _5, signal: _6, ipv6Only: _, ...others } = options
  const {
    maxStartups: _7,
    perSourceMaxStartups: _8,
    perSourceNetBlockSize: __,
    maxConnections: _9,
    maxConnectionsPerAddress: _0,
    ...rest
  } = others
  return rest
}
