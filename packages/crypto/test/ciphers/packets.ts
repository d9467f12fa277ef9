/** Unprotected packets as the packet layer builds them (RFC 4253 §6), and the receiving half of that layer. */

import { CryptoError, type PacketCipher, type PacketOpener } from '../../src/index.js'

/** A packet with minimal padding, and room for the tag behind it. */
export function buildPacket(payload: Uint8Array, { blockSize, lengthIsAligned, tagLength }: PacketCipher): Buffer {
  const aligned = (lengthIsAligned ? 4 : 0) + 1 + payload.length
  let padding = blockSize - (aligned % blockSize)
  if (padding < 4) padding += blockSize
  const length = 1 + payload.length + padding
  const packet = Buffer.alloc(4 + length + tagLength, 0xdd)
  packet.writeUInt32BE(length)
  packet[4] = padding
  packet.set(payload, 5)
  packet.fill(0xee, 5 + payload.length, 4 + length)
  return packet
}

/** Opens one whole packet the way a stream reader would. The bytes handed in are left as they are. */
export function openPacket(opener: PacketOpener, sealed: Uint8Array, sequenceNumber: number): Uint8Array {
  const length = opener.openLength(sealed.subarray(0, opener.headLength), sequenceNumber)
  if (4 + length + opener.tagLength !== sealed.length) throw new Error(`The length reads as ${length}`)
  return opener.open(Buffer.from(sealed), sequenceNumber)
}

/** The code of the CryptoError that `action` throws; any other outcome fails the test. */
export function cryptoErrorCode(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof CryptoError) return error.code
    throw error
  }
  return 'nothing was thrown'
}
