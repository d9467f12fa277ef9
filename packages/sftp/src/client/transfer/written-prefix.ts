/** Keeps count of what is written without a hole, and makes blocks wait that would go too far behind one. */

import { greatestSpread } from '../file-tree.js'

export class WrittenPrefix {
  /** Everything in front of it is written. */
  #contiguous: number
  readonly #maximumSpread: number
  /** Blocks written behind a hole: position and end. */
  readonly #ahead = new Map<number, number>()
  /** Blocks that came too early, and what lets each look again. */
  readonly #early = new Set<() => void>()
  #isOver = false

  constructor(start: number, maximumSpread: number) {
    this.#contiguous = start
    this.#maximumSpread = maximumSpread
  }

  /** Bytes from the start that are written without a hole. */
  get contiguous(): number {
    return this.#contiguous
  }

  /** Whether a block that ends at `end` may not be written yet. */
  isEarly(end: number): boolean {
    return !this.#isOver && end > this.#contiguous + greatestSpread(this.#contiguous, this.#maximumSpread)
  }

  /** Resolves when a block that was early may be written, or all is over. */
  async untilTime(end: number): Promise<void> {
    while (this.isEarly(end)) {
      await new Promise<void>((resolve) => {
        this.#early.add(resolve)
      })
    }
  }

  /** A block is written. */
  add(position: number, end: number): void {
    if (position !== this.#contiguous) {
      this.#ahead.set(position, end)
      return
    }
    this.#contiguous = end
    for (let next = this.#ahead.get(end); next !== undefined; next = this.#ahead.get(next)) {
      this.#ahead.delete(this.#contiguous)
      this.#contiguous = next
    }
    this.#wake()
  }

  /** Nothing more will be written: whoever waits goes on at once. */
  end(): void {
    this.#isOver = true
    this.#wake()
  }

  #wake(): void {
    if (this.#early.size === 0) return
    const waiting = [...this.#early]
    this.#early.clear()
    for (const wake of waiting) wake()
  }
}
