/**
 * The texts of a jail: which path on this machine is which to the client.
 *
 * `..` stops at the root. An absolute target of a link starts at the root, and one that names the real root is taken as
 * written from it.
 */

import { SftpError } from '../../errors.js'

/** Links in one path at most, as Linux. */
export const maximumLinks = 40

/** Bytes of a path, about; as PATH_MAX of Linux. */
const maximumPathLength = 4096

export class JailNames {
  readonly #root: string

  /** @param root canonical absolute path of the directory */
  constructor(root: string) {
    this.#root = root === '/' ? '' : root
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
    return this.join(walked)
  }

  /** Whether a canonical path on this machine is the root or below it. */
  contains(localPath: string): boolean {
    return localPath === this.#root || localPath.startsWith(`${this.#root}/`)
  }

  /** The path on this machine of what is below the root by these names. */
  join(names: readonly string[]): string {
    return names.length === 0 ? this.#root || '/' : `${this.#root}/${names.join('/')}`
  }
}

/** The parts of a path that mean something, last first. @throws SftpError `ENAMETOOLONG` */
export function split(path: string): string[] {
  if (path.length > maximumPathLength) throw new SftpError('ENAMETOOLONG', 'The path is too long')
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .reverse()
}

export function missing(path: string): SftpError {
  return new SftpError('ENOENT', 'No such file or directory', { path })
}

export function tooManyLinks(path: string): SftpError {
  return new SftpError('ELOOP', 'Too many symbolic links', { path })
}
