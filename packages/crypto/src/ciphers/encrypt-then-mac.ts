/** A running cipher and a MAC over the ciphertext; the length travels in clear (OpenSSH PROTOCOL §1.5). */

import type { Cipher, Decipher } from 'node:crypto'
import { asBuffer } from '@ssh/wire'
import type { KeyedMac } from './cipher.js'
import { expectTag, lengthFieldSize, tagOffset } from './integrity.js'
import type { PacketOpener, PacketSealer } from './packet-cipher.js'
import { moveInto } from './spent-memory.js'

/** Sends the length, encrypt(body) and MAC(length and encrypted body). */
export class EncryptThenMacSealer implements PacketSealer {
  readonly blockSize: number
  readonly lengthIsAligned = false
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
    moveInto(packet, this.#cipher.update(packet.subarray(lengthFieldSize, end)), lengthFieldSize)
    packet.set(this.#mac.compute(sequenceNumber, packet.subarray(0, end)), end)
    return packet
  }
}

/** Checks, then decrypts. */
export class EncryptThenMacOpener implements PacketOpener {
  readonly blockSize: number
  readonly lengthIsAligned = false
  readonly tagLength: number
  readonly headLength = lengthFieldSize
  readonly opensInPlace = false
  readonly #decipher: Decipher
  readonly #mac: KeyedMac

  constructor(decipher: Decipher, blockSize: number, mac: KeyedMac) {
    this.blockSize = blockSize
    this.tagLength = mac.length
    this.#decipher = decipher
    this.#mac = mac
  }

  openLength(head: Uint8Array): number {
    return asBuffer(head).readUInt32BE(0)
  }

  open(packet: Buffer, sequenceNumber: number): Uint8Array {
    const end = tagOffset(packet, this.tagLength, lengthFieldSize)
    expectTag(packet.subarray(end), this.#mac.compute(sequenceNumber, packet.subarray(0, end)))
    return this.#decipher.update(packet.subarray(lengthFieldSize, end))
  }
}
