/** AES in Galois/Counter Mode: RFC 5647 §7, under the names of OpenSSH PROTOCOL §1.6, which drop RFC 5647's MAC negotiation. */

import {
  type CipherGCM,
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type DecipherGCM,
  type KeyObject,
} from 'node:crypto'
import { asBuffer } from '@ssh/wire'
import type { AlgorithmStatus, CipherAlgorithm } from './cipher.js'
import { integrityError, lengthFieldSize, tagOffset } from './integrity.js'
import { hasNodeCipher } from './node-cipher.js'
import type { PacketOpener, PacketSealer } from './packet-cipher.js'
import { moveInto } from './spent-memory.js'

const blockSize = 16
const ivLength = 12
/** Told to Node always: without it a decipher takes a tag of 4 bytes for good. */
const tagged = Object.freeze({ authTagLength: 16 })

/** Facts in which the AES-GCM rows differ. */
export interface AesGcmFacts {
  readonly name: string
  readonly status: AlgorithmStatus
  readonly source: string
  /** node:crypto's name. */
  readonly nodeName: CipherGCMTypes
  readonly keyLength: number
}

/** A row for AES-GCM. */
export function aesGcm({ nodeName, ...facts }: AesGcmFacts): CipherAlgorithm {
  return {
    ...facts,
    ivLength,
    blockSize,
    isAead: true,
    rekeyAfterBytes: 2 ** 36,
    isAvailable: () => hasNodeCipher(nodeName, facts.keyLength, ivLength),
    createSealer: (key, iv) => new AesGcmSealer(nodeName, key, iv),
    createOpener: (key, iv) => new AesGcmOpener(nodeName, key, iv),
  }
}

/** What both directions keep: the key, and the nonce that steps with every packet. */
class AesGcmDirection {
  readonly blockSize = blockSize
  readonly lengthIsAligned = false
  readonly tagLength = tagged.authTagLength
  readonly #nodeName: CipherGCMTypes
  readonly #key: KeyObject
  readonly #nonce: Buffer

  constructor(nodeName: CipherGCMTypes, key: Uint8Array, iv: Uint8Array) {
    this.#nodeName = nodeName
    this.#key = createSecretKey(key)
    this.#nonce = Buffer.from(iv)
  }

  /** The cipher for the next packet. */
  protected nextCipher(): CipherGCM {
    const cipher = createCipheriv(this.#nodeName, this.#key, this.#nonce, tagged)
    this.#step()
    return cipher
  }

  /** The decipher for the next packet. */
  protected nextDecipher(): DecipherGCM {
    const decipher = createDecipheriv(this.#nodeName, this.#key, this.#nonce, tagged)
    this.#step()
    return decipher
  }

  /** Steps the 64-bit invocation counter behind the 4 fixed bytes (RFC 5647 §7.1). */
  #step(): void {
    const low = (this.#nonce.readUInt32BE(8) + 1) % 2 ** 32
    this.#nonce.writeUInt32BE(low, 8)
    if (low === 0) this.#nonce.writeUInt32BE((this.#nonce.readUInt32BE(4) + 1) % 2 ** 32, 4)
  }
}

class AesGcmSealer extends AesGcmDirection implements PacketSealer {
  seal(packet: Buffer): Buffer {
    const end = packet.length - this.tagLength
    const cipher = this.nextCipher()
    cipher.setAAD(packet.subarray(0, lengthFieldSize))
    moveInto(packet, cipher.update(packet.subarray(lengthFieldSize, end)), lengthFieldSize)
    cipher.final()
    packet.set(cipher.getAuthTag(), end)
    return packet
  }
}

class AesGcmOpener extends AesGcmDirection implements PacketOpener {
  readonly headLength = lengthFieldSize
  readonly opensInPlace = false

  openLength(head: Uint8Array): number {
    return asBuffer(head).readUInt32BE(0)
  }

  open(packet: Buffer): Uint8Array {
    const end = tagOffset(packet, this.tagLength, lengthFieldSize)
    const decipher = this.nextDecipher()
    decipher.setAAD(packet.subarray(0, lengthFieldSize))
    decipher.setAuthTag(packet.subarray(end))
    const body = decipher.update(packet.subarray(lengthFieldSize, end))
    try {
      decipher.final()
    } catch (error) {
      throw integrityError(error)
    }
    return body
  }
}
