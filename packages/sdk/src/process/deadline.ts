/** A caller's signal and a time limit as one. */

import { longestTimerMs } from '../longest-timer.js'

export class Deadline {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout | undefined
  readonly #caller: AbortSignal | undefined
  readonly #onAbort = () => this.#controller.abort(this.#caller?.reason)
  #hasExpired = false

  /**
   * @param timeoutMs undefined and 0 set no limit
   * @param caller the caller's own signal
   */
  constructor(timeoutMs: number | undefined, caller: AbortSignal | undefined) {
    this.#caller = caller
    if (caller?.aborted) this.#onAbort()
    else caller?.addEventListener('abort', this.#onAbort, { once: true })
    if (timeoutMs) {
      this.#timer = setTimeout(
        () => {
          this.#hasExpired = true
          this.#controller.abort()
        },
        Math.min(timeoutMs, longestTimerMs),
      )
    }
  }

  /** Fires when the caller gives up or time is up; `reason` is the caller's. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether it was the time. */
  get hasExpired(): boolean {
    return this.#hasExpired
  }

  /** Must be called when what had the limit is over. */
  clear(): void {
    clearTimeout(this.#timer)
    this.#caller?.removeEventListener('abort', this.#onAbort)
  }
}
