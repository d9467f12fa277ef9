/**
 * What a server serves: four small interfaces that every handler has, and one of operations it may lack.
 *
 * A handler sees strings, numbers and its own file objects; packets, ids and handles stay with `serveSftp`. Any method
 * may be async. To refuse, throw: an `SftpError`, or any error with a `code` of `fs` (`ENOENT`, `EACCES`, …). Another
 * error is answered with SSH_FX_FAILURE and no text, for its message may tell what the client must not know.
 *
 * Paths come as the client sent them: `/`-separated, perhaps relative, perhaps with `..`, never with NUL. Bytes that are
 * not UTF-8 are escaped, see protocol/file-name.ts.
 */

import type { SftpAttrs } from '../protocol/attrs.js'
import type { SftpStatVfs } from '../protocol/extensions.js'
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
  /** Writes all of `data`, or throws. A file opened for appending ignores `position`. */
  write(file: F, data: Uint8Array, position: number): Awaitable<void>
  fstat(file: F): Awaitable<SftpAttrs>
  fsetstat(file: F, attrs: SftpAttrs): Awaitable<void>
}

/** Looking at the tree. */
export interface TreeReader {
  stat(path: string): Awaitable<SftpAttrs>
  /** As `stat`, but does not follow a symbolic link at the end. */
  lstat(path: string): Awaitable<SftpAttrs>
  /** Lists a directory, in any order; pulled as the client asks, and returned early when it stops asking. */
  scandir(path: string): AsyncIterable<SftpDirEntry> | Iterable<SftpDirEntry>
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
  /** Must refuse to replace an existing `newPath`, as version 3 wants (draft-ietf-secsh-filexfer-02 §6.5). */
  rename(oldPath: string, newPath: string): Awaitable<void>
  symlink(targetPath: string, linkPath: string): Awaitable<void>
}

/** Operations that are announced as extensions only when the handler has them. */
export interface OptionalOperations<F> {
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
