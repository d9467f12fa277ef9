/**
 * A directory as the root of a tree: client paths are walked part by part, as the kernel would after chroot(2).
 *
 * `..` stops at the root. A symbolic link is followed inside the root only: an absolute target starts at the root, and
 * one that names the real root is taken as written from it. Between this walk and the use of its result another client
 * can move things; `SftpServer.open` looks again at what it opened where the system can tell.
 */

import { lstat } from 'node:fs/promises'
import { SftpError } from '../errors.js'
import { linkTarget } from '../local-names.js'
import { isUnsafeOnWindows, toLocalPath } from '../local-path.js'

/** Links in one path at most, as Linux. */
const maximumLinks = 40

export class Jail {
  readonly #root: string

  /** @param root canonical absolute path of the directory */
  constructor(root: string) {
    this.#root = root === '/' ? '' : root
  }

  /**
   * Where a client's path is on this machine.
   * @param path absolute, as the client sees it
   * @param followLast whether a link at the end is followed
   * @throws SftpError `ENOENT`, `ENOTDIR`, `ELOOP`; the last part need not exist
   */
  async resolve(path: string, followLast: boolean): Promise<string> {
    const parts = split(path)
    // What ends in a slash is a directory, so a link there is followed.
    const followsLast = followLast || path.endsWith('/')
    const walked: string[] = []
    let links = 0
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      if (part === '..') {
        walked.pop()
        continue
      }
      const isLast = parts.length === 0
      if (process.platform === 'win32' && isUnsafeOnWindows(part)) throw missing(path)
      walked.push(part)
      if (isLast && !followsLast) break
      const here = this.#join(walked)
      const stats = await lstat(toLocalPath(here)).catch(notThere)
      if (stats === undefined) {
        if (isLast) break
        throw missing(path)
      }
      if (stats.isSymbolicLink()) {
        if (++links > maximumLinks) throw new SftpError('ELOOP', 'Too many symbolic links', { path })
        walked.pop()
        const target = this.virtualTarget(await linkTarget(here))
        if (target.startsWith('/')) walked.length = 0
        parts.push(...split(target))
      } else if (!isLast && !stats.isDirectory()) {
        throw new SftpError('ENOTDIR', 'Not a directory', { path })
      }
    }
    return this.#join(walked)
  }

  /** What a path on this machine is to the client. @throws SftpError `ENOENT` for one outside the root */
  toVirtual(localPath: string): string {
    if (localPath === this.#root || localPath === `${this.#root}/`) return '/'
    if (!localPath.startsWith(`${this.#root}/`)) throw missing('')
    return localPath.slice(this.#root.length)
  }

  /** What a link's target is to the client: an absolute one that names the real root is as written from the root. */
  virtualTarget(target: string): string {
    return this.#root !== '' && this.contains(target) ? this.toVirtual(target) : target
  }

  /** How the target of a new link is stored: absolute ones inside the root, where they mean the same to everyone. */
  localTarget(target: string): string {
    if (!target.startsWith('/')) return target
    const walked: string[] = []
    for (const part of split(target).reverse()) {
      if (part === '..') walked.pop()
      else walked.push(part)
    }
    return this.#join(walked)
  }

  /** Whether a canonical path on this machine is the root or below it. */
  contains(localPath: string): boolean {
    return localPath === this.#root || localPath.startsWith(`${this.#root}/`)
  }

  /** Whether a resolved path is the root itself. */
  isRoot(localPath: string): boolean {
    return localPath === (this.#root || '/')
  }

  #join(parts: readonly string[]): string {
    return parts.length === 0 ? this.#root || '/' : `${this.#root}/${parts.join('/')}`
  }
}

/** The parts that mean something, last first. */
function split(path: string): string[] {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .reverse()
}

function notThere(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

function missing(path: string): SftpError {
  return new SftpError('ENOENT', 'No such file or directory', { path })
}
