/** Files as SCP needs them: those of this machine, or those that a server's handler has. */

import type { SourceBlock, SourceFile } from '../client/file-tree.js'
import type { SftpStats } from '../client/stats.js'
import type { SftpAttrs } from '../protocol/attrs.js'

type Signal = AbortSignal | undefined

/** What a file or directory that is made shall be like. */
export interface NewEntry {
  /** Permission bits, to which the umask applies. */
  readonly permissions: number
  /** Attributes to give it exactly, once it is whole. */
  readonly preserved: SftpAttrs | undefined
  /** Whether the caller named this very path: then a symbolic link there is followed, and else refused. */
  readonly isGiven: boolean
}

/** A tree of files. */
export interface ScpFiles {
  join(directory: string, name: string): string
  baseName(path: string): string
  /** Refuses a name from the other side that would not stay in its directory. @throws SftpError `ERR_SFTP_UNSAFE_NAME` */
  assertName(name: string, directory: string): void
  /** @throws SftpError, or Error of `fs` */
  stat(path: string, followSymlinks: boolean, signal: Signal): Promise<SftpStats>
  /** Names with what the listing says of them, without `.` and `..`. */
  scandir(path: string, signal: Signal): AsyncIterable<{ readonly name: string; readonly attrs: SftpStats }>
  openSource(path: string, attrs: SftpStats, signal: Signal): Promise<ScpSourceFile>
  /**
   * Opens a file for writing, making it if it is missing. One that is there keeps its content until it is written over,
   * so that a file which is copied onto itself stays what it is.
   */
  openTarget(path: string, entry: NewEntry, signal: Signal): Promise<ScpTargetFile>
  makeDirectory(path: string, entry: NewEntry, signal: Signal): Promise<void>
  setAttrs(path: string, attrs: SftpAttrs, signal: Signal): Promise<void>
}

/** A file being read. */
export type ScpSourceFile = Pick<SourceFile, 'size' | 'read' | 'close'>

/** A file being written. */
export interface ScpTargetFile {
  /** Writes that may be under way at the same time. */
  readonly writesAtOnce: number
  /** Whether the memory of a block may be used again once it is written. */
  readonly releasesBlocks: boolean
  write(position: number, block: SourceBlock, signal: Signal): Promise<void>
  /** All is written: cuts the file to `size` bytes, gives it its attributes, and closes it. */
  finish(size: number): Promise<void>
  /** The copy failed: closes the file, and removes it. Never rejects. */
  discard(): Promise<void>
}
