/** Randomness that repeats: the same seed gives the same bytes on every machine. Fast enough to fill gigabytes. */

import { createCipheriv, createHash } from 'node:crypto'

/** A repeatable stream of random bytes; fits wherever a `RandomSource` is wanted. */
export interface SeededRandom {
  /** The next `length` bytes. */
  bytes(length: number): Uint8Array
  /** A whole number from 0 up to, not including, `bound` (at most 2^32). */
  integer(bound: number): number
  /** One of `items`. @throws RangeError when there are none */
  pick<T>(items: readonly T[]): T
}

/** Random bytes from AES-128 in counter mode, keyed by `seed`. Never for anything but tests. */
export function seededRandom(seed: number | string): SeededRandom {
  const key = createHash('sha256').update(String(seed)).digest()
  const keystream = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16, 32))
  const bytes = (length: number): Uint8Array => keystream.update(Buffer.alloc(length))
  const integer = (bound: number): number => {
    if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) throw new RangeError(`No integer is below ${bound}`)
    // 53 bits against a bound of at most 32 leave a bias nobody can measure.
    return Number((keystream.update(Buffer.alloc(8)).readBigUInt64BE() >> 11n) % BigInt(bound))
  }
  return {
    bytes,
    integer,
    pick<T>(items: readonly T[]): T {
      if (items.length === 0) throw new RangeError('There is nothing to pick from')
      return items[integer(items.length)] as T
    },
  }
}
