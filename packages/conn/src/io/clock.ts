/** Time, as the sans-I/O rooms see it: a number that only grows, and one alarm. */

import { performance } from 'node:perf_hooks'

/** Milliseconds since some fixed moment; never goes back, whatever happens to the wall clock. */
export type Clock = () => number

export const monotonicClock: Clock = () => performance.now()

/** Calls back once, `delayMs` from now. The wait does not keep the process alive. @returns a function that cancels */
export function schedule(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, Math.min(delayMs, maximumDelayMs)).unref()
  return () => clearTimeout(timer)
}

/** Longest delay setTimeout takes without overflowing to 1 ms. */
export const maximumDelayMs = 0x7fffffff

/**
 * One alarm that follows a moving deadline. Moving it later costs nothing: the timer that is running wakes up,
 * sees that it is too early, and sleeps again. It never keeps the process alive by itself.
 */
export class Alarm {
  readonly #clock: Clock
  readonly #deadline: () => number | undefined
  readonly #onDue: () => void
  #timer: NodeJS.Timeout | undefined
  #wakesAt = Number.POSITIVE_INFINITY

  /**
   * @param deadline when to ring, in the clock's milliseconds; asked again whenever the timer wakes
   * @param onDue called when the deadline has passed
   */
  constructor(clock: Clock, deadline: () => number | undefined, onDue: () => void) {
    this.#clock = clock
    this.#deadline = deadline
    this.#onDue = onDue
  }

  /** The deadline may have moved: make sure that the timer wakes in time. */
  update(): void {
    const deadline = this.#deadline()
    if (deadline === undefined || deadline >= this.#wakesAt) return
    clearTimeout(this.#timer)
    this.#wakesAt = deadline
    const delay = Math.min(Math.max(0, Math.ceil(deadline - this.#clock())), maximumDelayMs)
    this.#timer = setTimeout(() => this.#wake(), delay)
    this.#timer.unref()
  }

  /** Never rings again. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#wakesAt = Number.NEGATIVE_INFINITY
  }

  #wake(): void {
    this.#wakesAt = Number.POSITIVE_INFINITY
    const deadline = this.#deadline()
    if (deadline !== undefined && deadline <= this.#clock()) this.#onDue()
    if (this.#wakesAt === Number.POSITIVE_INFINITY) this.update()
  }
}
