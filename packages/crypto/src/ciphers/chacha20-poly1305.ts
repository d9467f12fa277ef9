/**
 * chacha20-poly1305@openssh.com: OpenSSH PROTOCOL.chacha20poly1305. Not the AEAD of RFC 8439: the length has a key of
 * its own, the nonce is the sequence number, and the tag covers the ciphertext alone.
 */

import { type Cipher, createCipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { asBuffer } from '@ssh/wire'
import type { AlgorithmStatus, CipherAlgorithm } from './cipher.js'
import { expectTag, lengthFieldSize, tagOffset } from './integrity.js'
import { hasNodeCipher } from './node-cipher.js'
import type { PacketOpener, PacketSealer } from './packet-cipher.js'
import { poly1305, poly1305TagLength } from './poly1305.js'
import { moveInto } from './spent-memory.js'

const nodeName = 'chacha20'
const blockSize = 8
/** Bytes of one ChaCha20 key. */
const keyHalf = 32
/** ChaCha20 makes its stream in blocks of 64 bytes; block 0 of the main key is spent on the Poly1305 key. */
const streamBlock = Buffer.alloc(64)
const poly1305KeyLength = 32
/** node:crypto's IV: a block counter of 8 bytes, least significant first, then the nonce. */
const ivSize = 16
/** The nonce is a uint64; a sequence number fills its lower half. */
const sequenceNumberOffset = 12

/** Facts of the row. */
export interface Chacha20Poly1305Facts {
  readonly name: string
  readonly status: AlgorithmStatus
  readonly source: string
}

/** A row for ChaCha20 with Poly1305 as OpenSSH combines them. */
export function chacha20Poly1305(facts: Chacha20Poly1305Facts): CipherAlgorithm {
  return {
    ...facts,
    keyLength: 2 * keyHalf,
    ivLength: 0,
    blockSize,
    isAead: true,
    rekeyAfterBytes: 2 ** 30,
    isAvailable: () => hasNodeCipher(nodeName, keyHalf, ivSize),
    createSealer: (key) => new Chacha20Poly1305Sealer(key),
    createOpener: (key) => new Chacha20Poly1305Opener(key),
  }
}

class Chacha20Poly1305Direction {
  readonly blockSize = blockSize
  readonly lengthIsAligned = false
  readonly tagLength = poly1305TagLength
  /** K_2, the first half. */
  readonly #mainKey: KeyObject
  /** K_1, the second half. */
  readonly #lengthKey: KeyObject
  readonly #iv = Buffer.alloc(ivSize)

  constructor(key: Uint8Array) {
    this.#mainKey = createSecretKey(key.subarray(0, keyHalf))
    this.#lengthKey = createSecretKey(key.subarray(keyHalf))
  }

  /** Encrypts or decrypts the length field; the same operation in a stream cipher. */
  protected cryptLength(length: Uint8Array, sequenceNumber: number): Buffer {
    return this.#stream(this.#lengthKey, sequenceNumber).update(length)
  }

  /** The key for the packet's tag, and the stream for its body, which goes on at block 1. */
  protected startPacket(sequenceNumber: number): { tagKey: Uint8Array; bodyStream: Cipher } {
    const bodyStream = this.#stream(this.#mainKey, sequenceNumber)
    return { tagKey: bodyStream.update(streamBlock).subarray(0, poly1305KeyLength), bodyStream }
  }

  #stream(key: KeyObject, sequenceNumber: number): Cipher {
    this.#iv.writeUInt32BE(sequenceNumber, sequenceNumberOffset)
    return createCipheriv(nodeName, key, this.#iv)
  }
}

class Chacha20Poly1305Sealer extends Chacha20Poly1305Direction implements PacketSealer {
  seal(packet: Buffer, sequenceNumber: number): Buffer {
    const end = packet.length - this.tagLength
    const { tagKey, bodyStream } = this.startPacket(sequenceNumber)
    packet.set(this.cryptLength(packet.subarray(0, lengthFieldSize), sequenceNumber), 0)
    moveInto(packet, bodyStream.update(packet.subarray(lengthFieldSize, end)), lengthFieldSize)
    packet.set(poly1305(packet.subarray(0, end), tagKey), end)
    return packet
  }
}

class Chacha20Poly1305Opener extends Chacha20Poly1305Direction implements PacketOpener {
  readonly headLength = lengthFieldSize
  readonly opensInPlace = false

  openLength(head: Uint8Array, sequenceNumber: number): number {
    return this.cryptLength(asBuffer(head).subarray(0, lengthFieldSize), sequenceNumber).readUInt32BE(0)
  }

  open(packet: Buffer, sequenceNumber: number): Uint8Array {
    const end = tagOffset(packet, this.tagLength, lengthFieldSize)
    const { tagKey, bodyStream } = this.startPacket(sequenceNumber)
    expectTag(packet.subarray(end), poly1305(packet.subarray(0, end), tagKey))
    return bodyStream.update(packet.subarray(lengthFieldSize, end))
  }
}
