import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  ascii,
  boolean,
  byte,
  type Codec,
  constant,
  fixedBytes,
  fromBigInt,
  list,
  maximumMpintLength,
  mpint,
  nameList,
  Reader,
  repeated,
  rest,
  string,
  struct,
  text,
  toBigInt,
  toHex,
  uint32,
  uint64,
  utf8,
  WireError,
  Writer,
} from '../src/index.js'

const write = <T>(codec: Codec<T>, value: T): string => {
  const writer = new Writer(1)
  codec.write(writer, value)
  return toHex(writer.finish())
}
const read = <T>(codec: Codec<T>, hex: string): T => {
  const reader = new Reader(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  const value = codec.read(reader)
  reader.expectEnd(codec.typeName)
  return value
}
const invalidValue = expect.objectContaining({ code: 'ERR_SSH_WIRE_INVALID_VALUE', disconnectReason: 2 })
const truncated = expect.objectContaining({ code: 'ERR_SSH_WIRE_TRUNCATED' })

describe('numbers (RFC 4251 §5)', () => {
  test.each([
    [0, '00000000'],
    [0x29b7f4aa, '29b7f4aa'],
    [2 ** 31, '80000000'],
    [2 ** 32 - 1, 'ffffffff'],
  ])('uint32 %d is %s', (value, hex) => {
    expect(write(uint32, value)).toBe(hex)
    expect(read(uint32, hex)).toBe(value)
  })

  test.each([
    [0n, '0000000000000000'],
    [2n ** 31n, '0000000080000000'],
    [2n ** 32n - 1n, '00000000ffffffff'],
    [2n ** 53n, '0020000000000000'],
    [2n ** 53n + 1n, '0020000000000001'],
    [2n ** 64n - 1n, 'ffffffffffffffff'],
  ])('uint64 %d is %s', (value, hex) => {
    expect(write(uint64, value)).toBe(hex)
    expect(read(uint64, hex)).toBe(value)
  })

  test.each([-1, 2 ** 32, 2 ** 53, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('%d is not a uint32', (value) => {
    expect(() => write(uint32, value)).toThrow(invalidValue)
  })

  test.each([-1n, 2n ** 64n])('%d is not a uint64', (value) => {
    expect(() => write(uint64, value)).toThrow(invalidValue)
  })

  test.each([-1, 256, 0.5])('%d is not a byte', (value) => {
    expect(() => write(byte, value)).toThrow(invalidValue)
  })

  test('any byte but 0 is true, and true is written as 1', () => {
    for (let value = 0; value < 256; value++) expect(read(boolean, toHex(Uint8Array.of(value)))).toBe(value !== 0)
    expect([write(boolean, true), write(boolean, false)]).toEqual(['01', '00'])
  })
})

describe('mpint', () => {
  // The examples of RFC 4251 §5 that are not negative.
  test.each([
    ['', '00000000'],
    ['09a378f9b2e332a7', '0000000809a378f9b2e332a7'],
    ['80', '000000020080'],
  ])('magnitude 0x%s is %s', (magnitude, hex) => {
    expect(write(mpint, Buffer.from(magnitude, 'hex'))).toBe(hex)
    expect(toHex(read(mpint, hex))).toBe(magnitude)
  })

  test.each([
    ['negative', '00000002 edcc'],
    ['negative with one byte', '00000001 ff'],
    ['zero as a byte', '00000001 00'],
    ['a needless leading zero', '00000002 007f'],
    ['two leading zeros', '00000003 000080'],
  ])('refuses %s', (_, hex) => {
    expect(() => read(mpint, hex)).toThrow(invalidValue)
  })

  test.each([
    ['with a sign byte', 'ff'],
    ['without a sign byte', '7f'],
  ])('takes the longest magnitude and not one byte more, %s', (_, first) => {
    const longest = Buffer.alloc(maximumMpintLength, Buffer.from(first, 'hex'))
    expect(read(mpint, write(mpint, longest)).length).toBe(maximumMpintLength)
    expect(() => read(mpint, write(mpint, Buffer.concat([longest, Buffer.of(1)])))).toThrow(invalidValue)
  })

  test('any number is written minimally, whatever zeros lead it, and is read back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 521n }), fc.nat(4), (value, zeros) => {
        const hex = write(mpint, Buffer.concat([Buffer.alloc(zeros), fromBigInt(value)]))
        expect(toBigInt(read(mpint, hex))).toBe(value)
        expect(hex).toBe(write(mpint, fromBigInt(value)))
        expect(hex).not.toMatch(/^.{8}00[0-7]/)
      }),
    )
  })
})

describe('text', () => {
  test('ascii takes printable US-ASCII only', () => {
    expect(read(ascii, write(ascii, ' ~az09@.-'))).toBe(' ~az09@.-')
    for (const hex of ['00000001 00', '00000001 1f', '00000001 7f', '00000001 80', '00000002 c3a9', '00000001 0a']) {
      expect(() => read(ascii, hex)).toThrow(invalidValue)
    }
    for (const value of ['\n', 'é', '\u0000', '\u007f']) expect(() => write(ascii, value)).toThrow(invalidValue)
  })

  test('utf8 refuses what is not UTF-8, so two different byte names never become one', () => {
    for (const hex of ['ff', 'fe', 'c0af', 'eda080', 'f4908080', '80']) {
      expect(() => read(utf8, `0000000${hex.length / 2}${hex}`)).toThrow(invalidValue)
    }
    expect(read(utf8, write(utf8, 'žluťoučký 🐎\ufeff'))).toBe('žluťoučký 🐎\ufeff')
    expect(read(utf8, write(utf8, '\ufeffkeeps its mark'))).toBe('\ufeffkeeps its mark')
  })

  test('text replaces what is not UTF-8', () => {
    expect(read(text, '00000003 61ff62')).toBe('a\ufffdb')
  })

  test('H8: the fault of a text that is not UTF-8 does not repeat it, for it may be a password', () => {
    const password = Buffer.from('geheim\xfc', 'latin1')
    const faulty = new Writer().writeString(password).finish()
    expect(() => utf8.read(new Reader(faulty))).toThrow('Expected UTF-8 text, found 7 bytes of something else')
  })
})

describe('name-list', () => {
  // RFC 4251 §5.
  test.each([
    [[], '00000000'],
    [['zlib'], '000000047a6c6962'],
    [['zlib', 'none'], '000000097a6c69622c6e6f6e65'],
  ])('%j is %s', (names, hex) => {
    expect(write(nameList, names)).toBe(hex)
    expect(read(nameList, hex)).toEqual(names)
  })

  test('tolerates one comma at the end, and no other empty name', () => {
    expect(read(nameList, '00000002 612c')).toEqual(['a'])
    for (const hex of ['00000001 2c', '00000002 2c61', '00000004 612c2c62', '00000003 612c2c']) {
      expect(() => read(nameList, hex)).toThrow(invalidValue)
    }
  })

  test('keeps the traps of plain objects as the names they are', () => {
    const names = ['__proto__', 'constructor', 'toString']
    expect(read(nameList, write(nameList, names))).toEqual(names)
  })

  test('refuses more than 1024 names, a name of more than 256 characters, and what is not printable', () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`)
    expect(read(nameList, write(nameList, many(1024)))).toHaveLength(1024)
    expect(() => read(nameList, write(nameList, many(1025)))).toThrow(invalidValue)
    expect(() => read(nameList, write(nameList, many(100_000)))).toThrow(invalidValue)
    expect(read(nameList, write(nameList, ['x'.repeat(256)]))).toHaveLength(1)
    expect(() => read(nameList, write(nameList, ['x'.repeat(257)]))).toThrow(invalidValue)
    expect(() => read(nameList, '00000001 ff')).toThrow(invalidValue)
  })

  test.each([[['']], [['a,b']], [['ü']]])('does not write %j', (names) => {
    expect(() => write(nameList, names)).toThrow(invalidValue)
  })
})

describe('bytes', () => {
  test('what is read is a view into what was received', () => {
    const received = Buffer.from('00000003616263', 'hex')
    const value = string.read(new Reader(received))
    expect(value.buffer).toBe(received.buffer)
    expect(value.byteOffset).toBe(received.byteOffset + 4)
  })

  test('a length of 2^32-1 is refused without being believed', () => {
    expect(() => read(string, 'ffffffff 00')).toThrow(truncated)
    expect(() => read(string, '80000000')).toThrow(truncated)
  })

  test('fixed bytes are exactly that many', () => {
    expect(toHex(read(fixedBytes(2), '0102'))).toBe('0102')
    expect(() => read(fixedBytes(3), '0102')).toThrow(truncated)
    expect(() => write(fixedBytes(3), Buffer.of(1, 2))).toThrow(invalidValue)
  })

  test('a constant is itself or an error', () => {
    expect(read(constant(boolean, true), '01')).toBe(true)
    expect(() => read(constant(boolean, true), '00')).toThrow(invalidValue)
    expect(() => read(constant(ascii, 'a'), '00000001 62')).toThrow('Expected a, found b')
    expect(write(constant(uint32, 7), 7)).toBe('00000007')
  })
})

describe('combinations', () => {
  test('a count that cannot fit the rest is refused before anything is read', () => {
    let reads = 0
    const counting: Codec<number> = {
      ...uint32,
      read: (reader) => {
        reads++
        return uint32.read(reader)
      },
    }
    expect(() => read(list(counting, 4), 'ffffffff 00000000')).toThrow(invalidValue)
    expect(reads).toBe(0)
  })

  test('an item of no bytes cannot repeat for ever', () => {
    expect(() => read(repeated(struct('nothing', {})), '00')).toThrow(invalidValue)
  })

  test('rest takes everything, even nothing', () => {
    expect(toHex(read(rest, ''))).toBe('')
    expect(toHex(read(rest, 'abcd'))).toBe('abcd')
  })

  test('every fault of the wire is a WireError with its facts', () => {
    try {
      read(uint32, '0102')
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(WireError)
      expect(error).toMatchObject({ layer: 'wire', details: { expected: 4, available: 2, offset: 0 } })
    }
  })
})
