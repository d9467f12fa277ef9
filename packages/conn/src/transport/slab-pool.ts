/**
 * Large pieces of memory for outgoing packets, used again and again. Memory for bulk data that is new each time costs
 * more in garbage collection than encrypting it does.
 */

/** Holds a dozen packets of the usual 32 KiB, or two of the largest that are sent. */
export const slabLength = 544 * 1024
/** Slabs kept for later; more are left to the garbage collector. */
const maximumIdle = 16

const idle: Buffer[] = []
/** Memory of slabs in use. What is not in here cannot be given back, and nothing can twice. */
const lent = new WeakSet<ArrayBufferLike>()

/** A slab, with whatever was in it before. */
export function takeSlab(): Buffer {
  // A slab is an ArrayBuffer of its own, not a part of Node's shared pool.
  const slab = idle.pop() ?? Buffer.allocUnsafeSlow(slabLength)
  lent.add(slab.buffer)
  return slab
}

/**
 * Gives back the slab that `chunk` is a part of, once nobody will read from it any more. Does nothing for other memory.
 */
export function giveBackSlab(chunk: Uint8Array): void {
  const { buffer } = chunk
  if (!lent.delete(buffer) || idle.length >= maximumIdle) return
  idle.push(Buffer.from(buffer))
}
