/**
 * How a client's paths become paths that `node:fs` takes: the whole machine, or one directory as `/`.
 *
 * Paths here are absolute, as the client sees them. What a task is given is good for that task only, and for one name:
 * nothing may be appended to it but what {@link LocalDirectory} appends.
 */

import type { BigIntStats, Stats } from 'node:fs'

/** A path for `node:fs`: bytes when its name is not UTF-8. */
export type LocalPath = string | Buffer

/** A name in a directory, and whatever bears it; a link is the link. */
export interface LocalEntry {
  readonly path: LocalPath
  /** It is the root of a jail, which is the administrator's. */
  readonly isRoot: boolean
}

/** A directory that stays the one it is, whoever moves or replaces it. */
export interface LocalDirectory {
  /** The directory itself. */
  readonly path: string
  /** What bears `name` in it. */
  entry(name: string): LocalPath
  close(): void
}

export interface LocalTree {
  /**
   * Runs `task` on what a path names. A link at the end is not followed, unless a slash follows it. The last part need
   * not exist.
   * @throws Error of `fs`, SftpError `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`
   */
  withEntry<R>(path: string, task: (entry: LocalEntry) => Promise<R>): Promise<R>
  /** Runs `task` on what a path leads to, links followed. @throws as `withEntry`, and `ENOENT` when nothing is there */
  withTarget<R>(path: string, task: (path: LocalPath) => Promise<R>): Promise<R>
  /**
   * What a path leads to, links followed.
   * @param isExact as bigints, so that times have their nanoseconds
   * @throws as `withTarget`
   */
  stat(path: string, isExact: boolean): Promise<Stats | BigIntStats>
  /**
   * Opens a file.
   * @param flags of open(2)
   * @param followLast whether a link at the end is followed
   * @returns a file descriptor
   * @throws as `withEntry`
   */
  open(path: string, flags: number, mode: number, followLast: boolean): Promise<number>
  /** Opens a directory to list it. @throws as `withTarget` */
  openDirectory(path: string): Promise<LocalDirectory>
  /**
   * Where a path is on this machine, as text: to be told, not to be used.
   * @throws as `withEntry`
   */
  resolve(path: string, followLast: boolean): Promise<string>
  /** The canonical path on this machine; its last part need not exist. @throws as `withEntry` */
  canonical(path: string): Promise<string>
  /** What a path on this machine is to the client. @throws SftpError `ENOENT` for one that it must not know of */
  toVirtual(localPath: string): string
  /** What a stored link's target is to the client. */
  virtualTarget(target: string): string
  /** How the target of a client's link is stored. */
  localTarget(target: string): string
  /** No more is wanted for now: lets go of what is held between calls. */
  end(): void
}
