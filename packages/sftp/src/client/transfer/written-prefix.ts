/** Keeps count of what is written without a hole, and makes blocks wait that would go too far behind one. */

import { greatestSpread } from '../file-tree.js'

export class WrittenPrefix {
  /** Everything in front of it is written. */
  #contiguous: number
  readonly #maximumSpread: number
  /** Blocks written behind a hole, few at a time. No Map: those that change all the time keep what they were alive. */
  readonly #ahead: { readonly position: number; readonly end: number }[] = []
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
      this.#ahead.push({ position, end })
      return
    }
    for (let next: number | undefined = end; next !== undefined; next = this.#takeAhead(next)) this.#contiguous = next
    this.#wake()
  }

  /** The end of the block that is written from `position` on. */
  #takeAhead(position: number): number | undefined {
    const index = this.#ahead.findIndex((block) => block.position === position)
    return index < 0 ? undefined : this.#ahead.splice(index, 1)[0]?.end
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
