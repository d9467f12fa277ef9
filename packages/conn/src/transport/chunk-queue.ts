/** Received bytes that nobody has read yet, in the chunks in which they came. */

import { asBuffer } from '@ssh/wire'

export class ChunkQueue {
  readonly #chunks: Buffer[] = []
  /** Bytes of the first chunk that have been read. */
  #offset = 0
  #length = 0
  /** Memory of the chunk that was pushed last, while it is the caller's. */
  #borrowed: ArrayBufferLike | undefined

  /** Bytes waiting. */
  get length(): number {
    return this.#length
  }

  /** Appends without copying: the memory is borrowed until {@link keepRest}. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(asBuffer(chunk))
    this.#length += chunk.length
    this.#borrowed = chunk.buffer
  }

  /** Copies what is left of the chunk that was pushed last, whose memory may be used for something else now. */
  keepRest(): void {
    const last = this.#chunks.at(-1)
    if (last !== undefined && last.buffer === this.#borrowed) {
      const isFirst = this.#chunks.length === 1
      this.#chunks[this.#chunks.length - 1] = Buffer.from(isFirst ? last.subarray(this.#offset) : last)
      if (isFirst) this.#offset = 0
    }
    this.#borrowed = undefined
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

  /** Reads the next `length` bytes as a view, if one chunk holds them all. */
  takeView(length: number): Buffer | undefined {
    const view = this.#firstView(length)
    if (view !== undefined) this.#advance(length)
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
    this.#borrowed = undefined
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
