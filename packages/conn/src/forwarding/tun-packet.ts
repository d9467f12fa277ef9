/**
 * How packets travel in a channel of type tun@openssh.com: OpenSSH PROTOCOL §2.3.
 *
 * One packet is the data of one SSH_MSG_CHANNEL_DATA: the "packet length" of the specification is the length of that
 * string, and no other. In front of an IP packet stands its address family; an Ethernet frame stands alone.
 */

import { concatBytes } from '@ssh/wire'

/** IP packets (layer 3) or Ethernet frames (layer 2). */
export type TunMode = 'tun' | 'tap'

/** Address families as OpenBSD numbers them, whatever the systems at both ends do. */
const families = new Map([
  [4, 2],
  [6, 24],
])

const familyLength = 4

/** Bytes of the largest packet: an IPv6 packet without jumbo option, and the header of a frame with a VLAN tag. */
export const largestTunPacket = 40 + 65535 + 18

/** Bytes that {@link encodeTunPacket} puts in front of a packet. */
export function tunHeaderLength(mode: TunMode): number {
  return mode === 'tun' ? familyLength : 0
}

/** What to send for a packet; undefined when it is none: empty, or in mode `tun` neither IPv4 nor IPv6. */
export function encodeTunPacket(mode: TunMode, packet: Uint8Array): Uint8Array | undefined {
  if (packet.length === 0 || packet.length > largestTunPacket) return undefined
  if (mode === 'tap') return packet
  const family = familyOf(packet)
  if (family === undefined) return undefined
  const header = Buffer.alloc(familyLength)
  header.writeUInt32BE(family)
  return concatBytes([header, packet])
}

/** The packet that came, as a view; undefined when it is none, or its family is not what its first byte says. */
export function decodeTunPacket(mode: TunMode, data: Uint8Array): Uint8Array | undefined {
  const packet = data.subarray(tunHeaderLength(mode))
  if (packet.length === 0 || packet.length > largestTunPacket) return undefined
  if (mode === 'tap') return packet
  const family = new DataView(data.buffer, data.byteOffset).getUint32(0)
  return family === familyOf(packet) ? packet : undefined
}

/** By the version in the first four bits of every IP packet. */
function familyOf(packet: Uint8Array): number | undefined {
  return families.get((packet[0] ?? 0) >> 4)
}
