/** A queue of received chunks whose memory stays near the number of bytes in it. */

import { concatBytes } from '@ssh/wire'

/** Chunks up to this size are copied together while they wait. */
const smallChunk = 512
/** Size of the blocks into which small chunks are copied. */
const blockSize = 4096

/**
 * First in, first out, without copying, except for very small chunks. A peer may fill a window one byte per packet;
 * an array view for each would take a hundred times the window.
 */
export class HeldChunks {
  #chunks: (Uint8Array | undefined)[] = []
  #head = 0
  /** The block behind the last chunk, if that chunk may still grow. */
  #block: Uint8Array | undefined
  #byteLength = 0

  /** Bytes held. */
  get byteLength(): number {
    return this.#byteLength
  }

  push(chunk: Uint8Array): void {
    this.#byteLength += chunk.length
    if (chunk.length <= smallChunk && this.#head < this.#chunks.length) this.#append(chunk)
    else {
      this.#chunks.push(chunk)
      this.#block = undefined
    }
  }

  shift(): Uint8Array | undefined {
    const chunk = this.#chunks[this.#head]
    if (chunk === undefined) return undefined
    this.#byteLength -= chunk.length
    this.#chunks[this.#head] = undefined
    this.#head += 1
    if (this.#head === this.#chunks.length) this.clear()
    else if (this.#head * 2 > this.#chunks.length) {
      // Cut off the used half, so that each entry is moved at most once on average.
      this.#chunks = this.#chunks.slice(this.#head)
      this.#head = 0
    }
    return chunk
  }

  /** Everything held as one array, which is then what is held. */
  join(): Uint8Array {
    const joined = concatBytes(this.#chunks.filter((chunk) => chunk !== undefined))
    this.clear()
    if (joined.length > 0) this.push(joined)
    return joined
  }

  clear(): void {
    this.#chunks = []
    this.#head = 0
    this.#block = undefined
    this.#byteLength = 0
  }

  #append(chunk: Uint8Array): void {
    const last = this.#chunks.length - 1
    const used = this.#block === undefined ? 0 : (this.#chunks[last]?.length ?? 0)
    if (this.#block === undefined || used + chunk.length > blockSize) {
      this.#block = Buffer.allocUnsafeSlow(blockSize)
      this.#block.set(chunk)
      this.#chunks.push(this.#block.subarray(0, chunk.length))
    } else {
      this.#block.set(chunk, used)
      this.#chunks[last] = this.#block.subarray(0, used + chunk.length)
    }
  }
}
