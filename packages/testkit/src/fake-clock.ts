/** A clock that a test holds in its hand: time moves only when told to, and timers fire in order. */

interface Timer {
  readonly id: number
  readonly dueAt: number
  readonly callback: () => void
}

/** A clock for whatever takes its time from outside. */
export class FakeClock {
  #now: number
  #lastId = 0
  readonly #timers = new Map<number, Timer>()

  /** @param now milliseconds it shows at first; default 1,000,000, so that "zero" and "never set" cannot be mistaken */
  constructor(now = 1_000_000) {
    this.#now = now
  }

  /** Milliseconds. An arrow function, so it can be handed over alone: `{ now: clock.now }`. */
  readonly now = (): number => this.#now

  /**
   * Calls `callback` once, `delayMs` from now, while {@link advance} moves the time.
   * @returns a function that cancels
   */
  readonly schedule = (callback: () => void, delayMs: number): (() => void) => {
    const id = ++this.#lastId
    this.#timers.set(id, { id, dueAt: this.#now + Math.max(0, delayMs), callback })
    return () => void this.#timers.delete(id)
  }

  /** Timers that have neither fired nor been cancelled: 0 at the end of a test that leaves nothing behind. */
  get pending(): number {
    return this.#timers.size
  }

  /** When the next timer is due, in milliseconds of {@link now}. */
  get nextDueAt(): number | undefined {
    return this.#next()?.dueAt
  }

  /** Moves the time by `ms`, firing what falls due on the way in order, each at its own moment. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`Time moves forward only, not by ${ms} ms`)
    const end = this.#now + ms
    for (let timer = this.#next(); timer !== undefined && timer.dueAt <= end; timer = this.#next()) {
      this.#timers.delete(timer.id)
      this.#now = Math.max(this.#now, timer.dueAt)
      timer.callback()
    }
    this.#now = end
  }

  #next(): Timer | undefined {
    let next: Timer | undefined
    // Equal times fire in the order of scheduling, which is the order of a Map.
    for (const timer of this.#timers.values()) if (next === undefined || timer.dueAt < next.dueAt) next = timer
    return next
  }
}
