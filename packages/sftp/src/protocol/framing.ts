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

/**
 * Cuts arriving chunks into packets without copying: a packet that spans chunks is a list of views.
 *
 * Call `next` until it returns undefined after each `push`; what was pushed and not taken is kept.
 */
export class PacketReader {
  readonly #held = new HeldChunks()
  /** What is left of the chunk that was cut last. */
  #front: Uint8Array | undefined
  /** Length of the packet whose bytes are being gathered, once it is known. */
  #wanted: number | undefined
  #isFirst = true

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
    if (this.#wanted === undefined || this.pending < this.#wanted) return undefined
    const packet = this.#take(this.#wanted)
    this.#wanted = undefined
    this.#isFirst = false
    return packet
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

/** A payload with its length in front: what goes into the channel. */
export function framePacket(payload: Uint8Array): Uint8Array {
  const packet = Buffer.allocUnsafe(4 + payload.length)
  packet.writeUInt32BE(payload.length, 0)
  packet.set(payload, 4)
  return packet
}
