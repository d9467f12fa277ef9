/** Options of the client's calls. */

import { type ByteChannel, knownOptions, type OptionNames, parseSize } from '@ssh/wire'
import { SftpError } from '../errors.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import type { SftpVersion } from '../protocol/dialect.js'
import type { OpenFlags } from '../protocol/open-flags.js'
import type { SymlinkOrder } from '../protocol/symlink-order.js'

/** What every call takes. */
export interface SftpCallOptions {
  /** Ends the call with an AbortError. A request the server has already is dropped when its answer comes. */
  readonly signal?: AbortSignal | undefined
}

/** How a client is started. */
export interface SftpClientOptions extends SftpCallOptions {
  /**
   * Bytes of file content that may be asked for or written and not answered, over all files together. Default: 2 MiB,
   * growing to 32 MiB when the link is long and fast. A number fixes it.
   */
  readonly maximumInFlight?: number
  /**
   * Opens another channel of the same connection whose other end serves the same files. It is called when the server's
   * window is what limits an upload, as on long ways; what it rejects with is done without. Only for servers on which
   * two handles of one file write to the same file. Default: one channel does everything.
   */
  readonly openChannel?: (() => Promise<ByteChannel>) | undefined
  /** Channels at the same time, the first included, where there is `openChannel`. Default 6; 1 opens no others. */
  readonly maximumChannels?: number
  /** How the server reads SYMLINK, before version 6. Default `target-first`, as OpenSSH does. */
  readonly symlinkOrder?: SymlinkOrder
  /**
   * Latest version of the protocol to offer; the server may choose an earlier one, as `version` of the client tells.
   * Default 3, which every server speaks. Later ones have owners by name, nanoseconds (4), rights to open with and
   * renames that replace (5), and locks of ranges (6).
   */
  readonly sftpVersion?: SftpVersion
}

/** How bulk data travels. */
export interface SftpBlockOptions {
  /**
   * Bytes per READ or WRITE, or text like `'64k'`. Default: as much as the server allows, else 32 KiB. Larger than that
   * is cut down.
   */
  readonly blockSize?: number | string
  /** READs or WRITEs of one file in flight. Default: as many as the bytes in flight allow. */
  readonly maxRequests?: number
}

export interface SftpFileOptions extends SftpCallOptions, SftpBlockOptions {}

/** Asking for attributes. */
export interface SftpStatOptions extends SftpCallOptions {
  /**
   * What is wanted: a sum of `attrFlags`. From version 4 on a server may leave out the rest; before, it gets no such
   * hint. Default: all but access control lists and untranslated names.
   */
  readonly wanted?: number
}

/** Renaming over what is there. */
export interface SftpRenameOptions extends SftpCallOptions {
  /** Replaces what has the new name. Before version 5 this takes `posix-rename@openssh.com`. Default false. */
  readonly overwrite?: boolean
  /** Replaces it so that the new name is there all the while. As `overwrite`. Default false. */
  readonly atomic?: boolean
  /** Replaces it or not, as the server's file system likes. As `overwrite`. Default false. */
  readonly native?: boolean
}

export interface SftpRealpathOptions extends SftpCallOptions {
  /** Paths to follow from the first, one after the other; an absolute one starts anew. Default: none. */
  readonly compose?: readonly string[]
}

export interface SftpRealpathStatOptions extends SftpRealpathOptions {
  /** Whether nothing being there is an error (`always`), or has no attributes (`ifExists`, the default). */
  readonly check?: 'ifExists' | 'always'
}

/** Changing attributes of a path. */
export interface SftpLinkOptions extends SftpCallOptions {
  /** Whether a symbolic link at the end is followed. Default true; false needs the server to know lsetstat. */
  readonly followSymlinks?: boolean
}

export interface SftpMkdirOptions extends SftpCallOptions {
  /** Mode of the new directory, before the server's umask. Default: the server's. */
  readonly mode?: number
  /** Other attributes of the new directory. Default: the server's. */
  readonly attrs?: SftpAttrs
}

export interface SftpMakedirsOptions extends SftpMkdirOptions {
  /** Whether the last directory may exist already. Default false. */
  readonly existOk?: boolean
}

export interface SftpRmtreeOptions extends SftpCallOptions {
  /** Whether what cannot be removed stays without a word. Default false. */
  readonly ignoreErrors?: boolean
  /** Called with what could not be removed; the rest is removed all the same. Default: the first error ends it. */
  readonly onError?: ((error: Error) => void) | undefined
}

export interface SftpGlobOptions extends SftpCallOptions {
  /** Whether `*` and `?` match names that start with a dot. Default false, as in a shell. */
  readonly dot?: boolean
  /** Called with a directory that cannot be listed, or a pattern without a match; the others go on. */
  readonly onError?: ((error: Error) => void) | undefined
}

/** Reading from where an open file is. */
export interface SftpReadOptions extends SftpCallOptions {
  /** Encoding of the answer. Default: a Buffer. A character that is cut off at either end is decoded as what it is not. */
  readonly encoding?: BufferEncoding | null
}

/** Writing to an open file. */
export interface SftpWriteOptions extends SftpCallOptions {
  /** Encoding of a string. Default `utf8`. */
  readonly encoding?: BufferEncoding
}

export interface SftpReadFileOptions extends SftpFileOptions {
  readonly encoding?: BufferEncoding | null
}

export interface SftpWriteFileOptions extends SftpFileOptions {
  /** Encoding of a string. Default `utf8`. */
  readonly encoding?: BufferEncoding
  /** Default `w`; `a` appends. */
  readonly flags?: OpenFlags
  /** Attributes of a new file; `permissions` are subject to the server's umask. */
  readonly attrs?: SftpAttrs
}

export interface SftpReadStreamOptions extends SftpFileOptions {
  /** First byte. Default 0. */
  readonly start?: number
  /** Last byte, inclusive, as in `fs.createReadStream`. Default: the end of the file. */
  readonly end?: number
  /** Encoding of the chunks. Default: Buffers. */
  readonly encoding?: BufferEncoding
}

export interface SftpWriteStreamOptions extends SftpFileOptions {
  /** First byte. Default 0. */
  readonly start?: number
  /** Default `w`, or `r+` when `start` is given. */
  readonly flags?: OpenFlags
  readonly attrs?: SftpAttrs
}

/** How far a transfer is. */
export interface SftpProgress {
  /** Path of the file this event is about. */
  readonly src: string
  readonly dst: string
  /** Bytes of this file that have arrived. */
  readonly transferred: number
  /** Size of this file, as known so far. */
  readonly total: number
  /** Files of the whole transfer; `total` grows while directories are walked. */
  readonly files: { readonly done: number; readonly total: number }
  /** Bytes of the whole transfer; `total` grows while directories are walked. */
  readonly bytes: { readonly done: number; readonly total: number }
}

/** Options of get, put and their glob forms. */
export interface SftpTransferOptions extends SftpFileOptions {
  /** Copies permissions (set-user-ID and the like included), access and modification times. Default false. */
  readonly preserve?: boolean
  /** Copies directories with all they hold; without it a directory is an error. Default false. */
  readonly recurse?: boolean
  /** Copies what a symbolic link points to instead of the link. Default false. */
  readonly followSymlinks?: boolean
  /**
   * Leaves holes of sparse files out, where they can be known: of this machine's files, and of a server's that offers
   * `ranges@asyncssh.com`. Default true; false copies them as the zeros they read as.
   */
  readonly sparse?: boolean
  /**
   * Goes on with what an earlier transfer left of a file, and leaves a file that fails for the next one to go on with.
   * Default false.
   *
   * What is there is not trusted. A transfer that was cut off has written its last bytes in any order, so that stretch
   * (4 MiB of a local file; of a remote one half, but 4 to 32 MiB) and 64 KiB in front of it are compared with
   * the source; copying goes on at the first difference. A file that differs in front of that stretch, or is longer than
   * the source, is none that can be gone on with: it is written anew. One that is whole is left alone. What lies further
   * in front is looked at only with `verify`.
   */
  readonly resume?: boolean
  /**
   * Writes each file under another name in its directory, puts it on the disk where the server can be asked to, and then
   * gives it its name in one step: whoever looks sees the old file or the new one, whole. Default false.
   *
   * The other name is random and gone when the transfer fails, unless the connection does. With `resume` it is
   * `.NAME.sftp-part`, and stays until a later transfer has gone on with it, which takes nothing else for its beginning. A
   * file that is there keeps its permissions unless `preserve` brings others, and its owner and group as far as whoever
   * writes may give them, else the group alone; a refusal is no error, but takes set-user-ID and set-group-ID away. Of a symbolic link that the caller names, what it points to is replaced. `ENOTSUP` when the server cannot
   * replace the file that is there.
   */
  readonly atomic?: boolean
  /**
   * Compares each copy with its source once it is written: by a hash of the server where it knows `check-file-handle`
   * or `check-file`, else by reading both again. A copy that differs is removed, with `ERR_SFTP_VERIFY_FAILED`.
   * Default false.
   */
  readonly verify?: boolean
  /**
   * Files copied at the same time. Default 16; where the server is 10 ms or more away 64, or up to 128 as far as the server
   * says how many handles may be open.
   */
  readonly concurrency?: number
  /** Told how far it is: at the end of each file, and every 100 ms at most in between. */
  readonly progress?: ((event: SftpProgress) => void) | undefined
  /**
   * Called with what could not be copied (the error's `srcpath` and `dstpath`); the rest is copied all the same.
   * Default: the first error ends the transfer.
   */
  readonly onError?: ((error: Error) => void) | undefined
}

/** Options of copy and mcopy. */
export interface SftpCopyOptions extends SftpTransferOptions {
  /** Fails with `ENOTSUP` where the server cannot copy by itself, instead of copying through this side. Default false. */
  readonly remoteOnly?: boolean
}

/** Options of remoteCopy. */
export interface SftpRemoteCopyOptions extends SftpCallOptions {
  /** First byte of the source. Default 0. */
  readonly srcOffset?: number
  /** Bytes to copy. Default, and 0: up to the end of the source. */
  readonly srcLength?: number
  /** Where the first byte goes. Default 0. */
  readonly dstOffset?: number
}

const callNames: OptionNames<SftpCallOptions> = { signal: true }
const blockNames: OptionNames<SftpBlockOptions> = { blockSize: true, maxRequests: true }
const fileNames: OptionNames<SftpFileOptions> = { ...callNames, ...blockNames }
const mkdirNames: OptionNames<SftpMkdirOptions> = { ...callNames, mode: true, attrs: true }

const transferNames: OptionNames<SftpTransferOptions> = {
  ...fileNames,
  preserve: true,
  recurse: true,
  followSymlinks: true,
  resume: true,
  atomic: true,
  verify: true,
  sparse: true,
  concurrency: true,
  progress: true,
  onError: true,
}

/** Names of the options of each kind of call, for {@link knownOptions}. */
export const optionNames = {
  client: {
    ...callNames,
    maximumInFlight: true,
    openChannel: true,
    maximumChannels: true,
    symlinkOrder: true,
    sftpVersion: true,
  } satisfies OptionNames<SftpClientOptions>,
  file: fileNames,
  stat: { ...callNames, wanted: true } satisfies OptionNames<SftpStatOptions>,
  rename: { ...callNames, overwrite: true, atomic: true, native: true } satisfies OptionNames<SftpRenameOptions>,
  realpath: { ...callNames, compose: true } satisfies OptionNames<SftpRealpathOptions>,
  realpathStat: { ...callNames, compose: true, check: true } satisfies OptionNames<SftpRealpathStatOptions>,
  link: { ...callNames, followSymlinks: true } satisfies OptionNames<SftpLinkOptions>,
  mkdir: mkdirNames,
  makedirs: { ...mkdirNames, existOk: true } satisfies OptionNames<SftpMakedirsOptions>,
  rmtree: { ...callNames, ignoreErrors: true, onError: true } satisfies OptionNames<SftpRmtreeOptions>,
  glob: { ...callNames, dot: true, onError: true } satisfies OptionNames<SftpGlobOptions>,
  read: { ...callNames, encoding: true } satisfies OptionNames<SftpReadOptions>,
  write: { ...callNames, encoding: true } satisfies OptionNames<SftpWriteOptions>,
  readFile: { ...fileNames, encoding: true } satisfies OptionNames<SftpReadFileOptions>,
  writeFile: { ...fileNames, encoding: true, flags: true, attrs: true } satisfies OptionNames<SftpWriteFileOptions>,
  readStream: { ...fileNames, start: true, end: true, encoding: true } satisfies OptionNames<SftpReadStreamOptions>,
  writeStream: { ...fileNames, start: true, flags: true, attrs: true } satisfies OptionNames<SftpWriteStreamOptions>,
  transfer: transferNames,
  remoteCopy: {
    ...callNames,
    srcOffset: true,
    srcLength: true,
    dstOffset: true,
  } satisfies OptionNames<SftpRemoteCopyOptions>,
  copy: { ...transferNames, remoteOnly: true } satisfies OptionNames<SftpCopyOptions>,
}

/** Options that may be an encoding alone, as in `fs`. */
export function withEncoding(options: SftpWriteFileOptions | BufferEncoding): SftpWriteFileOptions
export function withEncoding(options: SftpReadFileOptions | BufferEncoding): SftpReadFileOptions
export function withEncoding(
  options: SftpReadFileOptions | SftpWriteFileOptions | BufferEncoding,
): SftpReadFileOptions | SftpWriteFileOptions {
  return typeof options === 'string' ? { encoding: options } : options
}

/**
 * The signal of a call that takes nothing else.
 * @param operation the call, for the error
 * @throws OptionsError for an option nobody knows
 */
export function signalOf(operation: string, options: SftpCallOptions): AbortSignal | undefined {
  return knownOptions(operation, options, callNames).signal
}

/**
 * Bytes per READ or WRITE as the caller says; no limit when nothing is said.
 * @throws OptionsError, SftpError `EINVAL`
 */
export function blockSizeOf({ blockSize }: SftpBlockOptions): number {
  if (blockSize === undefined) return Number.POSITIVE_INFINITY
  const bytes = parseSize(blockSize)
  checkCounts({ blockSize: bytes })
  return bytes
}

/** @throws OptionsError, SftpError `EINVAL` */
export function checkBlockOptions(options: SftpBlockOptions): void {
  blockSizeOf(options)
  checkCounts({ maxRequests: options.maxRequests })
}

/** @throws SftpError `EINVAL` naming the first of these options that is no whole number from 1 */
export function checkCounts(counts: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(counts)) {
    if (value === undefined || (Number.isInteger(value) && value >= 1)) continue
    throw new SftpError('EINVAL', `Expected ${name} to be a whole number from 1, found ${value}`)
  }
}
