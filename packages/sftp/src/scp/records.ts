/**
 * The records of SCP: one line of text each, from the side that has the files.
 *
 * `T<mtime> <µs> <atime> <µs>` times of what follows, `C<mode> <size> <name>` a file, whose bytes come once it is agreed
 * to, `D<mode> 0 <name>` a directory, which lasts until its `E`. Byte 1 and a line tell of something that cannot be sent,
 * byte 2 and a line that nothing more comes. No standard says so: this is what rcp(1) and OpenSSH's scp.c do.
 */

import { asBuffer, concatBytes, printable } from '@ssh/wire'
import { protocolError, SftpError } from '../errors.js'
import { decodeFileName, encodeFileName } from '../protocol/file-name.js'
import { remoteFailure } from './remote-failure.js'

/** Bytes of a record or message without its newline: room for a name of any file system, or for a path. */
export const maximumLineLength = 8 * 1024

/** What the other side answers to each record, and to the bytes of a file. */
export const statusBytes = { ok: 0, warning: 1, fatal: 2 } as const

/** The answer yes. */
export const okByte: Uint8Array = new Uint8Array([statusBytes.ok])

/** Permission bits of a record; nothing else of a mode is believed. */
const permissionBits = 0o7777

/** A file is about to come. */
export interface FileRecord {
  readonly type: 'file'
  /** Permission bits. */
  readonly permissions: number
  /** Bytes that follow. */
  readonly size: number
  readonly name: string
}

/** A directory begins. */
export interface DirectoryRecord {
  readonly type: 'directory'
  /** Permission bits. */
  readonly permissions: number
  readonly name: string
}

/** Times of the entry that follows, in seconds since 1970. */
export interface TimesRecord {
  readonly type: 'times'
  readonly mtime: number
  readonly atime: number
}

/** What the side that has the files may say. */
export type ScpRecord =
  | FileRecord
  | DirectoryRecord
  | TimesRecord
  | { readonly type: 'end' }
  | { readonly type: 'failure'; readonly error: SftpError; readonly isFatal: boolean }

/**
 * Reads a record.
 * @param line without its newline
 * @throws SftpError `ERR_SFTP_PROTOCOL` for what is none; `ERR_SFTP_UNSAFE_INTEGER` for a size of 2^53 or more
 */
export function parseRecord(line: Uint8Array): ScpRecord {
  const text = asBuffer(line).toString('latin1')
  switch (text[0]) {
    case 'C':
    case 'D':
      return parseEntry(line, text)
    case 'T':
      return parseTimes(text)
    case 'E':
      if (text === 'E') return { type: 'end' }
      break
    case '\x01':
    case '\x02':
      return { type: 'failure', error: remoteFailure(line.subarray(1)), isFatal: text[0] === '\x02' }
  }
  throw notARecord(text)
}

function parseEntry(line: Uint8Array, text: string): ScpRecord {
  const matched = /^[CD]([0-7]{3,6}) (\d{1,20}) /.exec(text)
  if (matched === null) throw notARecord(text)
  const [head, mode = '', digits = ''] = matched
  const size = Number(digits)
  if (!Number.isSafeInteger(size)) {
    throw new SftpError('ERR_SFTP_UNSAFE_INTEGER', `A size of ${digits} is 2^53 or more, which a number cannot hold`)
  }
  const name = decodeFileName(line.subarray(head.length))
  const permissions = Number.parseInt(mode, 8) & permissionBits
  return text[0] === 'C' ? { type: 'file', permissions, size, name } : { type: 'directory', permissions, name }
}

function parseTimes(text: string): ScpRecord {
  // Seconds up to the year 33658: whatever is later is no time of a file.
  const matched = /^T(\d{1,12}) \d{1,6} (\d{1,12}) \d{1,6}$/.exec(text)
  if (matched === null) throw notARecord(text)
  return { type: 'times', mtime: Number(matched[1]), atime: Number(matched[2]) }
}

function notARecord(text: string): SftpError {
  return protocolError(`Expected a record of SCP (C, D, E or T), found "${printable(text, 80)}"`)
}

/**
 * The line of an entry, with its newline.
 * @throws SftpError `EINVAL` for a name that a line cannot hold
 */
export function encodeEntry(record: FileRecord | DirectoryRecord): Uint8Array {
  const { permissions, name } = record
  if (name.includes('\n')) {
    // OpenSSH sends another name in its place, which then is the file's name on the other side.
    throw new SftpError('EINVAL', 'EINVAL: a name with a line break cannot be sent by SCP; SFTP can', { path: name })
  }
  const mode = (permissions & permissionBits).toString(8).padStart(4, '0')
  const head = record.type === 'file' ? `C${mode} ${record.size} ` : `D${mode} 0 `
  const line = concatBytes([Buffer.from(head), encodeFileName(name), Buffer.from('\n')])
  if (line.length > maximumLineLength) {
    throw new SftpError('ENAMETOOLONG', `ENAMETOOLONG: a name of ${line.length} bytes cannot be sent by SCP`)
  }
  return line
}

/** The line of times, with its newline. Times before 1970 become 1970. */
export function encodeTimes({ mtime, atime }: Pick<TimesRecord, 'mtime' | 'atime'>): Uint8Array {
  const seconds = (time: number): number => Math.max(0, Math.floor(time))
  return Buffer.from(`T${seconds(mtime)} 0 ${seconds(atime)} 0\n`)
}

/** The line that ends a directory. */
export const endRecord: Uint8Array = Buffer.from('E\n')

/** A status byte and what it is about, as one line. */
export function encodeFailure(status: 'warning' | 'fatal', text: string): Uint8Array {
  const line = encodeFileName(text.replaceAll('\0', '').replaceAll('\n', '?')).subarray(0, maximumLineLength - 16)
  return concatBytes([Buffer.from([statusBytes[status]]), Buffer.from('scp: '), line, Buffer.from('\n')])
}
