/** Numeric addresses and CIDR blocks, as text. */

import { equalBytes } from '@ssh/wire'

/** Longest text of an address: an IPv6 address with a dotted end, and room for a zone. */
const maximumAddressLength = 128

/**
 * The 4 or 16 bytes of an address; undefined for anything else. A zone (`%eth0`) is left out, and an IPv4 address
 * in IPv6 form (`::ffff:192.0.2.1`, as dual-stack sockets report it) gives 4 bytes.
 */
export function parseIpAddress(text: string): Uint8Array | undefined {
  const bytes = parseExactly(text)
  if (bytes?.length !== 16) return bytes
  return equalBytes(bytes.subarray(0, 12), mappedPrefix) ? bytes.subarray(12) : bytes
}

/** An address as text, where an IPv4 address in IPv6 form is the IPv4 address that it is. */
export function withoutMapping(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '')
}

/** ::ffff:0:0/96 (RFC 4291 §2.5.5.2). */
const mappedPrefix = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)

/** A block of addresses: all that share its first `prefixLength` bits. */
export interface CidrBlock {
  readonly base: Uint8Array
  readonly prefixLength: number
}

/**
 * `192.0.2.0/24`, or an address alone as a block of one. Undefined when it is no block: also when bits after the
 * prefix are set, since nobody can tell which of the two was meant.
 */
export function parseCidr(text: string): CidrBlock | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) {
    const base = parseIpAddress(text)
    return base && { base, prefixLength: base.length * 8 }
  }
  const base = parseExactly(text.slice(0, slash))
  const digits = text.slice(slash + 1)
  if (base === undefined || !/^(?:0|[1-9]\d{0,2})$/.test(digits)) return undefined
  const prefixLength = Number(digits)
  if (prefixLength > base.length * 8) return undefined
  const hasHostBits = base.some((value, index) => (value & ~maskByte(prefixLength, index)) !== 0)
  return hasHostBits ? undefined : { base, prefixLength }
}

/** Whether the block holds the address. */
export function isInBlock(block: CidrBlock, address: Uint8Array): boolean {
  if (address.length !== block.base.length) return false
  return address.every((value, index) => (value & maskByte(block.prefixLength, index)) === block.base[index])
}

/** The network that an address is in, as a name to compare; undefined for what is no address. */
export function networkOf(address: string, prefixLengthV4: number, prefixLengthV6: number): string | undefined {
  const bytes = parseIpAddress(address)
  if (bytes === undefined) return undefined
  const prefixLength = bytes.length === 4 ? prefixLengthV4 : prefixLengthV6
  return bytes.map((value, index) => value & maskByte(prefixLength, index)).join(bytes.length === 4 ? '.' : ':')
}

/** Byte `index` of a mask of `prefixLength` bits. */
function maskByte(prefixLength: number, index: number): number {
  const bits = Math.min(Math.max(prefixLength - index * 8, 0), 8)
  return (0xff00 >> bits) & 0xff
}

function parseExactly(text: string): Uint8Array | undefined {
  if (text.length > maximumAddressLength) return undefined
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  // No leading zeros: some read them as octal, and the two must not disagree on who may come in.
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) {
    return undefined
  }
  return Uint8Array.from(parts, Number)
}

function parseIpv6(text: string): Uint8Array | undefined {
  const [address = ''] = text.split('%', 1)
  const halves = address.split('::')
  const [head = '', tail] = halves
  if (halves.length > 2) return undefined
  const isCompressed = tail !== undefined
  const before = parseGroups(head, !isCompressed)
  const after = isCompressed ? parseGroups(tail, true) : []
  if (before === undefined || after === undefined) return undefined
  const missing = 16 - before.length - after.length
  if (isCompressed ? missing < 2 : missing !== 0) return undefined
  return Uint8Array.from([...before, ...new Array<number>(missing).fill(0), ...after])
}

/** @param mayEndDotted whether the last group may be an IPv4 address */
function parseGroups(text: string, mayEndDotted: boolean): number[] | undefined {
  if (text === '') return []
  const groups = text.split(':')
  const bytes: number[] = []
  for (const [index, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
      continue
    }
    const dotted = mayEndDotted && index === groups.length - 1 ? parseIpv4(group) : undefined
    if (dotted === undefined) return undefined
    bytes.push(...dotted)
  }
  return bytes
}
