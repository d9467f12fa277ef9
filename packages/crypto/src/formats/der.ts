/**
 * As much of DER (ITU-T X.690 §8, §10) as telling key containers apart, opening encrypted ones, and handing numbers to
 * node:crypto takes.
 */

import { fromBigInt, Reader, SshError } from '@ssh/wire'
import { KeyImportError } from '../errors.js'

/** Tags (ITU-T X.690 §8; universal class). */
export const derTags = { integer: 0x02, bitString: 0x03, octetString: 0x04, oid: 0x06, sequence: 0x30 } as const

export interface DerValue {
  readonly tag: number
  readonly content: Uint8Array
}

/**
 * Reads one value that takes up all of `bytes`.
 * @throws KeyImportError, or WireError when bytes are missing
 */
export function readDer(bytes: Uint8Array): DerValue {
  const reader = new Reader(bytes)
  const value = readValue(reader)
  reader.expectEnd('The DER value')
  return value
}

/** The values inside a SEQUENCE. */
export function readSequence({ tag, content }: DerValue): DerValue[] {
  expectTag(tag, derTags.sequence)
  const reader = new Reader(content)
  const values: DerValue[] = []
  while (reader.remaining > 0) values.push(readValue(reader))
  return values
}

/** One value: its tag, its length, its contents one after another. */
export function writeDer(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const length = contents.reduce((sum, content) => sum + content.length, 0)
  const digits = fromBigInt(BigInt(length))
  const prefix = length < 0x80 ? [tag, length] : [tag, 0x80 | digits.length, ...digits]
  return Buffer.concat([Uint8Array.from(prefix), ...contents])
}

/** An INTEGER that is not negative. @param magnitude big-endian, at least one byte; leading zeros do not matter */
export function writeInteger(magnitude: Uint8Array): Buffer {
  // Nothing but zeros: -1, and the last of them stays.
  const digits = magnitude.subarray(magnitude.findIndex((byte) => byte !== 0))
  return writeDer(derTags.integer, (digits[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0), digits)
}

/** Whether `bytes` are exactly one SEQUENCE of several values: what every key container is, and garbage hardly ever. */
export function isContainer(bytes: Uint8Array): boolean {
  try {
    return readSequence(readDer(bytes)).length > 1
  } catch (error) {
    if (SshError.isSshError(error)) return false
    throw error
  }
}

/** The content of a value that must be there and have this tag. */
export function contentOf(value: DerValue | undefined, tag: number): Uint8Array {
  expectTag(value?.tag, tag)
  return value?.content ?? new Uint8Array(0)
}

/** An INTEGER that is not negative and below 2^32. */
export function readInteger(value: DerValue | undefined): number {
  const content = contentOf(value, derTags.integer)
  const magnitude = content[0] === 0 ? content.subarray(1) : content
  if (content.length === 0 || (content[0] ?? 0) >= 0x80 || magnitude.length > 4) {
    throw new KeyImportError(`Expected an INTEGER below 2^32, found one of ${content.length} bytes`)
  }
  return magnitude.reduce((number, byte) => number * 256 + byte, 0)
}

/** Longer than any object identifier in use. */
const maximumOidLength = 32

/** An OBJECT IDENTIFIER in dotted form. */
export function readOid(value: DerValue | undefined): string {
  const content = contentOf(value, derTags.oid)
  if (content.length > maximumOidLength)
    throw new KeyImportError(`Found an object identifier of ${content.length} bytes`)
  const numbers: number[] = []
  let number = 0
  for (const byte of content) {
    number = number * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    // The first two numbers share one: 40 times the first, which is at most 2, plus the second (§8.19).
    const first = Math.min(Math.floor(number / 40), 2)
    if (numbers.length === 0) numbers.push(first, number - 40 * first)
    else numbers.push(number)
    number = 0
  }
  return numbers.join('.')
}

/**
 * The PEM label that a bare DER container would have, judged by its outermost values.
 * @throws KeyImportError for anything else
 */
export function labelOfDer(bytes: Uint8Array): string {
  const tags = readSequence(readDer(bytes)).map(({ tag }) => tag.toString(16).padStart(2, '0'))
  const found = shapes.find(([, shape]) => shape.test(tags.join(' ')))
  if (found) return found[0]
  throw new KeyImportError('Found a DER value that is none of the key containers known here')
}

const shapes: readonly (readonly [label: string, tags: RegExp])[] = [
  ['PRIVATE KEY', /^02 30 04/],
  ['ENCRYPTED PRIVATE KEY', /^30 04$/],
  ['RSA PRIVATE KEY', /^02( 02){8}$/],
  ['EC PRIVATE KEY', /^02 04/],
  ['DSA PRIVATE KEY', /^02( 02){5}$/],
  ['PUBLIC KEY', /^30 03$/],
  ['RSA PUBLIC KEY', /^02 02$/],
  ['CERTIFICATE', /^30 30 03$/],
  ['PKCS12', /^02 30( 30)?$/],
]

function readValue(reader: Reader): DerValue {
  const tag = reader.readByte()
  return { tag, content: reader.readBytes(readLength(reader)) }
}

/** Definite lengths only (§10.1), of at most four bytes. */
function readLength(reader: Reader): number {
  const first = reader.readByte()
  if (first < 0x80) return first
  const count = first & 0x7f
  if (count === 0 || count > 4) throw new KeyImportError('Found a DER length that is indefinite or too large')
  return reader.readBytes(count).reduce((number, byte) => number * 256 + byte, 0)
}

function expectTag(found: number | undefined, expected: number): void {
  if (found === expected) return
  const what = found === undefined ? 'nothing' : `tag 0x${found.toString(16)}`
  throw new KeyImportError(`Expected DER tag 0x${expected.toString(16)}, found ${what}`)
}
