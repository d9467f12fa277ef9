/**
 * Extended requests by name: OpenSSH PROTOCOL §4.3–§4.12, and AsyncSSH's own. The server announces those it knows in
 * VERSION, each with its version as text.
 */

import { type Codec, type FieldValues, payloadTable, repeated, string, struct, uint32 } from '@ssh/wire'
import { attrs, uint53 } from './attrs.js'
import { checkFileRequest } from './check-file.js'
import { fileName } from './file-name.js'

/** A string that holds items one after the other, and nothing else. */
function packed<T>(item: Codec<T>): Codec<T[]> {
  const content = struct('items', { items: repeated(item) })
  return {
    typeName: `string of ${item.typeName}[]`,
    read: (reader) => content.decode(reader.readString()).items,
    write: (writer, items) => void writer.writeString(content.encode({ items })),
  }
}

export const extendedRequests = payloadTable({
  'posix-rename@openssh.com': {
    source: 'OpenSSH PROTOCOL §4.3',
    payload: struct('posix-rename', { oldPath: fileName, newPath: fileName }),
  },
  'statvfs@openssh.com': { source: 'OpenSSH PROTOCOL §4.4', payload: struct('statvfs', { path: fileName }) },
  'fstatvfs@openssh.com': { source: 'OpenSSH PROTOCOL §4.4', payload: struct('fstatvfs', { handle: string }) },
  'hardlink@openssh.com': {
    source: 'OpenSSH PROTOCOL §4.5',
    payload: struct('hardlink', { oldPath: fileName, newPath: fileName }),
  },
  'fsync@openssh.com': { source: 'OpenSSH PROTOCOL §4.6', payload: struct('fsync', { handle: string }) },
  'lsetstat@openssh.com': { source: 'OpenSSH PROTOCOL §4.7', payload: struct('lsetstat', { path: fileName, attrs }) },
  'limits@openssh.com': { source: 'OpenSSH PROTOCOL §4.8', payload: struct('limits', {}) },
  'expand-path@openssh.com': { source: 'OpenSSH PROTOCOL §4.9', payload: struct('expand-path', { path: fileName }) },
  'home-directory': { source: 'OpenSSH PROTOCOL §4.11', payload: struct('home-directory', { username: fileName }) },
  'users-groups-by-id@openssh.com': {
    source: 'OpenSSH PROTOCOL §4.12',
    payload: struct('users-groups-by-id', { uids: packed(uint32), gids: packed(uint32) }),
  },
  // Where a file has data, so that holes of a sparse one need not be copied: from `offset`, `length` bytes far.
  'ranges@asyncssh.com': {
    source: 'AsyncSSH 2.22, sftp.py',
    payload: struct('ranges', { handle: string, offset: uint53, length: uint53 }),
  },
  'check-file-handle': { source: 'draft-ietf-secsh-filexfer-extensions-00 §3', payload: checkFileRequest },
  'copy-data': {
    source: 'OpenSSH PROTOCOL §4.10',
    payload: struct('copy-data', {
      readHandle: string,
      readOffset: uint53,
      length: uint53,
      writeHandle: string,
      writeOffset: uint53,
    }),
  },
})

/** The name of an extended request that has a row. */
export type ExtendedRequestName = (typeof extendedRequests.names)[number]

/** The fields of an extended request. */
export type ExtendedFields<N extends ExtendedRequestName> = FieldValues<
  (typeof extendedRequests.rows)[N]['payload']['fields']
>

/** The version of each extended request spoken here, as VERSION announces it. */
export const extensionVersions: Readonly<Record<ExtendedRequestName, string>> = {
  'posix-rename@openssh.com': '1',
  'statvfs@openssh.com': '2',
  'fstatvfs@openssh.com': '2',
  'hardlink@openssh.com': '1',
  'fsync@openssh.com': '1',
  'lsetstat@openssh.com': '1',
  'limits@openssh.com': '1',
  'expand-path@openssh.com': '1',
  'home-directory': '1',
  'users-groups-by-id@openssh.com': '1',
  'ranges@asyncssh.com': '1',
  'check-file-handle': '1',
  'copy-data': '1',
}

/**
 * A uint64 that is only told, never computed with: what a number cannot hold exactly reads as Infinity. "No limit" and
 * "unlimited space" come as 2^64 - 1, and a file system's identifier uses all its bits.
 */
const uint64OrInfinity: Codec<number> = {
  typeName: 'uint64',
  read(reader) {
    const value = reader.readUint64()
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value)
  },
  write(writer, value) {
    writer.writeUint64(value === Number.POSITIVE_INFINITY ? 0xffffffffffffffffn : BigInt(value))
  },
}

/** What `limits@openssh.com` answers (OpenSSH PROTOCOL §4.8); 0 means the server names no limit. */
export const limitsReply = struct('limits reply', {
  maxPacketLength: uint64OrInfinity,
  maxReadLength: uint64OrInfinity,
  maxWriteLength: uint64OrInfinity,
  maxOpenHandles: uint64OrInfinity,
})

/** What `statvfs@openssh.com` answers (OpenSSH PROTOCOL §4.4), with the names of POSIX statvfs. */
export const statVfsReply = struct('statvfs reply', {
  bsize: uint64OrInfinity,
  frsize: uint64OrInfinity,
  blocks: uint64OrInfinity,
  bfree: uint64OrInfinity,
  bavail: uint64OrInfinity,
  files: uint64OrInfinity,
  ffree: uint64OrInfinity,
  favail: uint64OrInfinity,
  fsid: uint64OrInfinity,
  flag: uint64OrInfinity,
  namemax: uint64OrInfinity,
})

/**
 * A file system: sizes in blocks of `frsize` bytes, counts of inodes, as POSIX statvfs. `flag` 1 is read-only, 2 is
 * nosuid. A value of 2^53 or more (often `fsid`) is Infinity.
 */
export type SftpStatVfs = ReturnType<typeof statVfsReply.decode>

/** What `users-groups-by-id@openssh.com` answers (OpenSSH PROTOCOL §4.12): a name for each id, empty for an unknown one. */
export const usersGroupsReply = struct('users-groups-by-id reply', {
  users: packed(fileName),
  groups: packed(fileName),
})
