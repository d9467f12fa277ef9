/**
 * A directory as the root of a tree, where descriptors cannot be walked (see descriptors.ts): the path is looked at part
 * by part, and then used. Between the two somebody who may write in the tree by other ways than this server, or a second
 * client, can replace a directory by a link, and the call then follows it. What is opened is looked at again where the
 * system tells what it is.
 */

import * as fs from 'node:fs'
import * as fsp from 'node:fs/promises'
import { promisify } from 'node:util'
import { SftpError } from '../../errors.js'
import { linkTarget } from '../../local-names.js'
import { isUnsafeOnWindows, toLocalPath } from '../../local-path.js'
import { isOneOf } from './error-codes.js'
import { JailNames, maximumLinks, missing, split, tooManyLinks } from './jail-names.js'
import type { LocalDirectory, LocalEntry, LocalPath, LocalTree } from './local-tree.js'

const openFile = promisify(fs.open)
const closeFile = promisify(fs.close)
const truncateFile = promisify(fs.ftruncate)

const { O_NOFOLLOW = 0, O_TRUNC } = fs.constants

export class PathJail implements LocalTree {
  readonly #names: JailNames

  /** @param root canonical absolute path of the directory, with slashes */
  constructor(root: string) {
    this.#names = new JailNames(root)
  }

  async withEntry<R>(path: string, task: (entry: LocalEntry) => Promise<R>): Promise<R> {
    const local = await this.resolve(path, false)
    return task({ path: toLocalPath(local), isRoot: local === this.#names.join([]) })
  }

  async withTarget<R>(path: string, task: (path: LocalPath) => Promise<R>): Promise<R> {
    return task(toLocalPath(await this.resolve(path, true)))
  }

  async stat(path: string, isExact: boolean): Promise<fs.Stats | fs.BigIntStats> {
    return fsp.lstat(toLocalPath(await this.resolve(path, true)), { bigint: isExact })
  }

  async open(path: string, flags: number, mode: number, followLast: boolean): Promise<number> {
    const local = toLocalPath(await this.resolve(path, followLast))
    // Links have been followed, and nothing is cut off before it is known to be inside.
    const fd = await openFile(local, (flags & ~O_TRUNC) | O_NOFOLLOW, mode)
    try {
      const opened = await openedPath(fd)
      if (opened !== undefined && !this.#names.contains(opened)) {
        throw new SftpError('ENOENT', 'The path changed meanwhile')
      }
      if ((flags & O_TRUNC) !== 0) await truncateFile(fd, 0)
      return fd
    } catch (error) {
      await closeFile(fd)
      throw error
    }
  }

  async openDirectory(path: string): Promise<LocalDirectory> {
    const local = await this.resolve(path, true)
    return { path: local, entry: (name) => toLocalPath(`${local}/${name}`), close: () => {} }
  }

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
      const here = this.#names.join(walked)
      const stats = await fsp.lstat(toLocalPath(here)).catch(notThere)
      if (stats === undefined) {
        if (isLast) break
        throw missing(path)
      }
      if (stats.isSymbolicLink()) {
        if (++links > maximumLinks) throw tooManyLinks(path)
        walked.pop()
        const target = this.virtualTarget(await linkTarget(toLocalPath(here)))
        if (target.startsWith('/')) walked.length = 0
        parts.push(...split(target))
      } else if (!isLast && !stats.isDirectory()) {
        throw new SftpError('ENOTDIR', 'Not a directory', { path })
      }
    }
    return this.#names.join(walked)
  }

  canonical(path: string): Promise<string> {
    return this.resolve(path, true)
  }

  toVirtual(localPath: string): string {
    return this.#names.toVirtual(localPath)
  }

  virtualTarget(target: string): string {
    return this.#names.virtualTarget(target)
  }

  localTarget(target: string): string {
    return this.#names.localTarget(target)
  }

  end(): void {}
}

/** The path that Linux knows an open file by; undefined elsewhere. */
async function openedPath(fd: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined
  return linkTarget(`/proc/self/fd/${fd}`).catch((error) => {
    if (isOneOf(error, 'ENOENT')) return undefined
    throw error
  })
}

function notThere(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
