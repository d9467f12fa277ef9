/** Questions about one path that its attributes answer, and changes of single attributes. */

import { SftpError } from '../errors.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import { type SftpCallOptions, type SftpLinkOptions, signalOf } from './options.js'
import { attrsOfOwner } from './owners.js'
import type { SftpStats } from './stats.js'
import { attrsOfTimes, type SftpTime } from './times.js'

/** The part of a client that is made of `stat`, `lstat` and `setstat`. */
export abstract class PathAttributes {
  /** Attributes of a file, or of what a symbolic link points to. @throws SftpError `ENOENT` when there is none */
  abstract stat(path: string, options?: SftpCallOptions): Promise<SftpStats>

  /** As {@link PathAttributes.stat}, of a symbolic link itself. */
  abstract lstat(path: string, options?: SftpCallOptions): Promise<SftpStats>

  /** Sets the attributes that are named, and no others. */
  abstract setstat(path: string, attrs: SftpAttrs, options?: SftpLinkOptions): Promise<void>

  /** Cuts the file, or fills it with zeros, to `size` bytes. */
  async truncate(path: string, size = 0, options: SftpCallOptions = {}): Promise<void> {
    await this.setstat(path, { size }, options)
  }

  /**
   * Sets owner and group, by number, or from version 4 on by name.
   * @throws SftpError `ENOTSUP` for a name in version 3
   */
  async chown(
    path: string,
    owner: number | string,
    group: number | string,
    options: SftpLinkOptions = {},
  ): Promise<void> {
    await this.setstat(path, attrsOfOwner(owner, group), options)
  }

  /** Sets permission bits, for instance `0o644`. */
  async chmod(path: string, mode: number, options: SftpLinkOptions = {}): Promise<void> {
    await this.setstat(path, { permissions: mode }, options)
  }

  /**
   * Sets access and modification time, as Dates, seconds since 1970, or nanoseconds since 1970 as bigints; default now.
   * Version 3 has whole seconds only.
   */
  async utime(path: string, atime?: SftpTime, mtime?: SftpTime, options: SftpLinkOptions = {}): Promise<void> {
    await this.setstat(path, attrsOfTimes(atime, mtime), options)
  }

  /** Whether the file, or what a link points to, is there and may be looked at. */
  async exists(path: string, options: SftpCallOptions = {}): Promise<boolean> {
    return (await this.#statIfThere(path, true, signalOf('exists', options))) !== undefined
  }

  /** As {@link PathAttributes.exists}, of a symbolic link itself. */
  async lexists(path: string, options: SftpCallOptions = {}): Promise<boolean> {
    return (await this.#statIfThere(path, false, signalOf('lexists', options))) !== undefined
  }

  /** Whether a regular file is there, perhaps behind a link. */
  async isFile(path: string, options: SftpCallOptions = {}): Promise<boolean> {
    return (await this.#statIfThere(path, true, signalOf('isFile', options)))?.isFile() ?? false
  }

  /** Whether a directory is there, perhaps behind a link. */
  async isDir(path: string, options: SftpCallOptions = {}): Promise<boolean> {
    return (await this.#statIfThere(path, true, signalOf('isDir', options)))?.isDirectory() ?? false
  }

  /** Whether a symbolic link is there. */
  async isLink(path: string, options: SftpCallOptions = {}): Promise<boolean> {
    return (await this.#statIfThere(path, false, signalOf('isLink', options)))?.isSymbolicLink() ?? false
  }

  /** Bytes. @throws SftpError `ENOTSUP` when the server does not tell */
  async getSize(path: string, options: SftpCallOptions = {}): Promise<number> {
    return told((await this.stat(path, options)).size, 'size', path)
  }

  /**
   * Last access, in seconds since 1970, with a fraction from version 4 on.
   * @throws SftpError `ENOTSUP` when the server does not tell
   */
  async getAtime(path: string, options: SftpCallOptions = {}): Promise<number> {
    const { atime, atimeNs } = await this.stat(path, options)
    return told(atime, 'access time', path) + fractionOf(atimeNs)
  }

  /** As {@link PathAttributes.getAtime}, in nanoseconds. */
  async getAtimeNs(path: string, options: SftpCallOptions = {}): Promise<bigint> {
    const { atime, atimeNs } = await this.stat(path, options)
    return nanoseconds(told(atime, 'access time', path), atimeNs)
  }

  /**
   * Last change of the content, in seconds since 1970, with a fraction from version 4 on.
   * @throws SftpError `ENOTSUP` when the server does not tell
   */
  async getMtime(path: string, options: SftpCallOptions = {}): Promise<number> {
    const { mtime, mtimeNs } = await this.stat(path, options)
    return told(mtime, 'modification time', path) + fractionOf(mtimeNs)
  }

  /** As {@link PathAttributes.getMtime}, in nanoseconds. */
  async getMtimeNs(path: string, options: SftpCallOptions = {}): Promise<bigint> {
    const { mtime, mtimeNs } = await this.stat(path, options)
    return nanoseconds(told(mtime, 'modification time', path), mtimeNs)
  }

  /**
   * Creation, in seconds since 1970. Versions 4 and later.
   * @throws SftpError `ENOTSUP` when the server does not tell
   */
  async getCrtime(path: string, options: SftpCallOptions = {}): Promise<number> {
    const { createTime, createTimeNs } = await this.stat(path, options)
    return told(createTime, 'creation time', path) + fractionOf(createTimeNs)
  }

  /** As {@link PathAttributes.getCrtime}, in nanoseconds. */
  async getCrtimeNs(path: string, options: SftpCallOptions = {}): Promise<bigint> {
    const { createTime, createTimeNs } = await this.stat(path, options)
    return nanoseconds(told(createTime, 'creation time', path), createTimeNs)
  }

  async #statIfThere(path: string, follow: boolean, signal: AbortSignal | undefined): Promise<SftpStats | undefined> {
    try {
      return await (follow ? this.stat(path, { signal }) : this.lstat(path, { signal }))
    } catch (error) {
      if (error instanceof SftpError && ['ENOENT', 'ENOTDIR', 'EACCES'].includes(error.code)) return undefined
      throw error
    }
  }
}

/** Of a second. */
function fractionOf(nanoseconds = 0): number {
  return nanoseconds / 1_000_000_000
}

function nanoseconds(seconds: number, rest = 0): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(rest)
}

function told(value: number | undefined, what: string, path: string): number {
  if (value !== undefined) return value
  throw new SftpError('ENOTSUP', `ENOTSUP: the server does not tell the ${what}`, { path })
}
