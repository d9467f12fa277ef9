/** Payloads to packets: length, padding, compression, protection, sequence number (RFC 4253 §6). */

import { type Compressor, noneSealer, type PacketSealer, type RandomSource } from '@ssh/crypto'
import { asBuffer, concatBytes } from '@ssh/wire'
import { ProtocolError } from '../errors.js'
import type { KeyUse } from './rekey-policy.js'

/** packet_length and padding_length. */
const headerLength = 5
const minimumPadding = 4
/** Padding is drawn from a pool of so many random bytes, not asked for packet by packet. */
const paddingPoolLength = 4096
/** Packets one set of keys may protect: sequence numbers are uint32, and none may come twice. */
export const maximumPacketsPerKeys = 2 ** 32

/** The sending half of a connection. */
export class PacketEncoder implements KeyUse {
  readonly #random: RandomSource
  #sealer: PacketSealer = noneSealer
  #compressor: Compressor | undefined
  #sequenceNumber = 0
  #packets = 0
  #bytes = 0
  #padding: Buffer = Buffer.alloc(0)

  constructor(random: RandomSource) {
    this.#random = random
  }

  /** Bytes sent under the present keys. */
  get bytes(): number {
    return this.#bytes
  }

  /** Packets sent under the present keys. */
  get packets(): number {
    return this.#packets
  }

  /** Sequence number of the next packet. */
  get sequenceNumber(): number {
    return this.#sequenceNumber
  }

  /**
   * Builds one packet.
   * @param parts the payload in pieces, at least one byte in all; copied
   * @param reserve gives the memory for the packet; default new memory
   * @throws ProtocolError `ERR_SSH_TRANSPORT_SEQUENCE_EXHAUSTED` rather than to use a sequence number twice
   */
  encode(parts: readonly Uint8Array[], reserve: (length: number) => Buffer = Buffer.allocUnsafe): Buffer {
    if (this.#packets >= maximumPacketsPerKeys) throw sequenceExhausted('this side')
    const payload = this.#compressor === undefined ? parts : [this.#compressor.compress(concatBytes(parts))]
    const packet = this.#build(payload, reserve)
    this.#sealer.seal(packet, this.#sequenceNumber)
    this.#sequenceNumber = (this.#sequenceNumber + 1) >>> 0
    this.#packets++
    this.#bytes += packet.length
    return packet
  }

  /** Switches to new keys: the next packet is the first under them. */
  useKeys(sealer: PacketSealer, compressor: Compressor | undefined, resetsSequenceNumber: boolean): void {
    this.#sealer = sealer
    this.#compressor = compressor
    if (resetsSequenceNumber) this.#sequenceNumber = 0
    this.#packets = 0
    this.#bytes = 0
  }

  /** Begins to compress with the next packet (delayed compression). */
  useCompressor(compressor: Compressor | undefined): void {
    this.#compressor = compressor
  }

  /** Sets the counters, to prove what happens near their end: reaching it takes hours. */
  setCounters(sequenceNumber: number): void {
    this.#sequenceNumber = sequenceNumber
    this.#packets = sequenceNumber
  }

  #build(payload: readonly Uint8Array[], reserve: (length: number) => Buffer): Buffer {
    let payloadLength = 0
    for (const part of payload) payloadLength += part.length
    const { blockSize, lengthIsAligned, tagLength } = this.#sealer
    const aligned = payloadLength + (lengthIsAligned ? headerLength : 1)
    let paddingLength = blockSize - (aligned % blockSize)
    if (paddingLength < minimumPadding) paddingLength += blockSize
    const end = headerLength + payloadLength + paddingLength
    const packet = reserve(end + tagLength)
    packet.writeUInt32BE(end - 4, 0)
    packet[4] = paddingLength
    let offset = headerLength
    for (const part of payload) {
      packet.set(part, offset)
      offset += part.length
    }
    packet.set(this.#takePadding(paddingLength), offset)
    return packet
  }

  #takePadding(length: number): Buffer {
    if (this.#padding.length < length) this.#padding = asBuffer(this.#random.bytes(paddingPoolLength))
    const taken = this.#padding.subarray(0, length)
    this.#padding = this.#padding.subarray(length)
    return taken
  }
}

/** The end of a uint32 that must not wrap (RFC 4344 §3.1). */
export function sequenceExhausted(side: string): ProtocolError {
  return new ProtocolError(
    'ERR_SSH_TRANSPORT_SEQUENCE_EXHAUSTED',
    `2^32 packets came from ${side} without new keys: sequence numbers would repeat. The peer must support rekeying`,
  )
}
