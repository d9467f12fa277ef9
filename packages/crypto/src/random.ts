/** Randomness is handed in, so that a whole session can be replayed byte for byte in a test. */

import { randomFillSync } from 'node:crypto'

/** Fills with random bytes. */
export interface RandomSource {
  /** @returns `length` fresh random bytes */
  bytes(length: number): Uint8Array
}

/** The operating system's generator. */
export const systemRandom: RandomSource = {
  bytes: (length) => randomFillSync(Buffer.allocUnsafe(length)),
}

/** A number from 0 to less than 1. */
export function randomFraction(random: RandomSource = systemRandom): number {
  const bytes = random.bytes(4)
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32
}
