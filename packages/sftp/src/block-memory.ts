/**
 * Memory for blocks of files on their way, used again and again: bulk data in memory that is new each time, and
 * outlives a turn of the event loop, costs more in garbage collection than everything else in a transfer.
 */

/** Blocks of a file that is worth it; smaller ones are left to the garbage collector. */
const smallest = 64 * 1024
/** Memory is taken in multiples of this, so that blocks with and without room for a header can have the same. */
const unit = 4 * 1024
/** Blocks kept for later. A transfer takes back what it gives, so few are ever idle. */
const maximumIdle = 16

export class BlockMemory {
  #idle: Buffer[] = []
  readonly #made = new WeakSet<ArrayBufferLike>()

  /** Memory of `length` bytes, with whatever was in it before. */
  take(length: number): Buffer {
    if (length < smallest) return Buffer.allocUnsafe(length)
    const idle = this.#idle.pop()
    // Blocks of a transfer have one size, but the last one of a file: whatever does not fit is of another transfer.
    if (idle !== undefined && idle.length >= length) return idle.subarray(0, length)
    const fresh = newBlock(length)
    this.#made.add(fresh.buffer)
    return fresh
  }

  /** Gives memory back, once nobody will look at it any more. What did not come from `take` is left alone. */
  giveBack(block: Uint8Array): void {
    if (this.#made.has(block.buffer) && this.#idle.length < maximumIdle) this.#idle.push(Buffer.from(block.buffer))
  }
}

function newBlock(length: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.ceil(length / unit) * unit).subarray(0, length)
}
