/** HMAC (RFC 2104) over the sequence number and the packet: RFC 4253 §6.4, RFC 6668. */

import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import type { AlgorithmStatus, KeyedMac } from '../ciphers/cipher.js'
import type { MacAlgorithm } from './mac.js'

/** Facts in which the rows differ. */
export interface HmacFacts {
  readonly name: string
  readonly status: AlgorithmStatus
  readonly source: string
  /** node:crypto's name of the hash. */
  readonly hash: 'sha1' | 'sha256' | 'sha512'
  /** Bytes of the hash: the MAC's key and the MAC itself are that long. */
  readonly length: number
  readonly isEncryptThenMac: boolean
}

/** A row for HMAC with one hash. */
export function hmac({ hash, ...facts }: HmacFacts): MacAlgorithm {
  return {
    ...facts,
    keyLength: facts.length,
    create: (key) => new KeyedHmac(hash, facts, key),
  }
}

class KeyedHmac implements KeyedMac {
  readonly length: number
  readonly isEncryptThenMac: boolean
  readonly #hash: string
  readonly #key: KeyObject
  readonly #sequenceNumber = Buffer.alloc(4)

  constructor(hash: string, facts: Pick<KeyedMac, 'length' | 'isEncryptThenMac'>, key: Uint8Array) {
    this.length = facts.length
    this.isEncryptThenMac = facts.isEncryptThenMac
    this.#hash = hash
    this.#key = createSecretKey(key)
  }

  compute(sequenceNumber: number, ...parts: Uint8Array[]): Buffer {
    this.#sequenceNumber.writeUInt32BE(sequenceNumber)
    const state = createHmac(this.#hash, this.#key).update(this.#sequenceNumber)
    for (const part of parts) state.update(part)
    return state.digest()
  }
}
