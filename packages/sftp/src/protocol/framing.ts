/**
 * Packets in a byte stream: a uint32 length, then that many bytes (draft-ietf-secsh-filexfer-02 §3). The first byte is
 * the message number, the next four the request's id.
 */

import { asBuffer, concatBytes, HeldChunks, printable } from '@ssh/wire'
import { protocolError } from '../errors.js'

/** Longest packet taken or sent, without its length field: OpenSSH drops the connection over longer ones. */
export const maximumPacketLength = 256 * 1024

/** Most that is asked for or written at once when the server names no limit: every server takes 32 KiB (draft §3). */
export const defaultDataLength = 32 * 1024

/** Most that is read or written at once: a packet of the greatest length, less room for header and handle. */
export const maximumDataLength = maximumPacketLength - 1024

/** The bytes of one packet without its length field, as they arrived: views, in order. */
export type Packet = readonly Uint8Array[]

/** Where the bulk of a packet shall go, once its start is there. */
export interface PacketPlacement {
  /** Bytes of the packet's start that decide. */
  readonly startLength: number
  /**
   * @param start the first `startLength` bytes of a packet
   * @param restLength bytes that follow
   * @returns memory of `restLength` bytes to be filled with what follows, or undefined to get that as views
   */
  place(start: Buffer, restLength: number): Uint8Array | undefined
}

/**
 * Cuts arriving chunks into packets without copying: a packet that spans chunks is a list of views.
 *
 * Call `next` until it returns undefined after each `push`; what was pushed and not taken is kept. A packet that a
 * {@link PacketPlacement} has memory for becomes two chunks, its start and that memory; the start is valid until the
 * next call. It is copied as it arrives, so that chunks of bulk data die young: those that wait for the rest of their
 * packet cost more in garbage collection than the copy.
 */
export class PacketReader {
  readonly #placement: PacketPlacement | undefined
  readonly #held = new HeldChunks()
  /** What is left of the chunk that was cut last. */
  #front: Uint8Array | undefined
  /** Length of the packet whose bytes are being gathered, once it is known. */
  #wanted: number | undefined
  #isFirst = true
  /** The packet that is put into memory it was given. */
  #placed: { readonly start: Buffer; readonly memory: Uint8Array } | undefined
  #filled = 0
  /** Whether the packet under way was looked at: it has memory of its own, or never will. */
  #isDecided = false

  constructor(placement?: PacketPlacement) {
    this.#placement = placement
  }

  /** Bytes pushed and not taken. */
  get pending(): number {
    return this.#held.byteLength + (this.#front?.length ?? 0)
  }

  push(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#held.push(chunk)
  }

  /**
   * The next whole packet.
   * @throws SftpError `ERR_SFTP_PROTOCOL` for a length of 0 or over 256 KiB
   */
  next(): Packet | undefined {
    this.#wanted ??= this.#takeLength()
    if (this.#wanted === undefined || !this.#isPlaced(this.#wanted)) return undefined
    const packet = this.#placed === undefined ? this.#takeWhole(this.#wanted) : this.#fill(this.#placed)
    if (packet === undefined) return undefined
    this.#wanted = undefined
    this.#isDecided = false
    this.#isFirst = false
    return packet
  }

  #takeWhole(length: number): Packet | undefined {
    return this.pending < length ? undefined : this.#take(length)
  }

  /** Whether it is decided where a packet goes: false until its start is there. */
  #isPlaced(length: number): boolean {
    if (this.#isDecided) return true
    const { startLength } = this.#placement ?? { startLength: 0 }
    if (this.pending < Math.min(startLength, length)) return false
    this.#isDecided = true
    if (this.#placement === undefined || length < startLength) return true
    const front = this.#joinFront(startLength)
    const start = asBuffer(front).subarray(0, startLength)
    const memory = this.#placement.place(start, length - startLength)
    if (memory === undefined) return true
    // Copied: a view would keep its chunk alive.
    this.#placed = { start: Buffer.from(start), memory }
    this.#filled = 0
    this.#front = front.length > startLength ? front.subarray(startLength) : undefined
    return true
  }

  /** Makes the front a chunk of at least `length` bytes, which must be there. Nearly always it is one already. */
  #joinFront(length: number): Uint8Array {
    this.#front ??= this.#held.shift() ?? noBytes
    if (this.#front.length >= length) return this.#front
    const start = this.#take(length)
    this.#front = concatBytes(this.#front === undefined ? start : [...start, this.#front])
    return this.#front
  }

  /** Copies what is there; the packet once it is whole. */
  #fill({ start, memory }: { readonly start: Buffer; readonly memory: Uint8Array }): Packet | undefined {
    while (this.#filled < memory.length) {
      const chunk = this.#front ?? this.#held.shift()
      if (chunk === undefined) return undefined
      const wanted = memory.length - this.#filled
      this.#front = chunk.length > wanted ? chunk.subarray(wanted) : undefined
      memory.set(this.#front === undefined ? chunk : chunk.subarray(0, wanted), this.#filled)
      this.#filled += Math.min(chunk.length, wanted)
    }
    this.#placed = undefined
    return [start, memory]
  }

  #takeLength(): number | undefined {
    if (this.pending < 4) return undefined
    const field = concatBytes(this.#take(4))
    const length = asBuffer(field).readUInt32BE(0)
    if (length < 1 || length > maximumPacketLength) throw this.#badLength(length, field)
    return length
  }

  /** The next `length` bytes, which must be there. */
  #take(length: number): Uint8Array[] {
    const taken: Uint8Array[] = []
    let wanted = length
    while (wanted > 0) {
      const chunk = this.#front ?? this.#held.shift()
      if (chunk === undefined) break
      this.#front = chunk.length > wanted ? chunk.subarray(wanted) : undefined
      const piece = this.#front === undefined ? chunk : chunk.subarray(0, wanted)
      taken.push(piece)
      wanted -= piece.length
    }
    return taken
  }

  /** A login script that prints something is the usual cause: then the "length" is text. */
  #badLength(length: number, field: Uint8Array): Error {
    const following = concatBytes(this.#take(Math.min(this.pending, 124)))
    const start = asBuffer(concatBytes([field, following])).toString('latin1')
    if (this.#isFirst && /^[\t\n\r\x20-\x7e]{4}/.test(start)) {
      return protocolError(
        `The remote side printed text before SFTP: "${printable(start)}". ` +
          'A start-up file of the remote shell must print nothing when it is not interactive',
      )
    }
    return protocolError(`Expected a packet of 1 to ${maximumPacketLength} bytes, found a length of ${length}`)
  }
}

const noBytes = new Uint8Array(0)

/** A payload with its length in front: what goes into the channel. */
export function framePacket(payload: Uint8Array): Uint8Array {
  const packet = Buffer.allocUnsafe(4 + payload.length)
  packet.writeUInt32BE(payload.length, 0)
  packet.set(payload, 4)
  return packet
}
