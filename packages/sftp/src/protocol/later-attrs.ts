/**
 * Attributes as versions 4, 5 and 6 lay them out: flags, the type, then a row for each attribute that the flags name.
 * @see draft-ietf-secsh-filexfer-04 §5, -05 §5, -13 §7
 */

import { type Codec, type Reader, WireError, type Writer } from '@ssh/wire'
import { SftpError } from '../errors.js'
import {
  attrFlags,
  extensionPairs,
  type FileType,
  fileTypes,
  type SftpAttrs,
  type TextHint,
  typeOfAttrs,
  uint53,
} from './attrs.js'
import { decodeFileName, encodeFileName } from './file-name.js'

/** Versions whose attributes are laid out here. */
export type LaterVersion = 4 | 5 | 6

type Draft = { -readonly [K in keyof SftpAttrs]: SftpAttrs[K] }

/** One attribute, or two that travel together. */
interface AttrRow {
  /** Bit of the flags that says it is there. */
  readonly flag: number
  /** First version that has it. */
  readonly since: LaterVersion
  isIn(value: SftpAttrs): boolean
  read(reader: Reader, value: Draft, context: RowContext): void
  write(writer: Writer, value: SftpAttrs, context: RowContext): void
}

interface RowContext {
  readonly version: LaterVersion
  /** Whether times have nanoseconds: one flag for all of them. */
  readonly hasNanoseconds: boolean
}

/** A signed 64-bit number of seconds, as a number that holds it exactly. */
const int53: Codec<number> = {
  typeName: 'int64 (within 2^53)',
  read(reader) {
    const value = BigInt.asIntN(64, reader.readUint64())
    if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
    throw new SftpError('ERR_SFTP_UNSAFE_INTEGER', `${value} is beyond 2^53, which a number cannot hold exactly`)
  },
  write(writer, value) {
    if (!Number.isSafeInteger(value)) {
      throw new SftpError('ERR_SFTP_UNSAFE_INTEGER', `Expected whole seconds within 2^53, found ${value}`)
    }
    writer.writeUint64(BigInt.asUintN(64, BigInt(value)))
  },
}

const nanosecondsPerSecond = 1_000_000_000

type TimeName = 'atime' | 'createTime' | 'mtime' | 'ctime'

/** A time: seconds, and nanoseconds when any time of the same attributes has them. */
function timeRow(name: TimeName, flag: number, since: LaterVersion): AttrRow {
  const nsName = `${name}Ns` as const
  return {
    flag,
    since,
    isIn: (value) => value[name] !== undefined,
    read(reader, value, { hasNanoseconds }) {
      const seconds = int53.read(reader)
      if (!hasNanoseconds) {
        value[name] = seconds
        return
      }
      // Nothing keeps a peer from more than a second of nanoseconds; they are to be added.
      const nanoseconds = reader.readUint32()
      value[name] = seconds + Math.floor(nanoseconds / nanosecondsPerSecond)
      value[nsName] = nanoseconds % nanosecondsPerSecond
    },
    write(writer, value, { hasNanoseconds }) {
      int53.write(writer, value[name] ?? 0)
      if (hasNanoseconds) writer.writeUint32(nanosecondsOf(value[nsName]))
    },
  }
}

function nanosecondsOf(value = 0): number {
  if (Number.isInteger(value) && value >= 0 && value < nanosecondsPerSecond) return value
  throw new SftpError('EINVAL', `Expected nanoseconds from 0 to 999999999, found ${value}`)
}

/** A name of an owner or group that is a number is the number too. */
function numberOfOwner(name: string): number | undefined {
  if (!/^\d{1,10}$/.test(name)) return undefined
  const id = Number(name)
  return id <= 0xffffffff ? id : undefined
}

/** An empty name stands for no name: one of owner and group can be left as it is (draft-ietf-secsh-filexfer-13 §7.5). */
function ownerField(name: string | undefined, id: number | undefined): string {
  return name ?? (id === undefined ? '' : String(id))
}

function writeName(writer: Writer, name: string): void {
  writer.writeString(encodeFileName(name))
}

/** Places in this list are the numbers on the wire. */
const textHints: readonly TextHint[] = ['knownText', 'guessedText', 'knownBinary', 'guessedBinary']

const uint53Row = (name: 'size' | 'allocationSize', flag: number, since: LaterVersion): AttrRow => ({
  flag,
  since,
  isIn: (value) => value[name] !== undefined,
  read(reader, value) {
    value[name] = uint53.read(reader)
  },
  write: (writer, value) => uint53.write(writer, value[name] ?? 0),
})

const bytesRow = (name: 'acl' | 'untranslatedName', flag: number, since: LaterVersion): AttrRow => ({
  flag,
  since,
  isIn: (value) => value[name] !== undefined,
  read(reader, value) {
    value[name] = reader.readString()
  },
  write: (writer, value) => void writer.writeString(value[name] ?? new Uint8Array(0)),
})

/** In wire order. */
const rows: readonly AttrRow[] = [
  uint53Row('size', attrFlags.size, 4),
  uint53Row('allocationSize', attrFlags.allocationSize, 6),
  {
    flag: attrFlags.ownerGroup,
    since: 4,
    isIn: ({ owner, group, uid, gid }) => (owner ?? group ?? uid ?? gid) !== undefined,
    read(reader, value) {
      const owner = decodeFileName(reader.readString())
      const group = decodeFileName(reader.readString())
      if (owner !== '') {
        value.owner = owner
        const uid = numberOfOwner(owner)
        if (uid !== undefined) value.uid = uid
      }
      if (group !== '') {
        value.group = group
        const gid = numberOfOwner(group)
        if (gid !== undefined) value.gid = gid
      }
    },
    write(writer, { owner, group, uid, gid }) {
      writeName(writer, ownerField(owner, uid))
      writeName(writer, ownerField(group, gid))
    },
  },
  {
    flag: attrFlags.permissions,
    since: 4,
    isIn: ({ permissions }) => permissions !== undefined,
    read(reader, value) {
      value.permissions = reader.readUint32()
    },
    // The type has a byte of its own; bits above these must be 0 (draft-ietf-secsh-filexfer-13 §7.6).
    write: (writer, { permissions = 0 }) => void writer.writeUint32(permissions & 0o7777),
  },
  timeRow('atime', attrFlags.accessTime, 4),
  timeRow('createTime', attrFlags.createTime, 4),
  timeRow('mtime', attrFlags.modifyTime, 4),
  timeRow('ctime', attrFlags.ctime, 6),
  bytesRow('acl', attrFlags.acl, 4),
  {
    flag: attrFlags.bits,
    since: 5,
    isIn: ({ attribBits }) => attribBits !== undefined,
    read(reader, value, { version }) {
      value.attribBits = reader.readUint32()
      // Version 5 has no mask: every bit means something (draft-ietf-secsh-filexfer-05 §5.8).
      if (version >= 6) value.attribBitsValid = reader.readUint32()
    },
    write(writer, { attribBits = 0, attribBitsValid = attribBits }, { version }) {
      writer.writeUint32(attribBits)
      if (version >= 6) writer.writeUint32(attribBitsValid)
    },
  },
  {
    flag: attrFlags.textHint,
    since: 6,
    isIn: ({ textHint }) => textHint !== undefined,
    read(reader, value) {
      const hint = textHints[reader.readByte()]
      // A hint nobody declared hints at nothing.
      if (hint !== undefined) value.textHint = hint
    },
    write: (writer, { textHint = 'knownText' }) => void writer.writeByte(textHints.indexOf(textHint)),
  },
  {
    flag: attrFlags.mimeType,
    since: 6,
    isIn: ({ mimeType }) => mimeType !== undefined,
    read(reader, value) {
      value.mimeType = decodeFileName(reader.readString())
    },
    write: (writer, { mimeType = '' }) => writeName(writer, mimeType),
  },
  {
    flag: attrFlags.linkCount,
    since: 6,
    isIn: ({ linkCount }) => linkCount !== undefined,
    read(reader, value) {
      value.linkCount = reader.readUint32()
    },
    write: (writer, { linkCount = 0 }) => void writer.writeUint32(linkCount),
  },
  bytesRow('untranslatedName', attrFlags.untranslatedName, 6),
  {
    flag: attrFlags.extended,
    since: 4,
    isIn: ({ extended }) => extended !== undefined,
    read(reader, value) {
      value.extended = extensionPairs.read(reader)
    },
    write: (writer, { extended = [] }) => extensionPairs.write(writer, [...extended]),
  },
]

/** SSH_FILEXFER_TYPE_*: places in this list are the numbers on the wire; those from `socket` on came with version 5. */
const typeBytes: readonly (FileType | undefined)[] = [
  undefined,
  'file',
  'directory',
  'symlink',
  'special',
  'unknown',
  'socket',
  'characterDevice',
  'blockDevice',
  'fifo',
]
const specialType = typeBytes.indexOf('special')
const lastTypeOfVersion4 = typeBytes.indexOf('unknown')

function typeByte(value: SftpAttrs, version: LaterVersion): number {
  const byte = typeBytes.indexOf(typeOfAttrs(value))
  return version === 4 && byte > lastTypeOfVersion4 ? specialType : byte
}

/** The mode with the type's bits, when it has none of its own. */
function withTypeBits(permissions: number, type: FileType): number {
  if ((permissions & 0o170000) !== 0 || type === 'special' || type === 'unknown') return permissions
  return (permissions & 0o7777) | fileTypes[type]
}

/** Bits that may be set in the flags. */
export function knownAttrFlags(version: LaterVersion): number {
  const known = rows.filter(({ since }) => since <= version).reduce((bits, { flag }) => bits | flag, 0)
  return (known | attrFlags.subsecondTimes) >>> 0
}

/** The layout of one version. What it has no place for is not written. */
export function laterAttrs(version: LaterVersion): Codec<SftpAttrs> {
  const ours = rows.filter(({ since }) => since <= version)
  const known = knownAttrFlags(version)
  return {
    typeName: `ATTRS of version ${version}`,
    read(reader) {
      const present = reader.readUint32()
      if ((present & ~known) !== 0) {
        throw new WireError(
          'ERR_SSH_WIRE_INVALID_VALUE',
          `Attributes have flags 0x${present.toString(16)}; version ${version} knows only 0x${known.toString(16)}`,
        )
      }
      const type = typeBytes[reader.readByte()] ?? 'unknown'
      const value: Draft = { type }
      const context = { version, hasNanoseconds: (present & attrFlags.subsecondTimes) !== 0 }
      for (const row of ours) if (present & row.flag) row.read(reader, value, context)
      if (value.permissions !== undefined) value.permissions = withTypeBits(value.permissions, type)
      return value
    },
    write(writer, value) {
      const there = ours.filter((row) => row.isIn(value))
      const { atimeNs, createTimeNs, mtimeNs, ctimeNs } = value
      const hasNanoseconds = (atimeNs ?? createTimeNs ?? mtimeNs ?? ctimeNs) !== undefined
      const present = there.reduce((bits, { flag }) => bits | flag, hasNanoseconds ? attrFlags.subsecondTimes : 0)
      writer.writeUint32(present >>> 0).writeByte(typeByte(value, version))
      for (const row of there) row.write(writer, value, { version, hasNanoseconds })
    },
  }
}
