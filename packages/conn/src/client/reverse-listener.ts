/** A client that listens for its servers: the direction of TCP is the only thing that changes. */

import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { ignoreError } from '@ssh/streams'
import { AbortError } from '@ssh/wire'
import { Deferred } from '../deferred.js'
import type { ListenAddress } from '../forwarding/listener.js'
import { parseOptions } from '../options-schema.js'
import { acceptStreams, type StreamAcceptor } from '../stream-acceptor.js'
import type { ClientConnection } from './client-connection.js'
import type { ClientLink } from './client-link.js'
import type { ClientOptions } from './client-options.js'
import { establishClient } from './connect.js'
import { type Destination, parseDestination } from './destination.js'
import { type ReverseListenOptions, reverseListenOptionsSchema } from './reverse-listen-options.js'

const defaults = { backlog: 511, maxStartups: 100 } as const

/** Events of a {@link ReverseListener}, and what their listeners get. */
export interface ReverseListenerEvents<C> {
  /** A server connected and let us in. */
  connection: [connection: C]
  /** Somebody connected, and it came to no login. */
  failure: [error: Error, remoteAddress: string | undefined]
  /** Nothing is accepted any more. */
  close: []
}

/** What a reverse listener needs of the connections it makes. */
export type ReverseConnection = Pick<ClientConnection, 'close' | 'closed' | 'abort'>

/**
 * Listens for servers that connect to their client, and logs in to each.
 * @param make makes of an established link what users get
 * @throws OptionsError
 * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED` when the port cannot be had; `cause` is the system's error
 * @throws ChannelListenError when the server at the far end of `tunnel` refuses; what connecting to a jump host fails with
 * @throws AbortError
 */
export async function listenForServers<C extends ReverseConnection>(
  options: ReverseListenOptions<C>,
  make: (link: ClientLink) => C,
): Promise<ReverseListener<C>> {
  const parsed = parseOptions('listenReverse', reverseListenOptionsSchema, options)
  const { host, port, backlog = defaults.backlog, maxStartups = defaults.maxStartups, tunnel, signal, ...rest } = parsed
  const { destination, acceptor: _, ...client } = rest
  if (destination !== undefined) parseDestination(destination)
  if (signal?.aborted) throw new AbortError(signal.reason)
  const { logger } = client
  const listener = new ReverseListener<C>({
    login: async (stream, address, giveUp) =>
      make(await establishClient(whom(destination, address), { ...client, sock: stream, signal: giveUp })),
    acceptor: options.acceptor,
    maxStartups,
    logger,
  })
  const acceptor = await acceptStreams({
    host,
    port,
    backlog,
    tunnel,
    signal,
    logger,
    onStream: (stream, address) => listener.take(stream, address),
    onError: (error) => logger?.warn?.({ layer: 'client', event: 'accept-failed', error }),
  })
  listener.begin(acceptor, signal)
  if (!signal?.aborted) return listener
  await listener.close()
  throw new AbortError(signal.reason)
}

/** In a tunnel its server may say anything of where a connection comes from; what is no name is nobody's. */
function whom(destination: Destination | undefined, address: string | undefined): Destination {
  if (destination !== undefined) return destination
  try {
    const { host } = parseDestination({ host: address ?? '' })
    return { host }
  } catch {
    return 'unknown'
  }
}

interface Work<C> {
  login(stream: Duplex, address: string | undefined, giveUp: AbortSignal): Promise<C>
  readonly acceptor: ((connection: C) => unknown) | undefined
  readonly maxStartups: number
  readonly logger: ClientOptions['logger']
}

/**
 * A client that listens for its servers. Each connection goes to the option `acceptor` and to listeners of `connection`;
 * where there is neither, to whoever iterates:
 *
 * @example
 * for await (const conn of await listenReverse({ port: 2222, destination: 'device' })) void handle(conn)
 */
export class ReverseListener<C extends ReverseConnection>
  extends EventEmitter<ReverseListenerEvents<C>>
  implements AsyncIterable<C>
{
  readonly #work: Work<C>
  readonly #connections = new Set<C>()
  /** Those that nobody has taken yet. */
  readonly #waiting: C[] = []
  readonly #giveUp = new AbortController()
  readonly #closed = new Deferred<void>()
  #acceptor: StreamAcceptor | undefined
  #isOver = false
  #startups = 0
  #somethingNew = new Deferred<void>()
  #signal: AbortSignal | undefined

  /** Made by `listenReverse`. */
  constructor(work: Work<C>) {
    super()
    this.#work = work
  }

  /** The port it listens on; 0 once it is closed. */
  get port(): number {
    return this.addresses[0]?.port ?? 0
  }

  /** Where it listens; nowhere once it is closed. */
  get addresses(): readonly ListenAddress[] {
    return this.#isOver ? [] : (this.#acceptor?.addresses ?? [])
  }

  /** Connections that are logged in and open, taken or not. */
  get connections(): ReadonlySet<C> {
    return new Set(this.#connections)
  }

  /** Resolves when nothing is accepted any more: it was closed, or its tunnel is gone. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /**
   * Stops accepting, gives up logins that are under way, and closes connections that nobody has taken. Those that were
   * handed out stay open.
   */
  async close(): Promise<void> {
    this.#acceptor?.close()
    await this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Connections as they come, until the listener is closed. Each goes to one iterator. */
  async *[Symbol.asyncIterator](): AsyncGenerator<C, void, void> {
    for (;;) {
      const next = this.#waiting.shift()
      if (next !== undefined) yield next
      else if (this.#isOver) return
      else await this.#somethingNew.promise
    }
  }

  /** @internal */
  begin(acceptor: StreamAcceptor, signal: AbortSignal | undefined): void {
    this.#acceptor = acceptor
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    acceptor.closed.then(() => this.#over())
  }

  /** @internal */
  take(stream: Duplex, address: string | undefined): void {
    stream.on('error', ignoreError)
    const { maxStartups, logger } = this.#work
    if (this.#isOver || this.#startups + this.#waiting.length >= maxStartups) {
      logger?.warn?.({ layer: 'client', event: 'too-many-startups', limit: maxStartups })
      stream.destroy()
      return
    }
    this.#startups++
    this.#work
      .login(stream, address, this.#giveUp.signal)
      .finally(() => this.#startups--)
      .then(
        (connection) => this.#loggedIn(connection),
        (error: Error) => this.#failed(error, address),
      )
  }

  readonly #onAbort = () => void this.close()

  #loggedIn(connection: C): void {
    this.#connections.add(connection)
    const gone = () => this.#gone(connection)
    connection.closed.then(gone, gone)
    const { acceptor } = this.#work
    if (this.#isOver) {
      void connection.close()
      return
    }
    if (acceptor === undefined && this.listenerCount('connection') === 0) {
      this.#waiting.push(connection)
      this.#tellIterators()
      return
    }
    if (acceptor !== undefined) void this.#accept(acceptor, connection)
    this.#tell('connection', connection)
  }

  async #accept(acceptor: (connection: C) => unknown, connection: C): Promise<void> {
    try {
      await acceptor(connection)
    } catch (error) {
      this.#work.logger?.warn?.({ layer: 'client', event: 'callback-failed', callback: 'acceptor', error })
      connection.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #failed(error: Error, address: string | undefined): void {
    this.#work.logger?.debug({ layer: 'client', event: 'reverse-login-failed', error, address })
    this.#tell('failure', error, address)
    this.#releaseWhenEmpty()
  }

  #gone(connection: C): void {
    this.#connections.delete(connection)
    const index = this.#waiting.indexOf(connection)
    if (index !== -1) this.#waiting.splice(index, 1)
    this.#releaseWhenEmpty()
  }

  #over(): void {
    this.#isOver = true
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#giveUp.abort()
    const untaken = this.#waiting.splice(0)
    Promise.all(untaken.map((connection) => connection.close())).then(() => {
      this.#closed.resolve()
      this.#tell('close')
    })
    this.#tellIterators()
    this.#releaseWhenEmpty()
  }

  /** A tunnel that was made for this lasts as long as what came through it. */
  #releaseWhenEmpty(): void {
    if (this.#isOver && this.#startups === 0 && this.#connections.size === 0) void this.#acceptor?.release()
  }

  #tellIterators(): void {
    this.#somethingNew.resolve()
    this.#somethingNew = new Deferred()
  }

  /** In a turn of its own: what a listener throws is its own fault, and breaks nothing here. */
  #tell<E extends keyof ReverseListenerEvents<C>>(event: E, ...values: ReverseListenerEvents<C>[E]): void {
    setImmediate(() => (this as EventEmitter).emit(event, ...values))
  }
}
