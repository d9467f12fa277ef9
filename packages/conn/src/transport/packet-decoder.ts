/** Bytes to payloads: framing, limits, protection, decompression, sequence number (RFC 4253 §6). */

import { type Decompressor, noneOpener, type PacketOpener } from '@ssh/crypto'
import { disconnectReasons, SshError } from '@ssh/wire'
import { ProtocolError } from '../errors.js'
import { ChunkQueue } from './chunk-queue.js'
import { maximumPacketsPerKeys, sequenceExhausted } from './packet-encoder.js'
import type { KeyUse } from './rekey-policy.js'

/** Bytes of the packet_length field. */
const lengthFieldSize = 4
const minimumPadding = 4
/** Least memory for packets in pieces: a packet of the usual 32 KiB fits. */
const scratchLength = 36 * 1024
/** padding_length, one byte of payload, and the least padding. */
const minimumLength = 2 + minimumPadding

/**
 * The receiving half of a connection. Takes any chunks, and copies only packets that are spread over several.
 *
 * A packet that is wrong in any way, its length, its tag, its padding or its emptiness, gives one and the same error.
 */
export class PacketDecoder implements KeyUse {
  readonly #queue = new ChunkQueue()
  readonly #maximumLength: number
  #opener: PacketOpener = noneOpener
  #decompressor: Decompressor | undefined
  #sequenceNumber = 0
  #packets = 0
  #bytes = 0
  /** Bytes of the packet under way from length field to tag; 0 between packets. */
  #expected = 0
  /** Where a packet that came in several chunks is put together. */
  #assembly: Buffer | undefined
  #assembled = 0
  /** Memory for that, kept while packets come in pieces: new memory for each would cost more than decrypting it. */
  #scratch: Buffer | undefined

  /** @param maximumLength largest packet_length, and largest payload after decompression */
  constructor(maximumLength: number) {
    this.#maximumLength = maximumLength
  }

  /** Bytes received under the present keys. */
  get bytes(): number {
    return this.#bytes
  }

  /** Packets received under the present keys. */
  get packets(): number {
    return this.#packets
  }

  /** Sequence number of the packet that `next` returned last. */
  get lastSequenceNumber(): number {
    return (this.#sequenceNumber - 1) >>> 0
  }

  /** Bytes waiting to be decoded. */
  get buffered(): number {
    return this.#queue.length + this.#assembled
  }

  /** Appends received bytes. Their memory is borrowed until {@link keepRest}. */
  push(chunk: Uint8Array): void {
    this.#queue.push(chunk)
  }

  /** Copies what has not been decoded yet of the bytes that were pushed last. */
  keepRest(): void {
    this.#queue.keepRest()
  }

  /**
   * The next payload, or undefined when no whole packet has arrived. Its memory is not used again.
   * @throws ProtocolError when the packet cannot be accepted; the decoder is of no use afterwards
   */
  next(): Uint8Array | undefined {
    const packet = this.#nextPacket()
    if (packet === undefined) return undefined
    if (this.#packets >= maximumPacketsPerKeys) throw sequenceExhausted('the peer')
    const body = this.#open(packet)
    const paddingLength = body[0] ?? 0
    const payloadLength = body.length - 1 - paddingLength
    if (paddingLength < minimumPadding || payloadLength < 1) throw this.#corrupt()
    this.#sequenceNumber = (this.#sequenceNumber + 1) >>> 0
    this.#packets++
    this.#bytes += packet.length
    const payload = body.subarray(1, 1 + payloadLength)
    return this.#decompressor === undefined ? payload : this.#decompress(this.#decompressor, payload)
  }

  /** Switches to new keys: the next packet is the first under them. */
  useKeys(opener: PacketOpener, decompressor: Decompressor | undefined, resetsSequenceNumber: boolean): void {
    this.#opener = opener
    this.#decompressor = decompressor
    if (resetsSequenceNumber) this.#sequenceNumber = 0
    this.#packets = 0
    this.#bytes = 0
  }

  /** Begins to decompress with the next packet (delayed compression). */
  useDecompressor(decompressor: Decompressor | undefined): void {
    this.#decompressor = decompressor
  }

  /** Forgets what is buffered. */
  clear(): void {
    this.#queue.clear()
    this.#assembly = undefined
    this.#assembled = 0
    this.#scratch = undefined
  }

  /** Sets the counters, to prove what happens near their end: reaching it takes hours. */
  setCounters(sequenceNumber: number): void {
    this.#sequenceNumber = sequenceNumber
    this.#packets = sequenceNumber
  }

  #nextPacket(): Buffer | undefined {
    if (this.#expected === 0) {
      const { headLength, tagLength } = this.#opener
      if (this.#queue.length < headLength) {
        // Nothing is under way, perhaps for long: an idle connection should hold little.
        this.#scratch = undefined
        return undefined
      }
      this.#expected = lengthFieldSize + this.#readLength(headLength) + tagLength
    }
    const view = this.#assembly === undefined ? this.#queue.takeView(this.#expected) : undefined
    if (view !== undefined) {
      this.#expected = 0
      return this.#opener.opensInPlace ? Buffer.from(view) : view
    }
    this.#assembly ??= this.#assemblyMemory(this.#expected)
    this.#assembled += this.#queue.moveTo(this.#assembly, this.#assembled)
    if (this.#assembled < this.#expected) return undefined
    const packet = this.#assembly
    this.#expected = 0
    this.#assembly = undefined
    this.#assembled = 0
    return packet
  }

  #assemblyMemory(length: number): Buffer {
    if (this.#opener.opensInPlace) return Buffer.allocUnsafe(length)
    if (this.#scratch === undefined || this.#scratch.length < length) {
      this.#scratch = Buffer.allocUnsafe(Math.max(length, scratchLength))
    }
    return this.#scratch.subarray(0, length)
  }

  /** packet_length, checked before anything is allocated for it. */
  #readLength(headLength: number): number {
    const { blockSize, lengthIsAligned } = this.#opener
    const length = this.#opener.openLength(this.#queue.peek(headLength), this.#sequenceNumber)
    const aligned = lengthIsAligned ? lengthFieldSize + length : length
    if (length < minimumLength || length > this.#maximumLength || aligned % blockSize !== 0) throw this.#corrupt()
    return length
  }

  #open(packet: Buffer): Uint8Array {
    try {
      return this.#opener.open(packet, this.#sequenceNumber)
    } catch (error) {
      // What else is thrown is a fault of this side, and no less fatal.
      if (SshError.isSshError(error) && error.code === 'ERR_SSH_CRYPTO_INTEGRITY') throw this.#corrupt()
      throw error
    }
  }

  #decompress(decompressor: Decompressor, payload: Uint8Array): Uint8Array {
    let inflated: Uint8Array
    try {
      inflated = decompressor.decompress(payload, this.#maximumLength)
    } catch (cause) {
      throw new ProtocolError(
        'ERR_SSH_TRANSPORT_DECOMPRESSION',
        `A packet of the peer does not decompress to a payload of at most ${this.#maximumLength} bytes`,
        { cause, disconnectReason: disconnectReasons.compressionError },
      )
    }
    if (inflated.length === 0) throw this.#corrupt()
    return inflated
  }

  #corrupt(): ProtocolError {
    const isProtected = this.#opener.tagLength > 0
    return new ProtocolError(
      'ERR_SSH_TRANSPORT_PACKET_CORRUPT',
      isProtected
        ? 'A packet of the peer is damaged: it was changed on its way, or the peer is faulty; connect anew'
        : 'What the peer sent is not an SSH packet: its length or padding is impossible; check host and port',
      {
        disconnectReason: isProtected ? disconnectReasons.macError : disconnectReasons.protocolError,
        details: { sequenceNumber: this.#sequenceNumber },
      },
    )
  }
}
