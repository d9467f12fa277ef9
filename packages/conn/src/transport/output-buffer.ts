/** Sealed packets on their way to the socket, one behind the other in few pieces of memory. */

import { slabLength, takeSlab } from './slab-pool.js'

/** A batch that begins with a packet of at most half of this begins in a small piece of memory. */
const smallPieceLength = 4096

export class OutputBuffer {
  #finished: Buffer[] = []
  #piece: Buffer | undefined
  #used = 0
  #length = 0

  /** Bytes waiting. */
  get length(): number {
    return this.#length
  }

  /** Room for `length` more bytes at the end, to be filled before anything else is called. */
  reserve(length: number): Buffer {
    const piece = this.#pieceWith(length)
    const start = this.#used
    this.#used += length
    this.#length += length
    return piece.subarray(start, start + length)
  }

  /** Takes back what was reserved last. @param length what {@link length} was before */
  shrinkTo(length: number): void {
    this.#used -= this.#length - length
    this.#length = length
  }

  /** Puts bytes at the end. */
  append(bytes: Uint8Array): void {
    this.reserve(bytes.length).set(bytes)
  }

  /** Takes everything out. */
  take(): Uint8Array[] {
    this.#finishPiece()
    const taken = this.#finished
    this.#finished = []
    this.#length = 0
    return taken
  }

  /** The piece under way if it has room, or else a new one. */
  #pieceWith(room: number): Buffer {
    if (this.#piece !== undefined && this.#used + room <= this.#piece.length) return this.#piece
    // What a person types should not occupy a slab; what follows it in the same batch is bulk.
    const isFirst = this.#piece === undefined && this.#finished.length === 0
    this.#finishPiece()
    if (isFirst && room <= smallPieceLength / 2) this.#piece = Buffer.allocUnsafe(smallPieceLength)
    else this.#piece = room <= slabLength ? takeSlab() : Buffer.allocUnsafe(room)
    return this.#piece
  }

  #finishPiece(): void {
    if (this.#piece !== undefined && this.#used > 0) this.#finished.push(this.#piece.subarray(0, this.#used))
    this.#piece = undefined
    this.#used = 0
  }
}
