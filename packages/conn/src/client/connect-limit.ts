/** The caller's limits on connecting as a whole: a signal and a time. */

import { AbortError, type SshError } from '@ssh/wire'
import { TimeoutError } from '../errors.js'
import { monotonicClock } from '../io/clock.js'

export class ConnectLimit {
  readonly #signal: AbortSignal | undefined
  readonly #timeoutMs: number
  readonly #what: string
  readonly #startedAt = monotonicClock()
  readonly #listeners = new Set<(error: SshError) => void>()
  readonly #timer: NodeJS.Timeout | undefined
  #exceeded: SshError | undefined

  constructor(signal: AbortSignal | undefined, timeoutMs: number | undefined, what: string) {
    this.#signal = signal
    this.#timeoutMs = timeoutMs ?? 0
    this.#what = what
    if (signal?.aborted) this.#onAbort()
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#timer = this.#timeoutMs === 0 ? undefined : setTimeout(() => this.#exceed(this.#timeout()), this.#timeoutMs)
  }

  /** Time left for a step that has a limit of its own; undefined: any. */
  remainingMs(): number | undefined {
    if (this.#timeoutMs === 0) return undefined
    return Math.max(1, this.#timeoutMs - (monotonicClock() - this.#startedAt))
  }

  /** Calls back when the limits are exceeded, at once if they are already. @returns stops that */
  onExceeded(listener: (error: SshError) => void): () => void {
    if (this.#exceeded !== undefined) listener(this.#exceeded)
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  race<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const stop = this.onExceeded(reject)
      work.then(resolve, reject).finally(stop)
    })
  }

  release(): void {
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = () => this.#exceed(new AbortError(this.#signal?.reason))

  #exceed(error: SshError): void {
    if (this.#exceeded !== undefined) return
    this.#exceeded = error
    for (const listener of this.#listeners) listener(error)
  }

  #timeout(): TimeoutError {
    const text = `Connecting to ${this.#what} took longer than ${this.#timeoutMs} ms`
    return new TimeoutError('ERR_SSH_CONNECT_TIMEOUT', text, { details: { timeoutMs: this.#timeoutMs } })
  }
}
