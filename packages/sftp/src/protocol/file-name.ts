/**
 * File names: bytes on the wire, strings in the API, and no byte lost between them.
 *
 * A name is UTF-8. A byte that does not belong to valid UTF-8 reads as the lone surrogate U+DC80…U+DCFF that ends in
 * it, and is written as that byte again (the scheme of Python's PEP 383). Valid UTF-8 never decodes to a surrogate, so
 * bytes → string → bytes is exact for every name, and what a listing shows can be opened, renamed and removed.
 */

import { asBuffer, type Codec } from '@ssh/wire'
import { SftpError } from '../errors.js'

/** The string for the bytes of a name; see the module's header for bytes that are not UTF-8. */
export function decodeFileName(bytes: Uint8Array): string {
  const name = asBuffer(bytes).toString('utf8')
  // U+FFFD stands for itself, or for bytes that are not UTF-8: only then is the slow path worth asking.
  return name.includes('\ufffd') ? decodeEscaping(bytes) : name
}

/**
 * The bytes of a name.
 * @throws SftpError `EINVAL` for NUL, which no file name can hold, and for a surrogate that stands for no byte
 */
export function encodeFileName(name: string): Uint8Array {
  if (name.includes('\0')) throw invalidName(name, 'holds a NUL character')
  return /\p{Surrogate}/u.test(name) ? encodeEscaped(name) : Buffer.from(name, 'utf8')
}

/** Whether `name` holds bytes that are not UTF-8, so that only {@link encodeFileName} can spell it. */
export function hasEscapedBytes(name: string): boolean {
  return /\p{Surrogate}/u.test(name)
}

/** A path or file name as a field. */
export const fileName: Codec<string> = {
  typeName: 'string (file name)',
  read: (reader) => decodeFileName(reader.readString()),
  write: (writer, name) => void writer.writeString(encodeFileName(name)),
}

function decodeEscaping(bytes: Uint8Array): string {
  // No character has more units of UTF-16 than bytes of UTF-8.
  const units = Buffer.allocUnsafe(2 * bytes.length)
  let end = 0
  const put = (unit: number): void => {
    units[end++] = unit & 0xff
    units[end++] = unit >> 8
  }
  for (let offset = 0; offset < bytes.length; ) {
    const first = bytes[offset] ?? 0
    const length = validLength(bytes, offset++)
    if (length < 2) put(length === 0 ? 0xdc00 | first : first)
    else {
      let codePoint = first & (0xff >> (length + 1))
      for (let index = 1; index < length; index++) codePoint = (codePoint << 6) | ((bytes[offset++] ?? 0) & 0x3f)
      if (codePoint < 0x10000) put(codePoint)
      else {
        put(0xd800 | ((codePoint - 0x10000) >> 10))
        put(0xdc00 | ((codePoint - 0x10000) & 0x3ff))
      }
    }
  }
  return units.toString('utf16le', 0, end)
}

/** Bytes of the UTF-8 sequence at `offset`; 0 when there is none (RFC 3629 §4). Looked at by hand: a peer may send many. */
function validLength(bytes: Uint8Array, offset: number): number {
  const first = bytes[offset] ?? 0
  if (first < 0x80) return 1
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
  for (let index = 1; index < length; index++) {
    const byte = bytes[offset + index] ?? 0
    // Neither longer than need be, nor a surrogate, nor beyond the last character there is.
    const least = index > 1 ? 0x80 : first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
    const greatest = index > 1 ? 0xbf : first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
    if (byte < least || byte > greatest) return 0
  }
  return length
}

function encodeEscaped(name: string): Uint8Array {
  // A character of UTF-16 takes 3 bytes at most.
  const bytes = Buffer.allocUnsafe(3 * name.length)
  let length = 0
  let plain = 0
  for (let index = 0; index < name.length; index++) {
    const unit = name.charCodeAt(index)
    if (unit < 0xd800 || unit > 0xdfff) continue
    const isPair = unit < 0xdc00 && (name.charCodeAt(index + 1) & 0xfc00) === 0xdc00
    if (isPair) index++
    else {
      if (unit < 0xdc80 || unit > 0xdcff) throw invalidName(name, 'holds a lone surrogate that stands for no byte')
      if (plain < index) length += bytes.write(name.slice(plain, index), length)
      bytes[length++] = unit & 0xff
      plain = index + 1
    }
  }
  length += bytes.write(name.slice(plain), length)
  return Buffer.from(bytes.subarray(0, length))
}

function invalidName(name: string, why: string): SftpError {
  return new SftpError('EINVAL', `The name ${why}`, { path: name })
}
