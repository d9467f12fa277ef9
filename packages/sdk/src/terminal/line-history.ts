/** Lines that were entered, and a walk through them. A line that is changed on the way stays so until one is entered. */

export class LineHistory {
  readonly #limit: number
  #lines: string[] = []
  /** Where the walk is; one past the last line is the line that is new. */
  #index = 0
  readonly #changed = new Map<number, string>()

  /** @param limit lines that are kept; 0 keeps none */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Oldest first. */
  get lines(): readonly string[] {
    return [...this.#lines]
  }

  set lines(lines: readonly string[]) {
    this.#lines = this.#limit === 0 ? [] : lines.slice(-this.#limit)
    this.rewind()
  }

  /** A line was entered. One that is empty, or the same as the one before, is not kept again. */
  add(line: string): void {
    if (this.#limit > 0 && line !== '' && line !== this.#lines.at(-1)) {
      this.#lines.push(line)
      if (this.#lines.length > this.#limit) this.#lines.shift()
    }
    this.rewind()
  }

  /** Ends the walk. */
  rewind(): void {
    this.#index = this.#lines.length
    this.#changed.clear()
  }

  /**
   * Goes `steps` lines on.
   * @param current the line as it is now
   * @returns the line there; undefined when there is none
   */
  walk(steps: number, current: string): string | undefined {
    const next = this.#index + steps
    if (next < 0 || next > this.#lines.length) return undefined
    if (current === (this.#lines[this.#index] ?? '')) this.#changed.delete(this.#index)
    else this.#changed.set(this.#index, current)
    this.#index = next
    return this.#changed.get(next) ?? this.#lines[next] ?? ''
  }
}
