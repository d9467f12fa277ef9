/** The caller's limits on connecting as a whole, a signal and a time, as one signal. */

import { AbortError, type SshError } from '@ssh/wire'
import { TimeoutError } from '../errors.js'
import { maximumDelayMs } from '../io/clock.js'

export class ConnectLimit {
  /** What is being waited for, for the error of the timeout. */
  step = ''
  /** What is connected to, for the error of the timeout. */
  where = 'the server'
  readonly #controller = new AbortController()
  readonly #given: AbortSignal | undefined
  readonly #startedAt = performance.now()
  #timer: NodeJS.Timeout | undefined

  /** @param timeoutMs undefined or 0: no limit */
  constructor(given: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#given = given
    given?.addEventListener('abort', this.#onAbort, { once: true })
    if (given?.aborted) this.#onAbort()
    this.limitTo(timeoutMs)
  }

  /**
   * Sets the time, counted from the beginning.
   * @param timeoutMs undefined or 0: no limit
   */
  limitTo(timeoutMs: number | undefined): void {
    clearTimeout(this.#timer)
    if (timeoutMs === undefined || timeoutMs === 0) return
    const exceed = () => {
      const text = `Connecting to ${this.where} took longer than ${timeoutMs} ms; what was missing was ${this.step}`
      this.#exceed(new TimeoutError('ERR_SSH_CONNECT_TIMEOUT', text, { details: { timeoutMs, step: this.step } }))
    }
    const leftMs = Math.max(0, timeoutMs - (performance.now() - this.#startedAt))
    this.#timer = setTimeout(exceed, Math.min(leftMs, maximumDelayMs))
  }

  /** Fires when the limits are exceeded; its reason is the error to fail with. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The outcome of work that cannot be stopped, unless the limits are exceeded first. */
  race<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const onExceeded = () => reject(this.signal.reason)
      if (this.signal.aborted) onExceeded()
      this.signal.addEventListener('abort', onExceeded, { once: true })
      work.then(resolve, reject)
    })
  }

  /** The limits count no more. */
  release(): void {
    clearTimeout(this.#timer)
    this.#given?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = () => this.#exceed(new AbortError(this.#given?.reason))

  #exceed(error: SshError): void {
    this.#controller.abort(error)
  }
}
