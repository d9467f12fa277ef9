/** Keeps a connection up: makes it, notices its end, and makes another one, in pauses that grow. */

import { ConnectionLost, TimeoutError } from '@ssh/conn'
import { AbortError } from '@ssh/wire'
import type { SshClientConnection } from '../client/ssh-client-connection.js'
import { pauseBefore, type ReconnectPolicy } from './reconnect-options.js'

/** Whom a keeper tells. */
export interface LinkKeeperHandlers {
  onConnect(connection: SshClientConnection): void
  /** The connection is over; without an error if the server, or whoever had the connection, ended it in good order. */
  onDisconnect(error: Error | undefined): void
  /** Another attempt is made after a pause. */
  onRetry(attempt: number, delayMs: number, error: unknown): void
  /** It is over for good; with an error if it gave up. */
  onClose(error: unknown): void
}

/** A link that breaks sooner is none, however short the pauses are. */
const leastLastingMs = 1000

/** One who waits for the link. */
interface Waiter {
  resolve(connection: SshClientConnection): void
  reject(error: unknown): void
}

export class LinkKeeper {
  readonly #where: string
  readonly #dial: (signal: AbortSignal) => Promise<SshClientConnection>
  readonly #policy: ReconnectPolicy
  readonly #handlers: LinkKeeperHandlers
  readonly #waiting = new Set<Waiter>()
  #connection: SshClientConnection | undefined
  #connectedAt = 0
  #lastPauseMs = 0
  /** Attempts that failed one after another, the first included. */
  #failures = 0
  /** New attempts since there was a link that lasted. */
  #retries = 0
  #lastError: unknown
  #attempt: AbortController | undefined
  /** Settles when the attempt under way is over. */
  #attempted: Promise<void> = Promise.resolve()
  #cancelPause: () => void = () => {}
  #end: { readonly error: unknown } | undefined

  /** @param where for messages */
  constructor(
    where: string,
    dial: (signal: AbortSignal) => Promise<SshClientConnection>,
    policy: ReconnectPolicy,
    handlers: LinkKeeperHandlers,
  ) {
    this.#where = where
    this.#dial = dial
    this.#policy = policy
    this.#handlers = handlers
  }

  /** The connection, while there is one. */
  get connection(): SshClientConnection | undefined {
    return this.#connection?.isClosed === false ? this.#connection : undefined
  }

  get isClosed(): boolean {
    return this.#end !== undefined
  }

  /** What whoever comes too late is told. */
  get endError(): unknown {
    return (
      this.#end?.error ?? new ConnectionLost('ERR_SSH_CONNECTION_CLOSED', `The connection to ${this.#where} is closed`)
    )
  }

  /** Makes the first attempt. */
  start(): void {
    this.#connect()
  }

  /**
   * The connection, as soon as there is one.
   * @param timeoutMs Infinity: no limit
   * @throws TimeoutError `ERR_SSH_RECONNECT_TIMEOUT`; AbortError; what it was given up for
   */
  up(signal: AbortSignal | undefined, timeoutMs: number): Promise<SshClientConnection> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw new AbortError(signal.reason)
      if (this.isClosed) throw this.endError
      const { connection } = this
      if (connection !== undefined) return resolve(connection)
      const leave = () => {
        cancelTimeout()
        signal?.removeEventListener('abort', onAbort)
        this.#waiting.delete(waiter)
      }
      const waiter: Waiter = {
        resolve: (made) => {
          leave()
          resolve(made)
        },
        reject: (error) => {
          leave()
          reject(error)
        },
      }
      const onAbort = () => waiter.reject(new AbortError(signal?.reason))
      const cancelTimeout = Number.isFinite(timeoutMs)
        ? this.#policy.clock.schedule(() => waiter.reject(this.#tooLong()), Math.max(0, timeoutMs))
        : () => {}
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiter)
    })
  }

  /** Ends it for good; resolves when the socket is closed. */
  async close(error?: unknown): Promise<void> {
    if (this.#end === undefined) {
      this.#end = { error }
      this.#cancelPause()
      this.#attempt?.abort()
      for (const waiter of [...this.#waiting]) waiter.reject(this.endError)
      this.#handlers.onClose(error)
    }
    await Promise.all([this.#attempted, this.#connection?.close()])
  }

  #connect(): void {
    const attempt = new AbortController()
    this.#attempt = attempt
    this.#attempted = this.#dial(attempt.signal).then(
      (connection) => this.#connected(connection),
      (error: unknown) => this.#failed(error),
    )
  }

  async #connected(connection: SshClientConnection): Promise<void> {
    this.#attempt = undefined
    // Closed in the very moment in which it was done.
    if (this.isClosed) return connection.close()
    this.#connection = connection
    this.#connectedAt = this.#policy.clock.now()
    connection.closed.then(
      () => this.#lost(undefined),
      (error: Error) => this.#lost(error),
    )
    for (const waiter of [...this.#waiting]) waiter.resolve(connection)
    this.#handlers.onConnect(connection)
  }

  #failed(error: unknown): void {
    this.#attempt = undefined
    if (this.isClosed) return
    this.#failures++
    this.#tryAgain(error)
  }

  #lost(error: Error | undefined): void {
    this.#connection = undefined
    if (this.isClosed) return
    this.#handlers.onDisconnect(error)
    // A connection that never lasts is as good as none: pauses grow as if it had not been made.
    const lastedMs = this.#policy.clock.now() - this.#connectedAt
    const hasLasted = this.#retries === 0 || lastedMs >= Math.max(this.#lastPauseMs, leastLastingMs)
    this.#failures = hasLasted ? 0 : this.#failures + 1
    if (hasLasted) this.#retries = 0
    this.#tryAgain(error)
  }

  #tryAgain(error: unknown): void {
    this.#lastError = error
    const { maxAttempts, clock } = this.#policy
    if (this.#failures >= maxAttempts || !this.#isRetryable(error)) {
      void this.close(error ?? this.#neverLasts())
      return
    }
    const attempt = ++this.#retries
    this.#lastPauseMs = pauseBefore(attempt, this.#policy)
    this.#cancelPause = clock.schedule(() => this.#connect(), this.#lastPauseMs)
    this.#handlers.onRetry(attempt, this.#lastPauseMs, error)
  }

  #isRetryable(error: unknown): boolean {
    if (error === undefined) return true
    try {
      return this.#policy.retryable(error)
    } catch {
      // Whoever cannot judge it has not said yes.
      return false
    }
  }

  #neverLasts(): ConnectionLost {
    const text = `The server at ${this.#where} ended ${this.#failures} connections in a row in good order, but at once`
    return new ConnectionLost('ERR_SSH_CONNECTION_CLOSED', text)
  }

  #tooLong(): TimeoutError {
    const { waitTimeoutMs } = this.#policy
    const last = this.#lastError instanceof Error ? `; the last error was: ${this.#lastError.message}` : ''
    return new TimeoutError(
      'ERR_SSH_RECONNECT_TIMEOUT',
      `There was no connection to ${this.#where} within ${waitTimeoutMs} ms (waitTimeout)${last}`,
      { details: { timeoutMs: waitTimeoutMs }, cause: this.#lastError },
    )
  }
}
