import { Reader, Writer } from '@ssh/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { attrs, fileTypeOf, fileTypes, type SftpAttrs, uint53 } from '../../src/protocol/attrs.js'

function encode(value: SftpAttrs): Uint8Array {
  const writer = new Writer()
  attrs.write(writer, value)
  return writer.finish()
}

describe('attributes', () => {
  test('every combination of groups comes back as it was', () => {
    const uint32 = fc.nat({ max: 0xffffffff })
    const groups = fc
      .tuple(
        fc.option(fc.record({ size: fc.maxSafeNat() })),
        fc.option(fc.record({ uid: uint32, gid: uint32 })),
        fc.option(fc.record({ permissions: uint32 })),
        fc.option(fc.record({ atime: uint32, mtime: uint32 })),
        fc.option(
          fc.record({ extended: fc.array(fc.record({ name: fc.string(), data: fc.uint8Array() }), { maxLength: 4 }) }),
        ),
      )
      .map((parts) => Object.assign({}, ...parts) as SftpAttrs)
    fc.assert(
      fc.property(groups, (value) => {
        const decoded = attrs.read(new Reader(encode(value)))
        const extended = decoded.extended?.map(({ name, data }) => ({ name, data: Uint8Array.from(data) }))
        expect({ ...decoded, ...(extended && { extended }) }).toEqual(value)
      }),
    )
  })

  test('no attributes are four zero bytes', () => {
    expect([...encode({})]).toEqual([0, 0, 0, 0])
  })

  test.each([[{ uid: 1 }], [{ gid: 1 }], [{ atime: 1 }], [{ mtime: 1 }]])('half a pair is refused: %o', (value) => {
    expect(() => encode(value)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
  })

  test('flags nobody knows are refused, for what follows them cannot be told', () => {
    expect(() => attrs.read(new Reader(Uint8Array.of(0, 0, 0, 0x10)))).toThrow(/flags 0x10/)
  })

  test('an extended count that cannot fit is refused before anything is allocated', () => {
    const hostile = Uint8Array.of(0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)
    expect(() => attrs.read(new Reader(hostile))).toThrow(/cannot fit/)
  })
})

describe('64-bit numbers', () => {
  test.each([0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1])('%d is exact both ways', (value) => {
    const writer = new Writer()
    uint53.write(writer, value)
    expect(new Reader(writer.finish()).readUint64()).toBe(BigInt(value))
    expect(uint53.read(new Reader(writer.finish()))).toBe(value)
  })

  test.each([2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n])('E8: %d is refused, never rounded', (value) => {
    const bytes = new Writer().writeUint64(value).finish()
    expect(() => uint53.read(new Reader(bytes))).toThrow(expect.objectContaining({ code: 'ERR_SFTP_UNSAFE_INTEGER' }))
  })

  test.each([-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])('%d is not written', (value) => {
    expect(() => uint53.write(new Writer(), value)).toThrow(
      expect.objectContaining({ code: 'ERR_SFTP_UNSAFE_INTEGER' }),
    )
  })
})

test('the type of a file is in its permissions', () => {
  for (const [name, bits] of Object.entries(fileTypes)) expect(fileTypeOf(bits | 0o644)).toBe(name)
  expect(fileTypeOf(undefined)).toBe('unknown')
  expect(fileTypeOf(0o644)).toBe('unknown')
})
