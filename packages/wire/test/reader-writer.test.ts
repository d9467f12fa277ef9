import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  concatBytes,
  equalBytes,
  fromBigInt,
  Reader,
  toBase64,
  toBigInt,
  toHex,
  toUtf8,
  WireError,
  Writer,
  wipe,
} from '../src/index.js'

test('a writer grows to whatever it is given, from any capacity', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20 }), fc.array(fc.uint8Array({ maxLength: 300 })), (capacity, chunks) => {
      const writer = new Writer(capacity)
      for (const chunk of chunks) writer.writeString(chunk)
      const written = writer.finish()
      expect(writer.length).toBe(written.length)
      const reader = new Reader(written)
      for (const chunk of chunks) expect(equalBytes(reader.readString(), chunk)).toBe(true)
      expect(reader.remaining).toBe(0)
    }),
  )
})

test('a text counts its bytes, not its characters', () => {
  expect(toHex(new Writer().writeUtf8('é🐎').finish())).toBe('00000006c3a9f09f908e')
})

test('a failed read moves nothing', () => {
  const reader = new Reader(Uint8Array.of(1, 2, 3))
  expect(() => reader.readUint32()).toThrow(WireError)
  expect([reader.offset, reader.remaining]).toEqual([0, 3])
  expect(reader.readByte()).toBe(1)
})

test('a reader sees only its own view of a larger buffer', () => {
  const view = new Uint8Array(Buffer.from('0011223344', 'hex').buffer.slice(0), 0).subarray(0, 0)
  expect(() => new Reader(view).readByte()).toThrow(WireError)
  const middle = Uint8Array.of(9, 9, 0, 0, 0, 5, 9, 9).subarray(2, 6)
  expect(new Reader(middle).readUint32()).toBe(5)
})

test('a reader may start inside the bytes', () => {
  expect(new Reader(Uint8Array.of(94, 0, 0, 0, 7), 1).readUint32()).toBe(7)
})

test('bytes left over are counted in the fault', () => {
  const fault = { code: 'ERR_SSH_WIRE_TRAILING_BYTES', details: { trailing: 2 } }
  expect(() => new Reader(Uint8Array.of(1, 2)).expectEnd('pong')).toThrow(expect.objectContaining(fault))
})

test('numbers and their bytes are one to one', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 300n }), (value) => {
      expect(toBigInt(fromBigInt(value))).toBe(value)
      expect(fromBigInt(value)[0]).not.toBe(0)
    }),
  )
  expect(fromBigInt(0n)).toHaveLength(0)
  expect(() => fromBigInt(-1n)).toThrow(RangeError)
})

test('joining keeps order, and one chunk is itself', () => {
  const only = Uint8Array.of(1)
  expect(concatBytes([only])).toBe(only)
  expect(toHex(concatBytes([only, Uint8Array.of(2, 3), new Uint8Array(0)]))).toBe('010203')
  expect(concatBytes([])).toHaveLength(0)
})

test('base64 drops its padding when asked', () => {
  expect([toBase64(toUtf8('ab')), toBase64(toUtf8('ab'), false)]).toEqual(['YWI=', 'YWI'])
})

test('equal means same length and same bytes', () => {
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 3))).toBe(false)
})

test('wiping leaves zeros', () => {
  const secret = Uint8Array.of(1, 2, 3)
  wipe(secret)
  expect(toHex(secret)).toBe('000000')
})
