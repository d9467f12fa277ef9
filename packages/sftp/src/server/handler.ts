/**
 * What a server serves: four small interfaces that every handler has, and one of operations it may lack.
 *
 * A handler sees strings, numbers and its own file objects; packets, ids and handles stay with `serveSftp`. Any method
 * may be async. To refuse, throw: an `SftpError`, or any error with a `code` of `fs` (`ENOENT`, `EACCES`, …). Another
 * error is answered with SSH_FX_FAILURE and no text, for its message may tell what the client must not know.
 *
 * A handler need not care which version of the protocol a client speaks. Attributes to be set have numbers for owners,
 * `uid` and `gid` or neither, `atime` and `mtime` or neither; nanoseconds where the client has them. Of attributes it
 * answers with, each version sends what it has a place for; parts of a second, creation times and the like are welcome.
 *
 * Paths come as the client sent them: `/`-separated, perhaps relative, perhaps with `..`, never with NUL. Bytes that are
 * not UTF-8 are escaped, see protocol/file-name.ts.
 */

import type { SftpAttrs } from '../protocol/attrs.js'
import type { DataPlaces } from '../protocol/data-ranges.js'
import type { SftpStatVfs } from '../protocol/extensions.js'
import type { OpenAccess } from '../protocol/open-access.js'
import type { SftpRequestEvent } from './request-event.js'

/** A value now or later. */
export type Awaitable<T> = T | PromiseLike<T>

/** A name in a listing. */
export interface SftpDirEntry {
  readonly fileName: string
  readonly attrs: SftpAttrs
  /** The line `ls -l` prints; made from `attrs` when absent. */
  readonly longName?: string
}

/** Open files. `F` is whatever the handler wants to be given back. */
export interface FileHandler<F> {
  /** @param flags a sum of `openFlags`; @param attrs what a new file shall have */
  open(path: string, flags: number, attrs: SftpAttrs): Awaitable<F>
  /** Called exactly once for each opened file, also when the channel is lost. */
  close(file: F): Awaitable<void>
  /**
   * Reads into the whole of `into`, or as much as there is.
   * @returns bytes read; 0 is the end of the file
   */
  read(file: F, into: Uint8Array, position: number): Awaitable<number>
  /**
   * Writes all of `data`, or throws. A file opened for appending ignores `position`.
   *
   * Where {@link OptionalOperations.releasesData} is true, the memory of `data` is used for others afterwards.
   */
  write(file: F, data: Uint8Array, position: number): Awaitable<void>
  /** @param wanted as of {@link TreeReader.stat} */
  fstat(file: F, wanted?: number): Awaitable<SftpAttrs>
  fsetstat(file: F, attrs: SftpAttrs): Awaitable<void>
}

/** Looking at the tree. */
export interface TreeReader {
  /**
   * @param wanted a sum of `attrFlags`, from version 4 on: what the client asks for. More does no harm. Undefined in
   *   version 3, which has no place for more than sizes, modes, numeric owners and whole seconds
   */
  stat(path: string, wanted?: number): Awaitable<SftpAttrs>
  /** As `stat`, but does not follow a symbolic link at the end. */
  lstat(path: string, wanted?: number): Awaitable<SftpAttrs>
  /** Lists a directory, in any order; pulled as the client asks, and returned early when it stops asking. */
  scandir(path: string, wanted?: number): AsyncIterable<SftpDirEntry> | Iterable<SftpDirEntry>
  /** The canonical absolute path; its last part need not exist. */
  realpath(path: string): Awaitable<string>
  readlink(path: string): Awaitable<string>
}

/** Changing the tree. */
export interface TreeWriter {
  setstat(path: string, attrs: SftpAttrs): Awaitable<void>
  mkdir(path: string, attrs: SftpAttrs): Awaitable<void>
  rmdir(path: string): Awaitable<void>
  remove(path: string): Awaitable<void>
  /**
   * Must refuse to replace an existing `newPath`, as version 3 wants (draft-ietf-secsh-filexfer-02 §6.5); clients of
   * later versions that want it replaced come to `posixRename`.
   */
  rename(oldPath: string, newPath: string): Awaitable<void>
  symlink(targetPath: string, linkPath: string): Awaitable<void>
}

/** Operations that clients are offered only when the handler has them. */
export interface OptionalOperations<F> {
  /** Whether `write` is done with its bytes once it has settled, so that they need no new memory each time. */
  readonly releasesData?: boolean
  /** Renames, replacing what is there in one step. */
  posixRename?(oldPath: string, newPath: string): Awaitable<void>
  link?(oldPath: string, newPath: string): Awaitable<void>
  /** As `setstat`, but does not follow a symbolic link at the end. */
  lsetstat?(path: string, attrs: SftpAttrs): Awaitable<void>
  statvfs?(path: string): Awaitable<SftpStatVfs>
  fstatvfs?(file: F): Awaitable<SftpStatVfs>
  fsync?(file: F): Awaitable<void>
  /**
   * The home directory of a user, as the client sees it; `username` is empty for the user of this session.
   * @returns undefined for a user nobody knows
   */
  homeDirectory?(username: string): Awaitable<string | undefined>
  /** Whether two open files are one. Without it files are told apart by the paths they were opened by. */
  isSameFile?(first: F, second: F): Awaitable<boolean>
  /**
   * Where from `offset` on, `length` bytes far, there may be something else than zeros: the first ranges of it, in order,
   * so that holes of a sparse file need not be read. Ranges that hold only zeros do no harm; data that is in none is
   * lost to the client.
   */
  dataRanges?(file: F, offset: number, length: number): Awaitable<DataPlaces>
  /**
   * Opens a file by the rights and flags of versions 5 and 6. Without it such clients come to `open`, and those that ask
   * for what it has no words for are refused.
   */
  openAccess?(path: string, access: OpenAccess, attrs: SftpAttrs): Awaitable<F>
  /** The rights and flags that `openAccess` takes. Default: those that `open` has words for. */
  readonly supportedAccess?: OpenAccess
  /** What can be set: a sum of `attrFlags`; the rest is refused. Default: size, permissions, times, owner and group. */
  readonly settable?: number
  /**
   * Locks bytes of an open file against everyone else, until `unlock` or `close`. Version 6.
   * @param length 0 reaches to the end, however far; @param flags a sum of `lockFlags`
   * @throws SftpError `ERR_SFTP_LOCK_CONFLICT` when somebody else has them locked
   */
  lock?(file: F, offset: number, length: number, flags: number): Awaitable<void>
  /** Takes off the lock of just these bytes. @throws SftpError `ERR_SFTP_NO_MATCHING_LOCK` */
  unlock?(file: F, offset: number, length: number): Awaitable<void>
  /** The name of a user, for clients that have names instead of numbers (from version 4 on). Default: the number. */
  formatUser?(uid: number): Awaitable<string>
  /** The name of a group. Default: the number. */
  formatGroup?(gid: number): Awaitable<string>
  /** The number of a user; undefined when there is none of that name. Default: only numbers are known. */
  parseUser?(name: string): Awaitable<number | undefined>
  /** The number of a group; undefined when there is none of that name. Default: only numbers are known. */
  parseGroup?(name: string): Awaitable<number | undefined>
}

/** Everything a server needs from whoever holds the files. */
export interface SftpHandler<F = unknown> extends FileHandler<F>, TreeReader, TreeWriter, OptionalOperations<F> {
  /**
   * Told of every request once it is answered, those included that were refused before the handler saw them. What it
   * throws is ignored.
   */
  onRequest?(event: SftpRequestEvent): void
  /** The channel is over and every file has been closed. */
  end?(): Awaitable<void>
}
