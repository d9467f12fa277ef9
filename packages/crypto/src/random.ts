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
