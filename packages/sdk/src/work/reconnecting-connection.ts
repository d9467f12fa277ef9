/** A connection that comes back when it breaks. */

import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import {
  assertKnownOptions,
  assertOptions,
  type Channel,
  type ConnectionHandler,
  type Destination,
  type ForwardedTcpInfo,
  type ForwardedUnixInfo,
  type Listener,
  LocalForwarding,
  type LocalPathOptions,
  type LocalPortOptions,
  type OpenConnectionOptions,
  type OpenUnixConnectionOptions,
  parseDestination,
  parseOptions,
  type RemotePathOptions,
  type RemotePortOptions,
  type SocksOptions,
  safeLogger,
} from '@ssh/conn'
import type { SftpClient } from '@ssh/sftp'
import { SshError } from '@ssh/wire'
import type { SftpClientOptions } from '../client/client-options.js'
import { portHint } from '../client/divide-options.js'
import { connectClient, type SessionStreams, type SshClientConnection } from '../client/ssh-client-connection.js'
import type { SshClientProcess } from '../process/client-process.js'
import { createProcess } from '../process/create-process.js'
import type { OutputEncoding, OutputOf, ProcessOptions, RunOptions } from '../process/process-options.js'
import type { Command } from '../process/quote.js'
import type { CompletedProcess } from '../process/result.js'
import { runProcess } from '../process/run.js'
import { isConnectionFault } from './connection-fault.js'
import { KeptListener, type ListenOn } from './kept-listener.js'
import { type LateSessions, lateSessions } from './late-sessions.js'
import { LinkKeeper } from './link-keeper.js'
import { checkPooledClientOptions, type PooledClientOptions, pooledClientOptionsSchema } from './pool-options.js'
import {
  type ReconnectOptions,
  type ReconnectPolicy,
  reconnectOptionsSchema,
  reconnectPolicy,
} from './reconnect-options.js'

/** Events of a {@link ReconnectingConnection}. None is essential, and none can crash the process. */
export interface ReconnectingEvents {
  /** There is a connection: the first, or another one. */
  connect: [connection: SshClientConnection]
  /** The connection is over; without an error if it was ended in good order. */
  disconnect: [error: Error | undefined]
  /** Another attempt is made after a pause. `error`: why the last one failed, or the connection broke. */
  retry: [attempt: number, delayMs: number, error: unknown]
  /** The server did not listen again for a forward; it is asked again as long as this connection lasts. */
  forwardFailed: [error: unknown, listener: Listener]
  /** It is over for good; with an error if it gave up. */
  close: [error: unknown]
}

/**
 * Connects, and connects again whenever the connection is over, until it is closed or gives up.
 *
 * @param destination as of `connect`
 * @param options those of `connect`, and how to try again
 * @returns at once: whoever needs the link waits for it
 * @throws OptionsError
 * @example
 * await using link = createReconnecting('user@host', { maxDelay: '30s' })
 * const db = await link.forwardLocalPort('localhost', 5432, 'db.internal', 5432)
 */
export function createReconnecting(destination: Destination, options: ReconnectOptions = {}): ReconnectingConnection {
  return new ReconnectingConnection(destination, options)
}

/**
 * A connection that comes back when it breaks. Made by {@link createReconnecting}.
 *
 * - Calls made while the link is down wait for it, up to `waitTimeout`. One whose connection breaks before anything was
 *   begun is made on the next.
 * - What was running when the link fell fails, as it would on a plain connection: commands, processes, SFTP clients,
 *   tunnels. Nothing is ever run a second time unasked.
 * - Ports and paths that are listened on here stay open while the link is down, on the same port. Who connects meanwhile
 *   waits for the link, up to `waitTimeout`, and is disconnected after that.
 * - Ports and paths that the server listens on are asked for again on each new connection, with the same port where the
 *   server had chosen it. While it refuses, as it may until it has noticed that the old connection is gone, it is asked
 *   again in the same pauses; see the event `forwardFailed`.
 */
export class ReconnectingConnection extends EventEmitter<ReconnectingEvents> {
  readonly #keeper: LinkKeeper
  readonly #policy: ReconnectPolicy
  readonly #local: LocalForwarding
  readonly #kept = new Set<KeptListener>()
  readonly #closed: Promise<void>
  #settleClosed: (error: unknown) => void = () => {}
  /** Resolves when it is over for good, before everything is closed. */
  readonly #over: Promise<void>
  #settleOver: () => void = () => {}
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = () => void this.close()

  /** Made by {@link createReconnecting}. */
  constructor(destination: Destination, options: ReconnectOptions = {}) {
    super()
    const { own, forConnection } = divide(options)
    const parsed = parseOptions('createReconnecting', reconnectOptionsSchema, own)
    checkPooledClientOptions('createReconnecting', forConnection)
    const { host } = parseDestination(destination)
    this.#policy = reconnectPolicy(parsed)
    this.#closed = new Promise((resolve, reject) => {
      this.#settleClosed = (error) => (error === undefined ? resolve() : reject(error))
    })
    this.#closed.catch(() => {})
    this.#over = new Promise((resolve) => {
      this.#settleOver = resolve
    })
    this.#keeper = new LinkKeeper(
      host,
      (signal) => connectClient(destination, { ...forConnection, signal }),
      this.#policy,
      {
        onConnect: (connection) => this.#onConnect(connection),
        onDisconnect: (error) => this.#tell('disconnect', error),
        onRetry: (attempt, delayMs, error) => this.#tell('retry', attempt, delayMs, error),
        onClose: (error) => this.#onClose(error),
      },
    )
    this.#local = LocalForwarding.lasting(this.#life(forConnection), {
      openTcp: (toHost, port, opening) =>
        this.#use((connection) => connection.openTcpChannel(toHost, port, opening), opening.signal),
      openUnix: (path, opening) => this.#use((connection) => connection.openUnixChannel(path, opening), opening.signal),
    })
    this.#signal = parsed.signal
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (this.#signal?.aborted) void this.close()
    else this.#keeper.start()
  }

  /** The connection, while there is one. */
  get connection(): SshClientConnection | undefined {
    return this.#keeper.connection
  }

  /**
   * The connection that there is, or the next one. Rejects when it is closed or gives up first. Never an unhandled
   * rejection.
   */
  get connected(): Promise<SshClientConnection> {
    const connected = this.#keeper.up(undefined, Number.POSITIVE_INFINITY)
    connected.catch(() => {})
    return connected
  }

  /** Resolves when it is closed, rejects with what it gave up for. Never an unhandled rejection. */
  get closed(): Promise<void> {
    return this.#closed
  }

  /** Whether it is over for good. */
  get isClosed(): boolean {
    return this.#keeper.isClosed
  }

  // Sessions

  /**
   * As `run` of a connection; the wait for the link counts for `timeout`.
   * @throws as `run` of a connection; TimeoutError `ERR_SSH_RECONNECT_TIMEOUT`; what it gave up for
   */
  run<E extends OutputEncoding | undefined = undefined>(
    command: Command,
    options: RunOptions & { readonly encoding?: E } = {},
  ): Promise<CompletedProcess<OutputOf<E>>> {
    const { openSession, defaults } = this.#sessions(true)
    return runProcess(openSession, command, options, defaults)
  }

  /** As `createProcess` of a connection. @throws as {@link run} */
  createProcess<E extends OutputEncoding | undefined = undefined>(
    command?: Command,
    options: ProcessOptions & { readonly encoding?: E } = {},
  ): Promise<SshClientProcess<OutputOf<E>>> {
    const { openSession, defaults } = this.#sessions(false)
    return createProcess(openSession, command, options, defaults)
  }

  /** As `openSession` of a connection. @throws as {@link run} */
  async openSession(command?: Command, options: ProcessOptions = {}): Promise<SessionStreams> {
    const { stdin, stdout, stderr, channel } = await this.createProcess(command, options)
    return { stdin, stdout, stderr, channel }
  }

  /** As `startSftpClient` of a connection; the client ends with the connection it was started on. @throws as {@link run} */
  startSftpClient(options: SftpClientOptions = {}): Promise<SftpClient> {
    return this.#use((connection) => connection.startSftpClient(options), options.signal)
  }

  // Tunnels

  /** As `openConnection` of a connection. @throws as {@link run} */
  openConnection(host: string, port: number, options?: OpenConnectionOptions): Promise<Duplex> {
    return this.#use((connection) => connection.openConnection(host, port, options), options?.signal)
  }

  /** As `openUnixConnection` of a connection. @throws as {@link run} */
  openUnixConnection(path: string, options?: OpenUnixConnectionOptions): Promise<Duplex> {
    return this.#use((connection) => connection.openUnixConnection(path, options), options?.signal)
  }

  /** As `openTcpChannel` of a connection. @throws as {@link run} */
  openTcpChannel(host: string, port: number, options?: OpenConnectionOptions): Promise<Channel> {
    return this.#use((connection) => connection.openTcpChannel(host, port, options), options?.signal)
  }

  /** As `openUnixChannel` of a connection. @throws as {@link run} */
  openUnixChannel(path: string, options?: OpenUnixConnectionOptions): Promise<Channel> {
    return this.#use((connection) => connection.openUnixChannel(path, options), options?.signal)
  }

  /**
   * As `forwardLocalPort` of a connection. Listens at once, whether or not there is a link.
   * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED`; OptionsError; AbortError; what it gave up for
   */
  forwardLocalPort(
    listenHost: string,
    listenPort: number,
    destHost: string,
    destPort: number,
    options?: LocalPortOptions,
  ): Promise<Listener> {
    return this.#local.forwardLocalPort(listenHost, listenPort, destHost, destPort, options)
  }

  /** As `forwardLocalPortToPath` of a connection. See {@link forwardLocalPort}. */
  forwardLocalPortToPath(
    listenHost: string,
    listenPort: number,
    destPath: string,
    options?: LocalPortOptions,
  ): Promise<Listener> {
    return this.#local.forwardLocalPortToPath(listenHost, listenPort, destPath, options)
  }

  /** As `forwardLocalPath` of a connection. See {@link forwardLocalPort}. */
  forwardLocalPath(listenPath: string, destPath: string, options?: LocalPathOptions): Promise<Listener> {
    return this.#local.forwardLocalPath(listenPath, destPath, options)
  }

  /** As `forwardLocalPathToPort` of a connection. See {@link forwardLocalPort}. */
  forwardLocalPathToPort(
    listenPath: string,
    destHost: string,
    destPort: number,
    options?: LocalPathOptions,
  ): Promise<Listener> {
    return this.#local.forwardLocalPathToPort(listenPath, destHost, destPort, options)
  }

  /** As `forwardSocks` of a connection. See {@link forwardLocalPort}. */
  forwardSocks(listenHost: string, listenPort: number, options?: SocksOptions): Promise<Listener> {
    return this.#local.forwardSocks(listenHost, listenPort, options)
  }

  // What the server listens on

  /** As `startServer` of a connection, again on each new one. @throws as of a connection, the first time; as {@link run} */
  startServer(
    handler: ConnectionHandler<ForwardedTcpInfo>,
    listenHost: string,
    listenPort: number,
    options: RemotePortOptions = {},
  ): Promise<Listener> {
    return this.#keep(options, (connection, port = listenPort, rest) =>
      connection.startServer(handler, listenHost, port, rest),
    )
  }

  /** As `startUnixServer` of a connection, again on each new one. @throws as {@link startServer} */
  startUnixServer(
    handler: ConnectionHandler<ForwardedUnixInfo>,
    listenPath: string,
    options: RemotePathOptions = {},
  ): Promise<Listener> {
    return this.#keep(options, (connection, _port, rest) => connection.startUnixServer(handler, listenPath, rest))
  }

  /** As `forwardRemotePort` of a connection, again on each new one. @throws as {@link startServer} */
  forwardRemotePort(
    listenHost: string,
    listenPort: number,
    destHost: string,
    destPort: number,
    options: RemotePortOptions = {},
  ): Promise<Listener> {
    return this.#keep(options, (connection, port = listenPort, rest) =>
      connection.forwardRemotePort(listenHost, port, destHost, destPort, rest),
    )
  }

  /** As `forwardRemotePortToPath` of a connection, again on each new one. @throws as {@link startServer} */
  forwardRemotePortToPath(
    listenHost: string,
    listenPort: number,
    destPath: string,
    options: RemotePortOptions = {},
  ): Promise<Listener> {
    return this.#keep(options, (connection, port = listenPort, rest) =>
      connection.forwardRemotePortToPath(listenHost, port, destPath, rest),
    )
  }

  /** As `forwardRemotePath` of a connection, again on each new one. @throws as {@link startServer} */
  forwardRemotePath(listenPath: string, destPath: string, options: RemotePathOptions = {}): Promise<Listener> {
    return this.#keep(options, (connection, _port, rest) => connection.forwardRemotePath(listenPath, destPath, rest))
  }

  /** As `forwardRemotePathToPort` of a connection, again on each new one. @throws as {@link startServer} */
  forwardRemotePathToPort(
    listenPath: string,
    destHost: string,
    destPort: number,
    options: RemotePathOptions = {},
  ): Promise<Listener> {
    return this.#keep(options, (connection, _port, rest) =>
      connection.forwardRemotePathToPort(listenPath, destHost, destPort, rest),
    )
  }

  /** Ends the connection and every listener, for good; resolves when all is closed. Never rejects. */
  async close(): Promise<void> {
    await this.#keeper.close()
    await this.#closed.catch(() => {})
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #sessions(isShort: boolean): LateSessions {
    return lateSessions(
      {
        ask: (question, signal) => this.#use(async (connection) => question(connection), signal),
        use: (open, signal) => this.#use(open, signal),
      },
      isShort,
    )
  }

  /** Begins something on the link, on the next one when this one breaks before it has begun. */
  async #use<T>(begin: (connection: SshClientConnection) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const { clock, waitTimeoutMs } = this.#policy
    const until = waitTimeoutMs === 0 ? Number.POSITIVE_INFINITY : clock.now() + waitTimeoutMs
    for (;;) {
      const connection = await this.#keeper.up(signal, until - clock.now())
      try {
        return await begin(connection)
      } catch (error) {
        if (!connection.isClosed || this.isClosed || !isConnectionFault(error)) throw error
      }
    }
  }

  async #keep<O extends { readonly signal?: AbortSignal | undefined }>(
    options: O,
    listen: (connection: SshClientConnection, port: number | undefined, options: O) => Promise<Listener>,
  ): Promise<Listener> {
    const { signal } = options
    const first = await this.#use((connection) => listen(connection, undefined, options), signal)
    const again: ListenOn = (connection, port) => listen(connection, port, { ...options, signal: undefined })
    const kept = new KeptListener(first, again, this.#policy, (error, listener) =>
      this.#tell('forwardFailed', error, listener),
    )
    const { listener } = kept
    const close = () => void listener.close()
    signal?.addEventListener('abort', close, { once: true })
    this.#kept.add(kept)
    listener.closed.then(() => {
      this.#kept.delete(kept)
      signal?.removeEventListener('abort', close)
    })
    if (signal?.aborted || this.isClosed) close()
    return listener
  }

  #life(options: PooledClientOptions): Parameters<typeof LocalForwarding.lasting>[0] {
    const isClosed = () => this.isClosed
    return {
      logger: options.logger && safeLogger(options.logger),
      closed: this.#over,
      get isClosed() {
        return isClosed()
      },
      closedError: () => asSshError(this.#keeper.endError),
    }
  }

  #onConnect(connection: SshClientConnection): void {
    for (const kept of this.#kept) void kept.renew(connection)
    this.#tell('connect', connection)
  }

  #onClose(error: unknown): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#settleOver()
    const closing = [...this.#kept].map(({ listener }) => listener.close())
    Promise.all([this.#keeper.close(), ...closing]).then(() => {
      this.#settleClosed(error)
      this.#tell('close', error)
    })
  }

  /** In a turn of its own: what a listener throws is its own fault, and must not hold up the rest. */
  #tell<N extends keyof ReconnectingEvents>(event: N, ...values: ReconnectingEvents[N]): void {
    setImmediate(() => (this as EventEmitter).emit(event, ...values))
  }
}

function divide(options: ReconnectOptions): { own: object; forConnection: PooledClientOptions } {
  assertOptions('createReconnecting', options, portHint)
  assertKnownOptions('createReconnecting', options, reconnectOptionsSchema, pooledClientOptionsSchema)
  const isOwn = (name: string) => name in reconnectOptionsSchema.shape
  const entries = Object.entries(options)
  return {
    own: Object.fromEntries(entries.filter(([name]) => isOwn(name))),
    forConnection: Object.fromEntries(entries.filter(([name]) => !isOwn(name))),
  }
}

function asSshError(error: unknown): SshError {
  if (SshError.isSshError(error)) return error
  return new SshError('ERR_SSH_CONNECTION_CLOSED', 'The connection is closed', { cause: error })
}
