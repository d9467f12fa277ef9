/**
 * WRITE and DATA, laid out by hand: they carry the bulk, so a packet is built around bytes that are already in place
 * instead of copying them. A property test pins both to the message table.
 */

import { asBuffer } from '@ssh/wire'
import { protocolError } from '../errors.js'
import { assertUint53 } from './attrs.js'
import type { Packet } from './framing.js'
import { replies, requests } from './packets.js'

/** Bytes in front of the data in a whole DATA packet: length, number, id, data length. */
export const dataHeadroom = 13

/** Bytes in front of the data in a whole WRITE packet. */
export function writeHeadroom(handle: Uint8Array): number {
  return 4 + 1 + 4 + 4 + handle.length + 8 + 4
}

/** Fills in the headroom of `packet`, whose first {@link dataHeadroom} bytes are free and whose rest is the data. */
export function finishDataPacket(packet: Buffer, id: number): Buffer {
  packet.writeUInt32BE(packet.length - 4, 0)
  packet[4] = replies.data.number
  packet.writeUInt32BE(id, 5)
  packet.writeUInt32BE(packet.length - dataHeadroom, 9)
  return packet
}

/** Bytes behind the data in a DATA packet of version 6 that says whether it is the last. */
export const dataTailroom = 1

/**
 * As {@link finishDataPacket}, for version 6.
 * @param isLast the file ends here: then the last {@link dataTailroom} bytes are free to say so. Else nothing is said
 */
export function finishDataPacket6(packet: Buffer, id: number, isLast: boolean): Buffer {
  finishDataPacket(packet, id)
  if (!isLast) return packet
  packet.writeUInt32BE(packet.length - dataHeadroom - dataTailroom, 9)
  packet[packet.length - 1] = 1
  return packet
}

/**
 * Fills in the headroom of `packet`, whose first {@link writeHeadroom} bytes are free and whose rest is the data.
 * @throws SftpError `ERR_SFTP_UNSAFE_INTEGER` for an offset that is none
 */
export function finishWritePacket(packet: Buffer, id: number, handle: Uint8Array, offset: number): Buffer {
  assertUint53(offset)
  packet.writeUInt32BE(packet.length - 4, 0)
  packet[4] = requests.write.number
  packet.writeUInt32BE(id, 5)
  packet.writeUInt32BE(handle.length, 9)
  packet.set(handle, 13)
  const afterHandle = 13 + handle.length
  packet.writeUInt32BE(Math.floor(offset / 0x1_0000_0000), afterHandle)
  packet.writeUInt32BE(offset >>> 0, afterHandle + 4)
  packet.writeUInt32BE(packet.length - afterHandle - 12, afterHandle + 8)
  return packet
}

/** The number of a packet's message, and the id that follows it; the id is undefined when the packet is too short. */
export function peekPacket(packet: Packet): { number: number; id: number | undefined } {
  const start = firstBytes(packet, 5)
  return { number: start[0] ?? 0, id: start.length < 5 ? undefined : start.readUInt32BE(1) }
}

/** The fields in front of the data in what may be a DATA packet (without its length field). */
export function dataPacketStart(start: Buffer): { number: number; id: number; dataLength: number } {
  return { number: start[0] ?? 0, id: start.readUInt32BE(1), dataLength: start.readUInt32BE(5) }
}

/** The data of a DATA packet, as views in order. */
export interface PacketData {
  readonly chunks: Uint8Array[]
  readonly length: number
  /** Whether the file is known to end here. */
  readonly isLast?: boolean
}

/**
 * The data of a DATA packet (without its length field), as views. Versions 3 to 5.
 * @throws SftpError `ERR_SFTP_PROTOCOL` when its inner length is not what follows
 */
export function dataOfPacket(packet: Packet): PacketData {
  const header = firstBytes(packet, dataHeadroom - 4)
  const length = packetLength(packet) - header.length
  if (header.length < dataHeadroom - 4 || header.readUInt32BE(5) !== length) {
    throw protocolError(`A DATA packet has ${length} bytes of data, but says otherwise`)
  }
  return { chunks: withoutFirst(packet, header.length), length }
}

/**
 * As {@link dataOfPacket}, in version 6: a byte behind the data may tell that the file ends with it.
 * @throws SftpError `ERR_SFTP_PROTOCOL` when less follows than its inner length says
 */
export function dataOfPacket6(packet: Packet): PacketData {
  const header = firstBytes(packet, dataHeadroom - 4)
  const available = packetLength(packet) - header.length
  const length = header.length < dataHeadroom - 4 ? Number.POSITIVE_INFINITY : header.readUInt32BE(5)
  if (length > available) throw protocolError(`A DATA packet has ${available} bytes of data, but says otherwise`)
  const chunks = withoutFirst(packet, header.length)
  if (length === available) return { chunks, length }
  const behind = cutOff(chunks, available - length)
  return { chunks, length, isLast: behind !== 0 }
}

/** Takes `count` bytes off the end, which has them. @returns the first of them */
function cutOff(chunks: Uint8Array[], count: number): number {
  for (let left = count; ; ) {
    const last = chunks.pop() ?? new Uint8Array(1)
    if (last.length > left) chunks.push(last.subarray(0, last.length - left))
    if (last.length >= left) return last[last.length - left] ?? 0
    left -= last.length
  }
}

/** Bytes of all views together. */
export function packetLength(packet: Packet): number {
  let length = 0
  for (const chunk of packet) length += chunk.length
  return length
}

/** Up to `count` bytes from the start, in one piece. */
function firstBytes(packet: Packet, count: number): Buffer {
  const [first] = packet
  if (first !== undefined && first.length >= count) return asBuffer(first).subarray(0, count)
  const joined = Buffer.alloc(Math.min(count, packetLength(packet)))
  let offset = 0
  for (const chunk of packet) {
    if (offset === joined.length) break
    const piece = chunk.subarray(0, joined.length - offset)
    joined.set(piece, offset)
    offset += piece.length
  }
  return joined
}

function withoutFirst(packet: Packet, count: number): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let skip = count
  for (const chunk of packet) {
    if (chunk.length > skip) chunks.push(skip === 0 ? chunk : chunk.subarray(skip))
    skip = Math.max(0, skip - chunk.length)
  }
  return chunks
}
