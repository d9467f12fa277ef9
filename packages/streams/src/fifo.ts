/** A queue whose cost per entry stays the same however long it gets. */

export class Fifo<T extends object> {
  #entries: (T | undefined)[] = []
  #head = 0

  get isEmpty(): boolean {
    return this.#head === this.#entries.length
  }

  /** The entry that was pushed last and not shifted yet. */
  get last(): T | undefined {
    return this.#entries.at(-1)
  }

  /** The entry that {@link shift} would return. */
  get first(): T | undefined {
    return this.#entries[this.#head]
  }

  push(entry: T): void {
    this.#entries.push(entry)
  }

  shift(): T | undefined {
    const entry = this.#entries[this.#head]
    if (entry === undefined) return undefined
    this.#entries[this.#head] = undefined
    this.#head += 1
    if (this.isEmpty) this.clear()
    else if (this.#head >= 1024 && this.#head * 2 > this.#entries.length) {
      // Cut off the used half, so that each entry is moved at most once on average.
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    return entry
  }

  replaceLast(entry: T): void {
    this.#entries[this.#entries.length - 1] = entry
  }

  clear(): void {
    this.#entries = []
    this.#head = 0
  }
}
