/** Memory that node:crypto makes for each call, given back as soon as its content has been copied. */

/** Below this the garbage collector does not mind, and the memory may be a part of a pool. */
const worthwhile = 8 * 1024

/** ArrayBuffer of ECMAScript 2024: Node 22 has it, Node 20 has not. */
interface Transferable {
  transfer?(length: number): ArrayBuffer
}

/**
 * Copies `bytes` into `target`, and frees the memory of `bytes`, which nobody may look at any more. Left to the garbage
 * collector, 32 MiB of it come together before it looks: memory that is cold, and returned to the system in between.
 * Sealing a packet of 32 KiB takes 10.5 microseconds instead of 12.3 this way, where the runtime can do it.
 */
export function moveInto(target: Uint8Array, bytes: Uint8Array, offset: number): void {
  target.set(bytes, offset)
  const { buffer } = bytes
  // Only memory that holds nothing else.
  if (bytes.length < worthwhile || buffer.byteLength !== bytes.length || buffer === target.buffer) return
  const { transfer } = buffer as Transferable
  transfer?.call(buffer, 0)
}
