/** A line under edit: characters as users see them, a place among them, and what was last cut out. */

import { clustersOf } from './text-width.js'

export class LineBuffer {
  #clusters: string[] = []
  #cursor = 0
  #length = 0
  #cut = ''

  /** Characters as users see them. */
  get clusters(): readonly string[] {
    return this.#clusters
  }

  /** How many {@link clusters} are left of the cursor. */
  get cursor(): number {
    return this.#cursor
  }

  get text(): string {
    return this.#clusters.join('')
  }

  /** UTF-16 units left of the cursor, as strings count. */
  get offset(): number {
    return this.#clusters.slice(0, this.#cursor).join('').length
  }

  /** Characters of Unicode in the line. */
  get length(): number {
    return this.#length
  }

  get isEmpty(): boolean {
    return this.#clusters.length === 0
  }

  /** @param offset where the cursor goes, in UTF-16 units; into a cluster means behind it. Default: the end */
  replace(text: string, offset = text.length): void {
    this.#clusters = clustersOf(text)
    this.#length = codePointsIn(text)
    this.#cursor = 0
    for (let passed = 0; passed < offset && this.#cursor < this.#clusters.length; this.#cursor++) {
      passed += (this.#clusters[this.#cursor] ?? '').length
    }
  }

  clear(): void {
    this.replace('')
  }

  /** Adds text at the cursor, which goes behind it. An accent joins the letter before. */
  insert(text: string): void {
    const left = this.#clusters[this.#cursor - 1] ?? ''
    const right = this.#clusters[this.#cursor] ?? ''
    const joined = clustersOf(left + text + right)
    const start = left === '' ? this.#cursor : this.#cursor - 1
    this.#clusters.splice(start, (left === '' ? 0 : 1) + (right === '' ? 0 : 1), ...joined)
    this.#cursor = Math.min(start + clustersOf(left + text).length, this.#clusters.length)
    this.#length += codePointsIn(text)
  }

  /** @returns whether there was anything to pass, here and below */
  move(steps: number): boolean {
    return this.moveTo(this.#cursor + steps)
  }

  moveTo(index: number): boolean {
    const cursor = Math.max(0, Math.min(index, this.#clusters.length))
    const hasMoved = cursor !== this.#cursor
    this.#cursor = cursor
    return hasMoved
  }

  deleteLeft(): boolean {
    return this.#remove(this.#cursor - 1, this.#cursor) !== undefined
  }

  deleteRight(): boolean {
    return this.#remove(this.#cursor, this.#cursor + 1) !== undefined
  }

  /** Cuts out what is between two places, for {@link paste}. */
  cut(from: number, to: number): boolean {
    const removed = this.#remove(from, to)
    if (removed === undefined) return false
    this.#cut = removed
    return true
  }

  /** What {@link cut} took last. */
  get lastCut(): string {
    return this.#cut
  }

  /** Exchanges the two characters before the cursor, or at the end the last two, and goes behind them. */
  transpose(): boolean {
    const clusters = this.#clusters
    const second = Math.min(this.#cursor, clusters.length - 1)
    const [a, b] = [clusters[second - 1], clusters[second]]
    if (second < 1 || a === undefined || b === undefined) return false
    clusters.splice(second - 1, 2, b, a)
    this.#cursor = second + 1
    return true
  }

  /** Where the word before the cursor begins; words are what `isPart` says. */
  wordStart(isPart: RegExp = notBlank): number {
    let index = this.#cursor
    while (index > 0 && !isPart.test(this.#clusters[index - 1] ?? '')) index--
    while (index > 0 && isPart.test(this.#clusters[index - 1] ?? '')) index--
    return index
  }

  /** Where the word behind the cursor ends. */
  wordEnd(isPart: RegExp = notBlank): number {
    const { length } = this.#clusters
    let index = this.#cursor
    while (index < length && !isPart.test(this.#clusters[index] ?? '')) index++
    while (index < length && isPart.test(this.#clusters[index] ?? '')) index++
    return index
  }

  #remove(from: number, to: number): string | undefined {
    const [start, end] = [Math.max(0, from), Math.min(to, this.#clusters.length)]
    if (start >= end) return undefined
    const removed = this.#clusters.splice(start, end - start).join('')
    this.#length -= codePointsIn(removed)
    if (this.#cursor > end) this.#cursor -= end - start
    else if (this.#cursor > start) this.#cursor = start
    return removed
  }
}

/** What words are made of that blanks part. */
export const notBlank = /^\S/
/** What words are made of that blanks and punctuation part. */
export const letterOrDigit = /^[\p{L}\p{N}\p{So}\p{Sk}_]/u

function codePointsIn(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}
