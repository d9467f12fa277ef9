import { Reader, SshError, Writer } from '@ssh/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FileType, fileTypes, type SftpAttrs } from '../../src/protocol/attrs.js'
import { knownAttrFlags, type LaterVersion, laterAttrs } from '../../src/protocol/later-attrs.js'

const versions = [4, 5, 6] as const

function encode(version: LaterVersion, value: SftpAttrs): Uint8Array {
  const writer = new Writer()
  laterAttrs(version).write(writer, value)
  return writer.finish()
}

const decode = (version: LaterVersion, bytes: Uint8Array): SftpAttrs => laterAttrs(version).read(new Reader(bytes))

const uint32 = fc.nat({ max: 0xffffffff })
const nanoseconds = fc.nat({ max: 999_999_999 })
const seconds = fc.maxSafeInteger()
/** Names that are not digits: those are numbers too when they come back. */
const name = fc.string({ minLength: 1 }).filter((text) => !/^\d+$/.test(text) && !text.includes('\0'))
const types = fc.constantFrom<FileType>('file', 'directory', 'symlink', 'special', 'unknown')
const laterTypes = fc.constantFrom<FileType>('socket', 'fifo', 'characterDevice', 'blockDevice')
const bytes = fc.uint8Array().map((value) => Buffer.from(value))

/** A time with its nanoseconds, as the flag for those is one for all times. */
const time = (field: 'atime' | 'createTime' | 'mtime' | 'ctime') =>
  fc.record({ [field]: seconds, [`${field}Ns`]: nanoseconds })

const extended = fc.array(fc.record({ name: fc.string(), data: bytes }), { maxLength: 3 })

/** Groups of attributes that each version can say. */
const groupsOf4 = [
  fc.record({ size: fc.maxSafeNat() }),
  fc.record({ owner: name, group: name }),
  fc.record({ owner: name }),
  fc.record({ permissions: fc.nat({ max: 0o7777 }) }),
  time('atime'),
  time('createTime'),
  time('mtime'),
  fc.record({ acl: bytes }),
  fc.record({ extended }),
]
const groupsOf6 = [
  fc.record({ allocationSize: fc.maxSafeNat() }),
  time('ctime'),
  fc.record({ attribBits: uint32, attribBitsValid: uint32 }),
  fc.record({ textHint: fc.constantFrom('knownText', 'guessedText', 'knownBinary', 'guessedBinary') }),
  fc.record({ mimeType: name }),
  fc.record({ linkCount: uint32 }),
  fc.record({ untranslatedName: bytes }),
]
const groups = {
  4: groupsOf4,
  5: [...groupsOf4, fc.record({ attribBits: uint32 })],
  6: [...groupsOf4, ...groupsOf6],
}

const attrsOf = (version: LaterVersion): fc.Arbitrary<SftpAttrs> =>
  fc
    .tuple(
      version === 4 ? types : fc.oneof(types, laterTypes),
      ...groups[version].map((group) => fc.option<object>(group as fc.Arbitrary<object>)),
    )
    .map(([type, ...parts]) => Object.assign({ type }, ...parts) as SftpAttrs)

/** The same with the mode as it comes back: with the type in it. */
function filledUp({ permissions, ...others }: SftpAttrs): SftpAttrs {
  if (permissions === undefined) return others
  const { type = 'unknown' } = others
  const bits = type === 'special' || type === 'unknown' ? 0 : fileTypes[type]
  return { ...others, permissions: permissions | bits }
}

describe.each(versions)('attributes of version %d', (version) => {
  test('every combination comes back as it was', () => {
    fc.assert(
      fc.property(attrsOf(version), (value) => {
        expect(decode(version, encode(version, value))).toEqual(filledUp(value))
      }),
    )
  })

  test('any bytes are attributes or a typed error', () => {
    const someFlags = fc.tuple(uint32, fc.uint8Array({ maxLength: 200 }))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), someFlags), (input) => {
        const [flags, rest] = input instanceof Uint8Array ? [undefined, input] : input
        const head =
          flags === undefined ? [] : new Writer().writeUint32((flags & knownAttrFlags(version)) >>> 0).finish()
        try {
          const value = decode(version, Buffer.concat([Buffer.from(head), rest]))
          expect(value.type).toBeDefined()
          // What was read can be told to somebody else.
          encode(version, value)
        } catch (error) {
          expect(error).toBeInstanceOf(SshError)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('cut off anywhere, it is a typed error', () => {
    fc.assert(
      fc.property(attrsOf(version), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (value, part) => {
        const whole = encode(version, value)
        expect(() => decode(version, whole.subarray(0, Math.floor(whole.length * part)))).toThrow(SshError)
      }),
    )
  })

  test('flags that the version does not know are refused', () => {
    const unknown = new Writer().writeUint32(0x10000).writeByte(1).finish()
    expect(() => decode(version, unknown)).toThrow(/flags 0x10000/)
    // SSH_FILEXFER_ATTR_UIDGID of version 3.
    expect(() => decode(version, new Writer().writeUint32(2).writeByte(1).finish())).toThrow(/flags 0x2/)
  })

  test('E8: sizes and times beyond 2^53 are refused, never rounded', () => {
    for (const value of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      const size = new Writer().writeUint32(1).writeByte(1).writeUint64(value).finish()
      expect(() => decode(version, size)).toThrow(expect.objectContaining({ code: 'ERR_SFTP_UNSAFE_INTEGER' }))
    }
    const time = new Writer()
      .writeUint32(8)
      .writeByte(1)
      .writeUint64(2n ** 63n)
      .finish()
    expect(() => decode(version, time)).toThrow(expect.objectContaining({ code: 'ERR_SFTP_UNSAFE_INTEGER' }))
  })

  test('a mode without a type is filled up with the type beside it, and one with a type keeps it to itself', () => {
    const mode = fileTypes.directory | 0o755
    expect(decode(version, encode(version, { permissions: mode }))).toEqual({ type: 'directory', permissions: mode })
    const onWire = Buffer.from(encode(version, { permissions: mode }))
    expect(onWire.readUInt32BE(5)).toBe(0o755)
  })

  test('numbers of owners travel as digits, one without the other too', () => {
    const both = decode(version, encode(version, { uid: 1000, gid: 0 }))
    expect(both).toEqual({ type: 'unknown', owner: '1000', group: '0', uid: 1000, gid: 0 })
    expect(decode(version, encode(version, { gid: 7 }))).toEqual({ type: 'unknown', group: '7', gid: 7 })
    expect(decode(version, encode(version, { uid: 7, owner: 'ada' }))).toEqual({ type: 'unknown', owner: 'ada' })
  })

  test('more nanoseconds than a second has are added to it', () => {
    const bytes = new Writer().writeUint32(0x108).writeByte(1).writeUint64(5n).writeUint32(3_000_000_001).finish()
    expect(decode(version, bytes)).toEqual({ type: 'file', atime: 8, atimeNs: 1 })
  })

  test('times before 1970 are negative', () => {
    const value = { type: 'unknown', mtime: -1, mtimeNs: 500_000_000 } as const
    expect(decode(version, encode(version, value))).toEqual(value)
  })

  test.each([-1, 1_000_000_000, 0.5, Number.NaN])('%d nanoseconds are not sent', (mtimeNs) => {
    expect(() => encode(version, { mtime: 0, mtimeNs })).toThrow(expect.objectContaining({ code: 'EINVAL' }))
  })
})

test('version 4 has no words for sockets and devices, and says that they are special', () => {
  expect(decode(4, encode(4, { permissions: fileTypes.socket | 0o600 })).type).toBe('special')
  expect(decode(5, encode(5, { permissions: fileTypes.socket | 0o600 })).type).toBe('socket')
})

test('what an earlier version has no place for is left out', () => {
  const value = { linkCount: 2, ctime: 1, allocationSize: 512, attribBits: 1, mimeType: 'a/b', acl: Buffer.from('x') }
  expect(decode(4, encode(4, value))).toEqual({ type: 'unknown', acl: Buffer.from('x') })
  expect(decode(5, encode(5, value))).toEqual({ type: 'unknown', acl: Buffer.from('x'), attribBits: 1 })
})

test('attribute bits have a mask in version 6 only', () => {
  expect(encode(5, { attribBits: 5 })).toHaveLength(9)
  expect(encode(6, { attribBits: 5 })).toHaveLength(13)
  expect(decode(6, encode(6, { attribBits: 5 }))).toMatchObject({ attribBits: 5, attribBitsValid: 5 })
})
