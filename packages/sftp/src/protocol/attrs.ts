/**
 * File attributes: one model for all versions, and the layout of version 3 (draft-ietf-secsh-filexfer-02 §5). Those of
 * later versions are in later-attrs.ts.
 */

import { type Codec, list, string, struct, text, WireError } from '@ssh/wire'
import { SftpError } from '../errors.js'

/**
 * Attributes of a file: each is there or not. A version leaves out what it has no place for, see the note of each.
 *
 * Times are whole seconds since 1970, with the rest of the second in the field whose name ends in `Ns`.
 */
export interface SftpAttrs {
  /**
   * What kind of file it is, as versions 4 and later say beside the mode. `permissions` of what they send are filled up
   * with it, so that a mode is a mode in every version. Not used when attributes are set.
   */
  readonly type?: FileType
  /** Bytes. Exact up to 2^53 - 1; a peer's larger size is refused with `ERR_SFTP_UNSAFE_INTEGER`. */
  readonly size?: number
  /** Bytes the file takes on its disk; as `size`. Version 6. */
  readonly allocationSize?: number
  /**
   * Numeric owner. In version 3 it goes with `gid`: one without the other cannot be sent. Later versions have names: a
   * number is sent as its digits, and read from them.
   */
  readonly uid?: number
  /** Numeric group. As `uid`. */
  readonly gid?: number
  /** Name of the owner. Versions 4 and later; sent instead of `uid`. */
  readonly owner?: string
  /** Name of the group. Versions 4 and later; sent instead of `gid`. */
  readonly group?: string
  /** POSIX mode: permission bits, and in what a server sends the file type too. */
  readonly permissions?: number
  /** Last access, in seconds since 1970. In version 3 it goes with `mtime`, and has 32 bits without a sign. */
  readonly atime?: number
  /** Nanoseconds after `atime`, 0 to 999 999 999. Versions 4 and later. */
  readonly atimeNs?: number
  /** Creation, in seconds since 1970. Versions 4 and later. */
  readonly createTime?: number
  /** Nanoseconds after `createTime`. Versions 4 and later. */
  readonly createTimeNs?: number
  /** Last change of the content, in seconds since 1970. As `atime`. */
  readonly mtime?: number
  /** Nanoseconds after `mtime`, 0 to 999 999 999. Versions 4 and later. */
  readonly mtimeNs?: number
  /** Last change of the attributes, in seconds since 1970. Version 6. */
  readonly ctime?: number
  /** Nanoseconds after `ctime`. Version 6. */
  readonly ctimeNs?: number
  /** Access control list, as its bytes (draft-ietf-secsh-filexfer-13 §7.8; -04 §5.7 before version 6). Versions 4 and later. */
  readonly acl?: Uint8Array
  /** A sum of {@link attribBits}. Versions 5 and later. */
  readonly attribBits?: number
  /** Which of `attribBits` mean something. Version 6; in version 5 all do. Default when sent: those that are set. */
  readonly attribBitsValid?: number
  /** Whether the content is text. Version 6. */
  readonly textHint?: TextHint
  /** Media type of the content, for instance `text/html`. Version 6. */
  readonly mimeType?: string
  /** Names (hard links) of the file. Version 6. */
  readonly linkCount?: number
  /** The name before it became UTF-8, as its bytes. Version 6. */
  readonly untranslatedName?: Uint8Array
  /** Vendor attributes: name and value. */
  readonly extended?: readonly ExtensionPair[]
}

/** Whether a file's content is text, known or guessed (draft-ietf-secsh-filexfer-13 §7.10). */
export type TextHint = 'knownText' | 'guessedText' | 'knownBinary' | 'guessedBinary'

/** Bits of {@link SftpAttrs.attribBits}: SSH_FILEXFER_ATTR_FLAGS_* (draft-ietf-secsh-filexfer-13 §7.9). */
export const attribBits = {
  readonly: 0x1,
  system: 0x2,
  hidden: 0x4,
  caseInsensitive: 0x8,
  archive: 0x10,
  encrypted: 0x20,
  compressed: 0x40,
  sparse: 0x80,
  appendOnly: 0x100,
  immutable: 0x200,
  sync: 0x400,
  translationError: 0x800,
} as const

/**
 * Attributes that STAT, LSTAT and FSTAT may ask for in versions 4 and later: SSH_FILEXFER_ATTR_* (draft-ietf-secsh-
 * filexfer-13 §7.1). A server may answer with more or with less.
 */
export const attrFlags = {
  size: 0x1,
  permissions: 0x4,
  accessTime: 0x8,
  createTime: 0x10,
  modifyTime: 0x20,
  acl: 0x40,
  ownerGroup: 0x80,
  subsecondTimes: 0x100,
  bits: 0x200,
  allocationSize: 0x400,
  textHint: 0x800,
  mimeType: 0x1000,
  linkCount: 0x2000,
  untranslatedName: 0x4000,
  ctime: 0x8000,
  extended: 0x80000000,
} as const

/** A name and what goes with it: an extension a peer announces, or a vendor attribute. */
export interface ExtensionPair {
  readonly name: string
  readonly data: Uint8Array
}

/** SSH_FILEXFER_ATTR_* of version 3. */
const flags = { size: 1, uidgid: 2, permissions: 4, acmodtime: 8, extended: 0x80000000 } as const
const knownFlags = 0x8000000f

/** A name and what goes with it, as bytes. */
export const extensionPair = struct('extension', { name: text, data: string })
export const extensionPairs = list(extensionPair, 8)

/**
 * A uint64 as a number that holds it exactly.
 *
 * Sizes and offsets are numbers throughout the API, as in `fs`: 2^53 - 1 is 8 PiB less one byte.
 */
export const uint53: Codec<number> = {
  typeName: 'uint64 (below 2^53)',
  read(reader) {
    const high = reader.readUint32()
    const low = reader.readUint32()
    if (high > 0x1fffff) {
      const value = (BigInt(high) << 32n) | BigInt(low)
      throw new SftpError('ERR_SFTP_UNSAFE_INTEGER', `${value} is 2^53 or more, which a number cannot hold exactly`)
    }
    return high * 0x1_0000_0000 + low
  },
  write(writer, value) {
    assertUint53(value)
    writer.writeUint32(Math.floor(value / 0x1_0000_0000)).writeUint32(value >>> 0)
  },
}

/** @throws SftpError `ERR_SFTP_UNSAFE_INTEGER` for what is no size and no offset */
export function assertUint53(value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return
  throw new SftpError('ERR_SFTP_UNSAFE_INTEGER', `Expected a whole number from 0 to 2^53 - 1, found ${value}`)
}

/** Attributes as version 3 lays them out. What it has no place for is not written. */
export const attrs: Codec<SftpAttrs> = {
  typeName: 'ATTRS',
  read(reader) {
    const present = reader.readUint32()
    if ((present & ~knownFlags) !== 0) {
      throw new WireError(
        'ERR_SSH_WIRE_INVALID_VALUE',
        `Attributes have flags 0x${present.toString(16)}; version 3 knows only 0x${knownFlags.toString(16)}`,
      )
    }
    const value: { -readonly [K in keyof SftpAttrs]: SftpAttrs[K] } = {}
    if (present & flags.size) value.size = uint53.read(reader)
    if (present & flags.uidgid) {
      value.uid = reader.readUint32()
      value.gid = reader.readUint32()
    }
    if (present & flags.permissions) value.permissions = reader.readUint32()
    if (present & flags.acmodtime) {
      value.atime = reader.readUint32()
      value.mtime = reader.readUint32()
    }
    if (present & flags.extended) value.extended = extensionPairs.read(reader)
    return value
  },
  write(writer, value) {
    const hasOwner = isPair(value.uid, value.gid, 'uid', 'gid')
    const hasTimes = isPair(value.atime, value.mtime, 'atime', 'mtime')
    let present = 0
    if (value.size !== undefined) present |= flags.size
    if (hasOwner) present |= flags.uidgid
    if (value.permissions !== undefined) present |= flags.permissions
    if (hasTimes) present |= flags.acmodtime
    if (value.extended !== undefined) present |= flags.extended
    writer.writeUint32(present >>> 0)
    if (value.size !== undefined) uint53.write(writer, value.size)
    if (hasOwner) writer.writeUint32(value.uid ?? 0).writeUint32(value.gid ?? 0)
    if (value.permissions !== undefined) writer.writeUint32(value.permissions)
    if (hasTimes) writer.writeUint32(nearestTime(value.atime)).writeUint32(nearestTime(value.mtime))
    if (value.extended !== undefined) extensionPairs.write(writer, [...value.extended])
  },
}

/** A time before 1970 or after 2106 as the nearest that 32 bits can say. What is no number of seconds is refused. */
function nearestTime(seconds = 0): number {
  return Number.isInteger(seconds) ? Math.min(Math.max(seconds, 0), 0xffffffff) : seconds
}

function isPair(first: unknown, second: unknown, firstName: string, secondName: string): boolean {
  if ((first === undefined) !== (second === undefined)) {
    throw new SftpError('EINVAL', `${firstName} and ${secondName} travel together in SFTP version 3: give both or none`)
  }
  return first !== undefined
}

/** File types in the bits of `permissions` that POSIX calls S_IFMT. */
export const fileTypes = {
  fifo: 0o010000,
  characterDevice: 0o020000,
  directory: 0o040000,
  blockDevice: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const

/**
 * What kind of file it is: `unknown` when the server does not say, `special` when it says only that it is neither file,
 * directory nor link (version 4).
 */
export type FileType = keyof typeof fileTypes | 'special' | 'unknown'

const typeNames = new Map<number, FileType>(
  Object.entries(fileTypes).map(([name, bits]) => [bits, name as keyof typeof fileTypes]),
)

/** The kind of file that `permissions` tells. */
export function fileTypeOf(permissions: number | undefined): FileType {
  return permissions === undefined ? 'unknown' : (typeNames.get(permissions & 0o170000) ?? 'unknown')
}

/** The kind of file that attributes tell, in whichever way their version does. */
export function typeOfAttrs({ type, permissions }: SftpAttrs): FileType {
  return type === undefined || type === 'unknown' ? fileTypeOf(permissions) : type
}
