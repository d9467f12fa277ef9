/**
 * The server's half of SOCKS 4, 4a and 5 (RFC 1928), CONNECT without authentication: bytes in, bytes out.
 *
 * Programs that speak it are not trusted: whatever they send is a request, the beginning of one, or refused, and no
 * more is kept than the longest request has.
 */

import { concatBytes, openFailureReasons, SshError } from '@ssh/wire'

/** What a program wants to be connected to. */
export interface SocksRequest {
  readonly version: SocksVersion
  /** Host name, or numeric address. */
  readonly host: string
  readonly port: number
}

export type SocksVersion = 4 | 5

/** What became of the bytes so far; `reply` is to be sent now. */
export type SocksStep =
  /** The request is not complete. */
  | { readonly type: 'more'; readonly reply: Uint8Array }
  /** Of the last chunk, what is behind the first `used` bytes is for the destination. */
  | { readonly type: 'request'; readonly reply: Uint8Array; readonly request: SocksRequest; readonly used: number }
  /** Not to be served: the connection is to be closed behind the reply. */
  | { readonly type: 'refused'; readonly reply: Uint8Array; readonly error: SshError }

/** Reads the request of one connection. */
export class SocksParser {
  /** What came and is not understood yet; shorter than the longest request. */
  #kept: Uint8Array = noBytes
  /** SOCKS 5 has agreed on a method. */
  #isGreeted = false

  /** Takes the next bytes. Not to be called again once the request is complete or refused. */
  receive(chunk: Uint8Array): SocksStep {
    const bytes = this.#kept.length === 0 ? chunk : concatBytes([this.#kept, chunk])
    let start = 0
    let reply: Uint8Array = noBytes
    if (bytes[0] === 5 && !this.#isGreeted) {
      const greeting = readGreeting(bytes)
      if (greeting.type !== 'read') return this.#unread(greeting, bytes, reply)
      this.#isGreeted = true
      start = greeting.length
      reply = greeting.value
    }
    const rest = bytes.subarray(start)
    const read = this.#isGreeted ? readSocks5(rest) : readSocks4(rest)
    if (read.type !== 'read') return this.#unread(read, rest, reply)
    return { type: 'request', reply, request: read.value, used: chunk.length - (rest.length - read.length) }
  }

  #unread(read: Unread, bytes: Uint8Array, reply: Uint8Array): SocksStep {
    if (read.type === 'refused') {
      return { type: 'refused', reply: concatBytes([reply, read.reply]), error: refused(read.why) }
    }
    // A copy: the chunk may be a small part of something large.
    this.#kept = Uint8Array.from(bytes)
    return { type: 'more', reply }
  }
}

/** The reply that says that the connection is there. */
export function socksSuccess(version: SocksVersion): Uint8Array {
  return version === 4 ? socks4Reply(socks4Codes.granted) : socks5Reply(socks5Codes.succeeded)
}

/** The reply that says why there is none. @param reasonCode one of `openFailureReasons`, or undefined for other reasons */
export function socksFailure(version: SocksVersion, reasonCode: number | undefined): Uint8Array {
  if (version === 4) return socks4Reply(socks4Codes.rejected)
  return socks5Reply((reasonCode !== undefined && failureCodes.get(reasonCode)) || socks5Codes.generalFailure)
}

// Reading: the beginning of some bytes is a value, is not complete, or will not do whatever follows.

type Unread = { readonly type: 'more' } | { readonly type: 'refused'; readonly why: string; readonly reply: Uint8Array }
type Read<T> = { readonly type: 'read'; readonly value: T; readonly length: number } | Unread

const more = { type: 'more' } as const

/** Longest user name, host name and list of methods. */
const longestText = 255

/** Version, number of methods, methods (RFC 1928 §3). The value is what we answer. */
function readGreeting(bytes: Uint8Array): Read<Uint8Array> {
  const [, count] = bytes
  if (count === undefined || bytes.length < 2 + count) return more
  const length = 2 + count
  if (bytes.subarray(2, length).includes(noAuthentication)) {
    return { type: 'read', value: Uint8Array.of(5, noAuthentication), length }
  }
  return refusal('it insists on authentication, and none is needed here', Uint8Array.of(5, noAcceptableMethod))
}

const noAuthentication = 0
const noAcceptableMethod = 0xff

/** Version, command, reserved, address type, address, port (RFC 1928 §4). */
function readSocks5(bytes: Uint8Array): Read<SocksRequest> {
  const [version, command, , addressType, first] = bytes
  const failed = (why: string, code: number) => refusal(why, socks5Reply(code))
  if (version !== undefined && version !== 5) {
    return failed(`it changes from version 5 to ${version}`, socks5Codes.generalFailure)
  }
  if (command !== undefined && command !== connectCommand) {
    return failed(`it wants command ${command}, and only CONNECT (1) is served`, socks5Codes.commandNotSupported)
  }
  if (addressType === undefined || first === undefined) return more
  const lengths = new Map([
    [1, 4],
    [3, 1 + first],
    [4, 16],
  ])
  const addressLength = lengths.get(addressType)
  if (addressLength === undefined) {
    return failed(`it has addresses of type ${addressType}`, socks5Codes.addressTypeNotSupported)
  }
  const length = 4 + addressLength + 2
  if (bytes.length < length) return more
  const address = bytes.subarray(4, 4 + addressLength)
  const host = addressType === 3 ? hostName(address.subarray(1)) : numericAddress(address)
  if (host === undefined) return failed('its host name is none', socks5Codes.generalFailure)
  const port = uint16(bytes, 4 + addressLength)
  if (port === 0) return failed('it wants port 0', socks5Codes.generalFailure)
  return { type: 'read', value: { version: 5, host, port }, length }
}

const connectCommand = 1

/** Version, command, port, address, user name and a zero; with 4a a host name and a zero where the address is 0.0.0.x. */
function readSocks4(bytes: Uint8Array): Read<SocksRequest> {
  const [version, command] = bytes
  const failed = (why: string) => refusal(why, socks4Reply(socks4Codes.rejected))
  // Nothing that it would understand can be said to whoever speaks something else.
  if (version !== undefined && version !== 4) return refusal(`it is not SOCKS: it begins with ${version}`, noBytes)
  if (command !== undefined && command !== connectCommand) {
    return failed(`it wants command ${command}, and only CONNECT (1) is served`)
  }
  if (bytes.length < 8) return more
  const userName = zeroEnded(bytes, 8)
  if (userName.type !== 'read') return userName.type === 'more' ? more : failed('its user name is too long')
  const port = uint16(bytes, 2)
  if (port === 0) return failed('it wants port 0')
  const address = bytes.subarray(4, 8)
  if (!isPlaceholder(address)) {
    return { type: 'read', value: { version: 4, host: numericAddress(address), port }, length: userName.length }
  }
  const name = zeroEnded(bytes, userName.length)
  if (name.type !== 'read') return name.type === 'more' ? more : failed('its host name is too long')
  const host = hostName(name.value)
  if (host === undefined) return failed('its host name is none')
  return { type: 'read', value: { version: 4, host, port }, length: name.length }
}

/** 0.0.0.x: a host name follows. */
function isPlaceholder(address: Uint8Array): boolean {
  return address.subarray(0, 3).every((byte) => byte === 0) && address[3] !== 0
}

/** Bytes from `start` up to a zero; `length` is where what follows the zero begins. */
function zeroEnded(bytes: Uint8Array, start: number): Read<Uint8Array> {
  const end = bytes.subarray(start, start + longestText + 1).indexOf(0)
  if (end !== -1) return { type: 'read', value: bytes.subarray(start, start + end), length: start + end + 1 }
  return bytes.length - start > longestText ? refusal('it is too long', noBytes) : more
}

/** Text of a name; undefined when no host can be called so. */
function hostName(bytes: Uint8Array): string | undefined {
  const name = asText(bytes)
  return name === undefined || name === '' || /[\p{Cc}\p{Z}]/u.test(name) ? undefined : name
}

function asText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** As inet_ntop writes it: lists of permitted destinations are compared as text (PermitOpen of sshd). */
function numericAddress(address: Uint8Array): string {
  if (address.length === 4) return address.join('.')
  const isMapped = address.subarray(0, 10).every((byte) => byte === 0) && uint16(address, 10) === 0xffff
  if (isMapped) return `::ffff:${address.subarray(12).join('.')}`
  const groups = Array.from({ length: 8 }, (_, index) => uint16(address, index * 2).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

function uint16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] ?? 0) * 256 + (bytes[offset + 1] ?? 0)
}

function refusal(why: string, reply: Uint8Array): Unread {
  return { type: 'refused', why, reply }
}

function refused(why: string): SshError {
  return new SshError('ERR_SSH_SOCKS_REFUSED', `A program asked the SOCKS proxy for what it does not do: ${why}`)
}

// Replies: code, and an address that says nothing

const socks4Codes = { granted: 0x5a, rejected: 0x5b } as const

/** RFC 1928 §6. */
const socks5Codes = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  connectionRefused: 5,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const

const failureCodes = new Map<number, number>([
  [openFailureReasons.administrativelyProhibited, socks5Codes.notAllowed],
  [openFailureReasons.connectFailed, socks5Codes.connectionRefused],
  [openFailureReasons.unknownChannelType, socks5Codes.commandNotSupported],
  [openFailureReasons.resourceShortage, socks5Codes.generalFailure],
])

function socks4Reply(code: number): Uint8Array {
  return Uint8Array.of(0, code, 0, 0, 0, 0, 0, 0)
}

function socks5Reply(code: number): Uint8Array {
  return Uint8Array.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0)
}

const noBytes = new Uint8Array(0)
