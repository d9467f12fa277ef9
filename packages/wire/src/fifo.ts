/** A queue with constant-time `push` and `shift`, whatever its length: `Array.prototype.shift` is not. */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  /** The item that `shift` would take. */
  get first(): T | undefined {
    return this.#items[this.#head]
  }

  /** The item that was pushed last and not shifted yet. */
  get last(): T | undefined {
    return this.#items.at(-1)
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined
    this.#head++
    if (this.#head === this.#items.length) this.clear()
    else if (this.#head >= 1024 && this.#head * 2 > this.#items.length) {
      // Cut off the used half, so that each item is moved at most once on average.
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Puts another item in place of the first one, which must be there. */
  replaceFirst(item: T): void {
    this.#items[this.#head] = item
  }

  /** Puts another item in place of the last one, which must be there. */
  replaceLast(item: T): void {
    this.#items[this.#items.length - 1] = item
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }
}
