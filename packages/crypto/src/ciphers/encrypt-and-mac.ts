/**
 * A running cipher and a MAC over the plaintext (RFC 4253 §6.4). The length is encrypted with the rest, so the first
 * block must be decrypted before anyone knows where the MAC is.
 */

import type { Cipher, Decipher } from 'node:crypto'
import { asBuffer } from '@ssh/wire'
import type { KeyedMac } from './cipher.js'
import { expectTag, lengthFieldSize, tagOffset } from './integrity.js'
import type { PacketOpener, PacketSealer } from './packet-cipher.js'
import { moveInto } from './spent-memory.js'

/** Sends encrypt(packet) and MAC(packet). */
export class EncryptAndMacSealer implements PacketSealer {
  readonly blockSize: number
  readonly lengthIsAligned = true
  readonly tagLength: number
  readonly #cipher: Cipher
  readonly #mac: KeyedMac

  constructor(cipher: Cipher, blockSize: number, mac: KeyedMac) {
    this.blockSize = blockSize
    this.tagLength = mac.length
    this.#cipher = cipher
    this.#mac = mac
  }

  seal(packet: Buffer, sequenceNumber: number): Buffer {
    const end = packet.length - this.tagLength
    const plain = packet.subarray(0, end)
    packet.set(this.#mac.compute(sequenceNumber, plain), end)
    moveInto(packet, this.#cipher.update(plain), 0)
    return packet
  }
}

/** Decrypts, then checks; nothing is returned before the check. */
export class EncryptAndMacOpener implements PacketOpener {
  readonly blockSize: number
  readonly lengthIsAligned = true
  readonly tagLength: number
  /** One block: the least that can be decrypted. */
  readonly headLength: number
  readonly opensInPlace = true
  readonly #decipher: Decipher
  readonly #mac: KeyedMac
  /** The first block of the packet under way, decrypted. */
  #head = Buffer.alloc(0)

  constructor(decipher: Decipher, blockSize: number, mac: KeyedMac) {
    this.blockSize = blockSize
    this.headLength = blockSize
    this.tagLength = mac.length
    this.#decipher = decipher
    this.#mac = mac
  }

  openLength(head: Uint8Array): number {
    this.#head = this.#decipher.update(asBuffer(head).subarray(0, this.headLength))
    return this.#head.readUInt32BE(0)
  }

  open(packet: Buffer, sequenceNumber: number): Uint8Array {
    const end = tagOffset(packet, this.tagLength, this.headLength)
    packet.set(this.#head, 0)
    moveInto(packet, this.#decipher.update(packet.subarray(this.headLength, end)), this.headLength)
    const plain = packet.subarray(0, end)
    expectTag(packet.subarray(end), this.#mac.compute(sequenceNumber, plain))
    return plain.subarray(lengthFieldSize)
  }
}
