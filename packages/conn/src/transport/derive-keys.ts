/** Keys from the shared secret and the exchange hash (RFC 4253 §7.2). */

import { createHash } from 'node:crypto'
import type { CipherAlgorithm, CompressionAlgorithm, HashName, KeyedMac, MacAlgorithm } from '@ssh/crypto'
import { wipe } from '@ssh/wire'

/** Where keys come from. */
export interface KeySource {
  readonly hash: HashName
  /** K, encoded as it entered the exchange hash. */
  readonly encodedSecret: Uint8Array
  readonly exchangeHash: Uint8Array
  readonly sessionIdentifier: Uint8Array
}

/** Letters that tell the six keys apart: initial IV, encryption key, integrity key, by direction. */
export const keyLetters = {
  clientToServer: { iv: 'A', encryption: 'C', integrity: 'E' },
  serverToClient: { iv: 'B', encryption: 'D', integrity: 'F' },
} as const

/** A direction of the connection. */
export type Direction = keyof typeof keyLetters

/** The algorithms of one direction, looked up. */
export interface DirectionRows {
  readonly cipher: CipherAlgorithm
  /** Undefined when the cipher authenticates by itself. */
  readonly mac: MacAlgorithm | undefined
  readonly compression: CompressionAlgorithm
}

/** Everything one direction needs to switch at NEWKEYS. */
export interface DirectionKeys {
  readonly cipher: CipherAlgorithm
  /** To be wiped once the cipher has it. */
  readonly key: Uint8Array
  readonly iv: Uint8Array
  readonly mac: KeyedMac | undefined
  readonly compression: CompressionAlgorithm
}

/**
 * One key of `length` bytes: HASH(K ‖ H ‖ letter ‖ session_id), stretched by HASH(K ‖ H ‖ all so far) as needed.
 */
export function deriveKey(source: KeySource, letter: string, length: number): Uint8Array {
  const digest = (...tail: readonly (Uint8Array | string)[]): Buffer => {
    const hash = createHash(source.hash).update(source.encodedSecret).update(source.exchangeHash)
    for (const part of tail) hash.update(part)
    return hash.digest()
  }
  const blocks: Buffer[] = []
  for (let derived = 0; derived < length; ) {
    const block = blocks.length === 0 ? digest(letter, source.sessionIdentifier) : digest(...blocks)
    blocks.push(block)
    derived += block.length
  }
  const key = Buffer.concat(blocks, length)
  for (const block of blocks) wipe(block)
  return key
}

/** All keys of one direction. */
export function deriveDirection(source: KeySource, direction: Direction, rows: DirectionRows): DirectionKeys {
  const letters = keyLetters[direction]
  const { cipher, mac, compression } = rows
  const macKey = mac && deriveKey(source, letters.integrity, mac.keyLength)
  const keyedMac = macKey && mac.create(macKey)
  if (macKey !== undefined) wipe(macKey)
  return {
    cipher,
    key: deriveKey(source, letters.encryption, cipher.keyLength),
    iv: deriveKey(source, letters.iv, cipher.ivLength),
    mac: keyedMac,
    compression,
  }
}
