/** Received bytes that nobody has read yet, in the chunks in which they came. */

import { asBuffer } from '@ssh/wire'

export class ChunkQueue {
  readonly #chunks: Buffer[] = []
  /** Bytes of the first chunk that have been read. */
  #offset = 0
  #length = 0

  /** Bytes waiting. */
  get length(): number {
    return this.#length
  }

  /** Appends without copying. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(asBuffer(chunk))
    this.#length += chunk.length
  }

  /** The next `length` bytes, which must be there, without reading them: a view where one chunk holds them all. */
  peek(length: number): Buffer {
    const view = this.#firstView(length)
    if (view !== undefined) return view
    const joined = Buffer.allocUnsafe(length)
    let filled = 0
    let offset = this.#offset
    for (const chunk of this.#chunks) {
      filled += chunk.copy(joined, filled, offset)
      offset = 0
      if (filled === length) break
    }
    return joined
  }

  /** Reads the next `length` bytes, which must be there: a view where one chunk holds them all. */
  take(length: number): Buffer {
    const view = this.#firstView(length)
    if (view === undefined) {
      const joined = Buffer.allocUnsafe(length)
      this.moveTo(joined, 0)
      return joined
    }
    this.#advance(length)
    return view
  }

  /** Reads into `target` from `offset` on until either is used up. @returns bytes moved */
  moveTo(target: Buffer, offset: number): number {
    let filled = offset
    for (let chunk = this.#chunks[0]; chunk !== undefined && filled < target.length; chunk = this.#chunks[0]) {
      const moved = chunk.copy(target, filled, this.#offset)
      filled += moved
      this.#advance(moved)
    }
    return filled - offset
  }

  /** Forgets everything. */
  clear(): void {
    this.#chunks.length = 0
    this.#offset = 0
    this.#length = 0
  }

  #firstView(length: number): Buffer | undefined {
    const first = this.#chunks[0]
    if (first === undefined || first.length - this.#offset < length) return undefined
    return first.subarray(this.#offset, this.#offset + length)
  }

  /** Moves on by `length` bytes, all of them in the first chunk. */
  #advance(length: number): void {
    this.#offset += length
    this.#length -= length
    if (this.#offset !== this.#chunks[0]?.length) return
    this.#chunks.shift()
    this.#offset = 0
  }
}
