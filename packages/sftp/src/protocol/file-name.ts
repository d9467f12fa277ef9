/**
 * File names: bytes on the wire, strings in the API, and no byte lost between them.
 *
 * A name is UTF-8. A byte that does not belong to valid UTF-8 reads as the lone surrogate U+DC80…U+DCFF that ends in
 * it, and is written as that byte again (the scheme of Python's PEP 383). Valid UTF-8 never decodes to a surrogate, so
 * bytes → string → bytes is exact for every name, and what a listing shows can be opened, renamed and removed.
 */

import { asBuffer, type Codec } from '@ssh/wire'
import { SftpError } from '../errors.js'

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

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
  let name = ''
  let offset = 0
  while (offset < bytes.length) {
    const byte = bytes[offset] ?? 0
    const length = sequenceLength(byte)
    const character = length === 0 ? undefined : decodeStrictly(bytes.subarray(offset, offset + length))
    name += character ?? String.fromCharCode(0xdc00 | byte)
    offset += character === undefined ? 1 : length
  }
  return name
}

/** Bytes of the UTF-8 sequence that starts with `leadByte`; 0 when none does (RFC 3629 §4). */
function sequenceLength(leadByte: number): number {
  if (leadByte < 0x80) return 1
  if (leadByte < 0xc2) return 0
  if (leadByte < 0xe0) return 2
  if (leadByte < 0xf0) return 3
  return leadByte < 0xf5 ? 4 : 0
}

function decodeStrictly(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return undefined
  }
}

function encodeEscaped(name: string): Uint8Array {
  const pieces = name.split(/(\p{Surrogate})/u)
  return Buffer.concat(
    pieces.map((piece, index) => {
      if (index % 2 === 0) return Buffer.from(piece, 'utf8')
      const unit = piece.charCodeAt(0)
      if (unit < 0xdc80 || unit > 0xdcff) throw invalidName(name, 'holds a lone surrogate that stands for no byte')
      return Buffer.from([unit & 0xff])
    }),
  )
}

function invalidName(name: string, why: string): SftpError {
  return new SftpError('EINVAL', `The name ${why}`, { path: name })
}
