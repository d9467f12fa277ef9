/**
 * One path, walked from the root of a jail by descriptors: each directory is opened in the one before it and never
 * through a link, so nobody who moves or replaces things meanwhile can lead the walk outside.
 *
 * `..` starts again at the root: whatever has been moved, it then goes to where the path says. At most one descriptor is
 * held at a time.
 */

import { SftpError } from '../../errors.js'
import { linkTarget } from '../../local-names.js'
import { closePlace, entryOf, openDirectoryAt } from './descriptors.js'
import { isOneOf } from './error-codes.js'
import { type JailNames, maximumLinks, split, tooManyLinks } from './jail-names.js'
import type { LocalPath } from './local-tree.js'

/** Directories entered for one path at most; a path without `..` and links has fewer parts. */
const maximumSteps = 4096

export class DescriptorWalk {
  readonly #path: string
  readonly #root: number
  readonly #jail: JailNames
  /** What is still to be walked, last first. */
  readonly #parts: string[]
  /** Directories from the root to where it stands. */
  #names: string[] = []
  #directory: number
  #steps = 0
  #links = 0

  /** @param root descriptor of the root; @param path absolute, as the client sees it */
  constructor(root: number, jail: JailNames, path: string) {
    this.#root = root
    this.#directory = root
    this.#jail = jail
    this.#path = path
    this.#parts = split(path)
  }

  /** The descriptor of the directory it stands in. */
  get directory(): number {
    return this.#directory
  }

  /** The names from the root to where it stands. */
  get names(): readonly string[] {
    return this.#names
  }

  /** What bears `name` where it stands; undefined: the root. */
  entry(name: string | undefined): LocalPath {
    return entryOf(this.#directory, name ?? '.')
  }

  /** Goes to the directory that holds the last part. @returns the last part; undefined: it is the root */
  async toLast(): Promise<string | undefined> {
    for (;;) {
      const part = this.#parts.pop()
      if (part === '..') this.#restart(this.#names.slice(0, -1))
      else if (part === undefined) {
        if (this.#names.length === 0) return undefined
        this.#restart(this.#names)
      } else if (this.#parts.length === 0) return part
      else await this.#enter(part)
    }
  }

  /** Turns to where the link `name` leads. @returns false when it is no link: then nothing has changed */
  async follow(name: string): Promise<boolean> {
    let target: string
    try {
      target = await linkTarget(this.entry(name))
    } catch (error) {
      if (isOneOf(error, 'EINVAL', 'ENOENT')) return false
      throw error
    }
    if (++this.#links > maximumLinks) throw tooManyLinks(this.#path)
    target = this.#jail.virtualTarget(target)
    if (target.startsWith('/')) this.#goToRoot()
    this.#parts.push(...split(target))
    return true
  }

  /**
   * Something at the end was a link when it was looked at: follows it, or says that it is gone.
   * @throws SftpError `ELOOP` when it changes all the time
   */
  async followLast(name: string): Promise<void> {
    if (await this.follow(name)) return
    this.#count()
    this.#parts.push(name)
  }

  close(): void {
    this.#moveTo(this.#root)
  }

  async #enter(name: string): Promise<void> {
    this.#count()
    let next: number
    try {
      next = await openDirectoryAt(this.entry(name))
    } catch (error) {
      if (isOneOf(error, 'ENOTDIR', 'ELOOP') && (await this.follow(name))) return
      throw error
    }
    this.#moveTo(next)
    this.#names.push(name)
  }

  #restart(names: readonly string[]): void {
    this.#goToRoot()
    this.#parts.push(...[...names].reverse())
  }

  #goToRoot(): void {
    this.#names = []
    this.#moveTo(this.#root)
  }

  #moveTo(directory: number): void {
    if (this.#directory !== this.#root) closePlace(this.#directory)
    this.#directory = directory
  }

  #count(): void {
    if (++this.#steps > maximumSteps) throw new SftpError('ELOOP', 'The path has too many parts', { path: this.#path })
  }
}
