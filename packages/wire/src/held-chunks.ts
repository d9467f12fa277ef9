/** A queue of received chunks whose memory stays near the number of bytes in it. */

import { concatBytes } from './bytes.js'
import { Fifo } from './fifo.js'

/** Chunks up to this size are copied together while they wait. */
const smallChunk = 512
/** Size of the blocks into which small chunks are copied. */
const blockSize = 4096

/**
 * First in, first out, without copying, except for very small chunks. A peer may fill a window one byte per packet;
 * an array view for each would take a hundred times the window.
 */
export class HeldChunks {
  readonly #chunks = new Fifo<Uint8Array>()
  /** The block behind the last chunk, if that chunk may still grow. */
  #block: Uint8Array | undefined
  #byteLength = 0

  /** Bytes held. */
  get byteLength(): number {
    return this.#byteLength
  }

  push(chunk: Uint8Array): void {
    this.#byteLength += chunk.length
    const { last } = this.#chunks
    if (chunk.length <= smallChunk && last !== undefined) {
      this.#append(last, chunk)
    } else {
      this.#chunks.push(chunk)
      this.#block = undefined
    }
  }

  shift(): Uint8Array | undefined {
    const chunk = this.#chunks.shift()
    if (chunk === undefined) return undefined
    this.#byteLength -= chunk.length
    if (this.#chunks.length === 0) this.#block = undefined
    return chunk
  }

  /** Everything held as one array, which is then what is held. */
  join(): Uint8Array {
    const chunks: Uint8Array[] = []
    for (let chunk = this.#chunks.shift(); chunk !== undefined; chunk = this.#chunks.shift()) chunks.push(chunk)
    const joined = concatBytes(chunks)
    this.clear()
    if (joined.length > 0) this.push(joined)
    return joined
  }

  clear(): void {
    this.#chunks.clear()
    this.#block = undefined
    this.#byteLength = 0
  }

  #append(last: Uint8Array, chunk: Uint8Array): void {
    const used = this.#block === undefined ? blockSize : last.length
    if (this.#block === undefined || used + chunk.length > blockSize) {
      this.#block = Buffer.allocUnsafeSlow(blockSize)
      this.#block.set(chunk)
      this.#chunks.push(this.#block.subarray(0, chunk.length))
    } else {
      this.#block.set(chunk, used)
      this.#chunks.replaceLast(this.#block.subarray(0, used + chunk.length))
    }
  }
}
