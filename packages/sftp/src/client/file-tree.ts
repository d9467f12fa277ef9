/**
 * One side of a transfer: the local file system or a server. Both look the same, so one walk copies in any direction.
 *
 * A path here is in the form of its side; `join` and `baseName` know it.
 */

import type { SftpAttrs } from '../protocol/attrs.js'
import type { DataRange } from '../protocol/data-ranges.js'
import type { OpenHandle } from './operations.js'
import type { Block } from './reply-kinds.js'
import type { SftpStats } from './stats.js'

/** A name in a directory, with the attributes the listing gave: of the link itself, if it is one. */
export interface TreeEntry {
  readonly name: string
  readonly attrs: SftpStats
}

/** What globs need of a tree. */
export interface ListableTree {
  /** @throws SftpError */
  stat(path: string, followSymlinks: boolean, signal: AbortSignal | undefined): Promise<SftpStats>
  /** Without `.` and `..`. */
  scandir(path: string, signal: AbortSignal | undefined): AsyncIterable<TreeEntry>
}

export interface FileTree extends ListableTree {
  /** `local` takes names from a server, so it checks them. */
  readonly kind: 'local' | 'remote'
  join(directory: string, name: string): string
  baseName(path: string): string
  /** Makes a directory, or leaves the one that is there. `isGiven` tells that the caller named this very path. */
  ensureDirectory(
    path: string,
    isGiven: boolean,
    signal: AbortSignal | undefined,
    /** Of a new directory, before the umask. Default: the side's own. */
    permissions?: number,
  ): Promise<void>
  readlink(path: string, signal: AbortSignal | undefined): Promise<string>
  symlink(targetPath: string, linkPath: string, signal: AbortSignal | undefined): Promise<void>
  setAttrs(path: string, attrs: SftpAttrs, signal: AbortSignal | undefined): Promise<void>
  openSource(path: string, attrs: SftpStats, signal: AbortSignal | undefined): Promise<SourceFile>
  /** @throws SftpError `EEXIST` when `mode` is `create` and something is there */
  openTarget(path: string, options: TargetOptions): Promise<TargetFile>
  /** What `path` is once its links are followed. */
  realPath(path: string, signal: AbortSignal | undefined): Promise<string>
  /** Whether {@link FileTree.move} can replace a file in one step. */
  readonly canReplace: boolean
  /**
   * Gives a file another name in its directory.
   * @param replaces whether a file was there, and shall be replaced in one step
   * @throws SftpError `ENOTSUP` when that cannot be done
   */
  move(oldPath: string, newPath: string, replaces: boolean, signal: AbortSignal | undefined): Promise<void>
  /** Of the files it writes: see {@link greatestSpread}. */
  readonly maximumSpread: number
  /** Removes a file or a link. */
  remove(path: string, signal: AbortSignal | undefined): Promise<void>
}

/**
 * What becomes of a file that is there already: it is emptied, written on, or an error; or it is written over from its
 * start and cut off in the end, since it may be the source under another name.
 */
export type TargetMode = 'replace' | 'extend' | 'create' | 'overwrite'

export interface TargetOptions {
  /** What the source is. */
  readonly attrs: SftpStats
  readonly preserve: boolean
  /** Whether the caller named this very path; else a local symbolic link in its place is not followed. */
  readonly isGiven: boolean
  /** Default `replace`. */
  readonly mode?: TargetMode
  /** Whether the source is of this tree too: then it is opened where one can be copied to the other. */
  readonly holdsSource?: boolean
  /**
   * Of a new file, before the umask. Default 0666 for a local one, which is private until it is whole with `preserve`,
   * and the source's for a remote one.
   */
  readonly permissions?: number | undefined
  readonly signal: AbortSignal | undefined
}

/** Bytes of a file on their way, perhaps with room in front for the header of the packet that carries them. */
export interface SourceBlock extends Block {
  /** The same bytes behind as much room as was asked for. */
  readonly packet?: Buffer
  /** Lets the memory be used for other blocks. Need not be called. */
  release?(): void
}

/** A file being read. */
export interface SourceFile {
  /** Bytes per read at most. */
  readonly maximumLength: number
  /** What is believed to be the size; undefined when it is not known. */
  readonly size: number | undefined
  /** Whether the size is known for sure, so that nothing needs to be read behind it. */
  readonly isSizeCertain: boolean
  /** Reads all of `length`; fewer bytes only at the end of the file. */
  read(position: number, length: number, headroom: number, signal: AbortSignal | undefined): Promise<SourceBlock>
  /** For errors. */
  readonly path?: string
  /** What the open file says its size is by now; undefined when it does not tell. Absent where it cannot change. */
  currentSize?(signal: AbortSignal | undefined): Promise<number | undefined>
  /** The file as its server knows it; undefined for one that is not a server's. */
  readonly remote?: OpenHandle
  /**
   * Where from `start` on there may be something else than zeros, in order; undefined when that is everywhere, or cannot
   * be known, at once where nothing needs to be asked for that.
   */
  dataRanges?(
    start: number,
    signal: AbortSignal | undefined,
  ): Promise<AsyncGenerator<DataRange> | undefined> | undefined
  /**
   * A hash of a stretch, made where the file is; undefined when that cannot be had.
   * @param stretch up to the end of the file
   * @param algorithm the only one wanted; default: whichever is there
   */
  hash?(
    stretch: { readonly start: number; readonly end: number },
    algorithm: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<FileHash | undefined>
  /** Lets go of the file. Never fails: everything wanted has been read. */
  close(): void
}

/** Hashes of the blocks of a stretch, one behind the other. */
export interface FileHash {
  /** As `node:crypto` names it. */
  readonly algorithm: string
  /** Infinity for one hash of all. */
  readonly blockLength: number
  readonly digests: Buffer
}

/** A file being written. */
export interface TargetFile {
  /** Bytes per write at most. */
  readonly maximumLength: number
  /** Room wanted in front of a block. */
  readonly headroom: number
  /** Whether nobody looks at a block any more once its `write` has succeeded. */
  readonly releasesBlocks: boolean
  /** Bytes behind the first hole that writes may have reached while it is not filled: see {@link greatestSpread}. */
  readonly maximumSpread: number
  /** As of {@link SourceFile.remote}. */
  readonly remote?: OpenHandle
  /** Bytes of the file now; undefined when it is none that would read as zeros where nothing was written. */
  currentSize?(signal: AbortSignal | undefined): Promise<number | undefined>
  write(position: number, block: SourceBlock, signal: AbortSignal | undefined): Promise<void>
  /** Tells once that nothing can be written any more, also while nothing is; the result stops that. */
  onLost?(listener: (error: unknown) => void): () => void
  /** Of the open file, wherever its name leads by now; undefined where they are not told. */
  attrs(signal: AbortSignal | undefined): Promise<SftpStats | undefined>
  /** Changes owner and group, both of them, and permissions of the open file. @throws SftpError */
  setAttrs(attrs: SftpAttrs, signal: AbortSignal | undefined): Promise<void>
  /** All is written: gives the file its attributes if they shall be preserved, and closes it. */
  finish(): Promise<void>
  /** Cuts the file, or fills it with zeros, to `size` bytes. */
  truncate(size: number): Promise<void>
  /** Puts what was written on the disk, where the file system can be asked to. */
  sync(): Promise<void>
  /**
   * The copy failed: closes the file, and cuts it to `kept` bytes, or removes a local one of which nothing is to be
   * kept. Never rejects. Where writes are still under way nothing is cut off, for they would come back.
   */
  discard(kept: number | undefined): Promise<void>
}

/** Bytes that may be written behind a hole however little of a file is there: twice what most windows take at once. */
const leastSpread = 4 * 1024 * 1024

/**
 * How far behind the end of what is written without a hole a write may reach.
 *
 * Blocks are on their way in any order, so a transfer that is cut off can leave holes. This bounds the stretch that can
 * have some, and so what a transfer that goes on later must look at again. It grows no slower than the bytes in flight.
 */
export function greatestSpread(contiguous: number, maximumSpread: number): number {
  return Math.max(leastSpread, Math.min(contiguous, maximumSpread))
}

/** Where a file of `size` bytes that was written within {@link greatestSpread} can have its first hole. */
export function firstPossibleHole(size: number, maximumSpread: number): number {
  return Math.max(0, size - Math.max(leastSpread, Math.min(Math.ceil(size / 2), maximumSpread)))
}
