/** Packets before the first SSH_MSG_NEWKEYS: nothing is encrypted and nothing is checked (RFC 4253 §6). */

import { asBuffer } from '@ssh/wire'
import { lengthFieldSize } from './integrity.js'
import type { PacketOpener, PacketSealer } from './packet-cipher.js'

const facts = { blockSize: 8, lengthIsAligned: true, tagLength: 0 } as const

/** Sends packets as they are. Never negotiable: there is no row for it. */
export const noneSealer: PacketSealer = Object.freeze({ ...facts, seal: (packet: Buffer) => packet })

/** Takes packets as they are. */
export const noneOpener: PacketOpener = Object.freeze({
  ...facts,
  headLength: lengthFieldSize,
  opensInPlace: true,
  openLength: (head: Uint8Array) => asBuffer(head).readUInt32BE(0),
  open: (packet: Buffer) => packet.subarray(lengthFieldSize),
})
