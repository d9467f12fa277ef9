/** How packets keep their borders between this process and a helper: each with its length, 32 bits, in front. */

import { concatBytes } from '@ssh/wire'

/** Bytes of the largest packet that a device gives. */
const largestFrame = 1 << 17

/** Takes frames out of bytes, however those are cut. */
export class TunFrames {
  #chunks: Uint8Array[] = []
  #length = 0
  /** Bytes that must be there before anything can be taken. */
  #needed = 4

  /** @returns packets that are complete, as views @throws RangeError when a helper sends something else */
  receive(chunk: Uint8Array): readonly Uint8Array[] {
    const frames: Uint8Array[] = []
    this.#chunks.push(chunk)
    this.#length += chunk.length
    while (this.#length >= this.#needed) {
      const bytes = concatBytes(this.#chunks)
      const length = Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32BE()
      if (length > largestFrame) throw new RangeError(`A packet of ${length} bytes`)
      this.#keep(bytes)
      this.#needed = 4 + length
      if (bytes.length < this.#needed) break
      this.#keep(bytes.subarray(this.#needed))
      frames.push(bytes.subarray(4, this.#needed))
      this.#needed = 4
    }
    return frames
  }

  #keep(rest: Uint8Array): void {
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#length = rest.length
  }
}

export function encodeTunFrame(packet: Uint8Array): Uint8Array {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(packet.length)
  return concatBytes([head, packet])
}
