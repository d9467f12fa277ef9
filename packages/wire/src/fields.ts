/** The data types of RFC 4251 §5 as codecs, and the few refinements that SSH's messages need. */

import { asBuffer } from './bytes.js'
import type { Codec } from './codec.js'
import { printable, WireError } from './errors.js'

/** One octet. */
export const byte: Codec<number> = {
  typeName: 'byte',
  read: (reader) => reader.readByte(),
  write: (writer, value) => void writer.writeByte(value),
}

/** One octet; any value but 0 reads as true, and true is written as 1 (RFC 4251 §5). */
export const boolean: Codec<boolean> = {
  typeName: 'boolean',
  read: (reader) => reader.readByte() !== 0,
  write: (writer, value) => void writer.writeByte(value ? 1 : 0),
}

export const uint32: Codec<number> = {
  typeName: 'uint32',
  read: (reader) => reader.readUint32(),
  write: (writer, value) => void writer.writeUint32(value),
}

export const uint64: Codec<bigint> = {
  typeName: 'uint64',
  read: (reader) => reader.readUint64(),
  write: (writer, value) => void writer.writeUint64(value),
}

/** A length and arbitrary bytes; read as a view. */
export const string: Codec<Uint8Array> = {
  typeName: 'string',
  read: (reader) => reader.readString(),
  write: (writer, value) => void writer.writeString(value),
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lenientUtf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * A `string` that names something (a user, a path, a host): UTF-8, and an error when it is not. The error does not
 * repeat it: passwords are such strings too, and errors end up in logs and in the DISCONNECT that the peer gets.
 */
export const utf8: Codec<string> = {
  typeName: 'string (UTF-8)',
  read(reader) {
    const bytes = reader.readString()
    try {
      return strictUtf8.decode(bytes)
    } catch {
      throw new WireError(
        'ERR_SSH_WIRE_INVALID_VALUE',
        `Expected UTF-8 text, found ${bytes.length} bytes of something else`,
      )
    }
  },
  write: (writer, value) => void writer.writeUtf8(value),
}

/** A `string` for people only (a banner, a reason): bytes that are not UTF-8 read as U+FFFD. Never decide on it. */
export const text: Codec<string> = {
  typeName: 'string (UTF-8, for people)',
  read: (reader) => lenientUtf8.decode(reader.readString()),
  write: (writer, value) => void writer.writeUtf8(value),
}

/** A `string` of US-ASCII: algorithm, service, method and request names. */
export const ascii: Codec<string> = {
  typeName: 'string (US-ASCII)',
  read: (reader) => decodeAscii(reader.readString()),
  write(writer, value) {
    if (!isAscii(value)) throw new WireError('ERR_SSH_WIRE_INVALID_VALUE', `Not US-ASCII: ${printable(value, 64)}`)
    writer.writeUtf8(value)
  },
}

/**
 * A multiple precision integer that is not negative, as its minimal unsigned big-endian bytes (none for zero).
 *
 * Reading refuses negative numbers, needless leading zeros and more than {@link maximumMpintLength} bytes:
 * nothing in SSH uses them, and a peer that sends them is trying something (RFC 4251 §5).
 */
export const mpint: Codec<Uint8Array> = {
  typeName: 'mpint',
  read(reader) {
    const bytes = reader.readString()
    const [first, second] = bytes
    if (first === undefined) return bytes
    if (first >= 0x80) throw invalidMpint('it is negative')
    if (first === 0 && (second === undefined || second < 0x80)) throw invalidMpint('it has a needless leading zero')
    const magnitude = first === 0 ? bytes.subarray(1) : bytes
    if (magnitude.length > maximumMpintLength) throw invalidMpint(`it has ${magnitude.length} bytes`)
    return magnitude
  },
  write(writer, value) {
    let start = 0
    while (start < value.length && value[start] === 0) start++
    const magnitude = value.subarray(start)
    const [first] = magnitude
    if (first === undefined) {
      writer.writeUint32(0)
    } else if (first >= 0x80) {
      writer
        .writeUint32(magnitude.length + 1)
        .writeByte(0)
        .writeBytes(magnitude)
    } else {
      writer.writeString(magnitude)
    }
  },
}

/** Longest magnitude an mpint may have: 16384 bits, the largest RSA modulus OpenSSH reads. */
export const maximumMpintLength = 2048

function invalidMpint(why: string): WireError {
  return new WireError(
    'ERR_SSH_WIRE_INVALID_VALUE',
    `An mpint must be a minimal number that is not negative, but ${why}`,
  )
}

/** Longest name-list that is read, in names and in bytes of one name (RFC 4251 §6 allows 64; vendors go over it). */
const nameListLimits = { names: 1024, nameLength: 256 } as const

/**
 * Comma-separated US-ASCII names.
 *
 * Reading refuses empty names, but one comma too many at the end is tolerated: servers that send it are in use.
 */
export const nameList: Codec<readonly string[]> = {
  typeName: 'name-list',
  read(reader) {
    const content = decodeAscii(reader.readString())
    if (content.length === 0) return []
    const names = content.split(',', nameListLimits.names + 2)
    if (names.at(-1) === '' && names.length > 1) names.pop()
    if (names.length > nameListLimits.names) throw invalidNameList(`more than ${nameListLimits.names} names`)
    for (const name of names) {
      if (name.length === 0) throw invalidNameList('an empty name')
      if (name.length > nameListLimits.nameLength) throw invalidNameList(`a name of ${name.length} characters`)
    }
    return names
  },
  write(writer, names) {
    for (const name of names) {
      if (name.length === 0 || name.includes(',') || !isAscii(name)) {
        throw invalidNameList(`a name that cannot be written: "${printable(name, 64)}"`)
      }
    }
    writer.writeUtf8(names.join(','))
  },
}

function invalidNameList(what: string): WireError {
  return new WireError('ERR_SSH_WIRE_INVALID_VALUE', `A name-list has ${what}`)
}

/** Everything that is left, as a view. Only as the last field. */
export const rest: Codec<Uint8Array> = {
  typeName: 'bytes to the end',
  read: (reader) => reader.readRest(),
  write: (writer, value) => void writer.writeBytes(value),
}

/** Exactly `length` bytes, as a view. */
export function fixedBytes(length: number): Codec<Uint8Array> {
  return {
    typeName: `byte[${length}]`,
    read: (reader) => reader.readBytes(length),
    write(writer, value) {
      if (value.length !== length) {
        throw new WireError('ERR_SSH_WIRE_INVALID_VALUE', `Expected ${length} bytes, found ${value.length}`)
      }
      writer.writeBytes(value)
    },
  }
}

/** A fixed value that is always there, for instance the TRUE in a signed request; anything else is refused. */
export function constant<T extends boolean | number | string>(codec: Codec<T>, expected: T): Codec<T> {
  return {
    typeName: `${codec.typeName} ${JSON.stringify(expected)}`,
    read(reader) {
      const found = codec.read(reader)
      if (found !== expected) {
        throw new WireError('ERR_SSH_WIRE_INVALID_VALUE', `Expected ${expected}, found ${printable(String(found), 64)}`)
      }
      return expected
    },
    write: (writer) => codec.write(writer, expected),
  }
}

function decodeAscii(bytes: Uint8Array): string {
  for (const value of bytes) {
    if (value < 0x20 || value > 0x7e) {
      throw new WireError(
        'ERR_SSH_WIRE_INVALID_VALUE',
        `Expected printable US-ASCII, found byte 0x${value.toString(16).padStart(2, '0')}`,
      )
    }
  }
  return asBuffer(bytes).toString('latin1')
}

function isAscii(value: string): boolean {
  return /^[\x20-\x7e]*$/.test(value)
}
