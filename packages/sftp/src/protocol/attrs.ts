/** File attributes: draft-ietf-secsh-filexfer-02 §5. */

import { type Codec, list, string, struct, text, WireError } from '@ssh/wire'
import { SftpError } from '../errors.js'

/** Attributes as they travel: each group is there or not. Nothing here tells a mode from a type; see `permissions`. */
export interface SftpAttrs {
  /** Bytes. Exact up to 2^53 - 1; a peer's larger size is refused with `ERR_SFTP_UNSAFE_INTEGER`. */
  readonly size?: number
  /** Numeric owner. Goes with `gid`: one without the other cannot be sent. */
  readonly uid?: number
  /** Numeric group. Goes with `uid`. */
  readonly gid?: number
  /** POSIX mode: permission bits, and in what a server sends the file type too. */
  readonly permissions?: number
  /** Last access, in seconds since 1970. Goes with `mtime`. */
  readonly atime?: number
  /** Last change of the content, in seconds since 1970. Goes with `atime`. */
  readonly mtime?: number
  /** Vendor attributes: name and value. */
  readonly extended?: readonly ExtensionPair[]
}

/** A name and what goes with it: an extension a peer announces, or a vendor attribute. */
export interface ExtensionPair {
  readonly name: string
  readonly data: Uint8Array
}

/** SSH_FILEXFER_ATTR_*. */
const flags = { size: 1, uidgid: 2, permissions: 4, acmodtime: 8, extended: 0x80000000 } as const
const knownFlags = 0x8000000f

/** A name and what goes with it, as bytes. */
export const extensionPair = struct('extension', { name: text, data: string })
const extensionPairs = list(extensionPair, 8)

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
    if (hasTimes) writer.writeUint32(value.atime ?? 0).writeUint32(value.mtime ?? 0)
    if (value.extended !== undefined) extensionPairs.write(writer, [...value.extended])
  },
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

/** What kind of file it is; `unknown` when the server sent no mode. */
export type FileType = keyof typeof fileTypes | 'unknown'

const typeNames = new Map<number, FileType>(
  Object.entries(fileTypes).map(([name, bits]) => [bits, name as keyof typeof fileTypes]),
)

/** The kind of file that `permissions` tells. */
export function fileTypeOf(permissions: number | undefined): FileType {
  return permissions === undefined ? 'unknown' : (typeNames.get(permissions & 0o170000) ?? 'unknown')
}
