import { Reader, Writer } from '@ssh/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeFileName, encodeFileName, fileName } from '../../src/protocol/file-name.js'

describe('file names', () => {
  test('any bytes but NUL come back exactly', () => {
    const bytes = fc.uint8Array({ min: 1, maxLength: 64 })
    fc.assert(
      fc.property(bytes, (name) => {
        expect(Buffer.from(encodeFileName(decodeFileName(name)))).toEqual(Buffer.from(name))
      }),
    )
  })

  test('any well-formed text comes back exactly, and is plain UTF-8 on the wire', () => {
    const text = fc.string({ unit: 'grapheme' }).filter((name) => !name.includes('\0'))
    fc.assert(
      fc.property(text, (name) => {
        expect(decodeFileName(encodeFileName(name))).toBe(name)
        expect(Buffer.from(encodeFileName(name)).toString('utf8')).toBe(name)
      }),
    )
  })

  test.each([
    ['latin1 in between', [0x61, 0xe9, 0x62], 'a\udce9b'],
    ['a truncated sequence', [0xe2, 0x82], '\udce2\udc82'],
    ['an overlong slash', [0xc0, 0xaf], '\udcc0\udcaf'],
    ['an encoded surrogate', [0xed, 0xb2, 0x80], '\udced\udcb2\udc80'],
    ['a real U+FFFD beside a bad byte', [0xef, 0xbf, 0xbd, 0xff], '\ufffd\udcff'],
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x61], '\ufeffa'],
  ])('%s is kept', (_name, bytes, text) => {
    expect(decodeFileName(Uint8Array.from(bytes))).toBe(text)
    expect([...encodeFileName(text)]).toEqual(bytes)
  })

  test('escaped bytes never spell a separator or NUL', () => {
    for (let byte = 0x80; byte <= 0xff; byte++) {
      expect([...encodeFileName(String.fromCharCode(0xdc00 | byte))]).toEqual([byte])
    }
    expect(() => encodeFileName('\udc2f')).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    expect(() => encodeFileName('\ud800')).toThrow(expect.objectContaining({ code: 'EINVAL' }))
  })

  test('NUL is refused before it reaches a server that would cut the name there', () => {
    expect(() => encodeFileName('a\0b')).toThrow(expect.objectContaining({ code: 'EINVAL', path: 'a\0b' }))
  })

  test('as a field it is a string of RFC 4251', () => {
    const writer = new Writer()
    fileName.write(writer, 'é')
    expect([...writer.finish()]).toEqual([0, 0, 0, 2, 0xc3, 0xa9])
    expect(fileName.read(new Reader(writer.finish()))).toBe('é')
  })
})
