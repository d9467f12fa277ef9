/** Finds what a pattern matches in a tree, as a shell does. */

import { throwIfAborted } from '../client/abort.js'
import { joinPath } from '../client/paths.js'
import { SftpError } from '../errors.js'
import { type NamePattern, patternParts, unescapePattern } from './name-pattern.js'
import type { ScpFiles } from './scp-files.js'

/** Characters of a pattern at most: as a path of 4096 bytes, which is PATH_MAX of Linux, with each of them quoted. */
const maximumPatternLength = 2 * 4096

/** Characters of all names that are held while a pattern is looked for, as the arguments of a command have a limit. */
const maximumNamesLength = 16 * 1024 * 1024

/** What a name takes beside its characters, about. */
const nameOverhead = 64

/** Directories that are listed for one pattern: with `..` in it, few of them can be found again and again. */
const maximumListings = 16_384

/**
 * The paths that match `pattern`, in the order of a shell; the pattern as a plain path when nothing does.
 *
 * A directory that cannot be listed has no names, as in a shell: whoever looks for a path hears why it is not there.
 *
 * @throws AbortError; SftpError `ENAMETOOLONG`, `E2BIG` when more is found than anyone could want
 */
export async function expandPattern(
  files: ScpFiles,
  pattern: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  if (pattern.length > maximumPatternLength) {
    throw new SftpError('ENAMETOOLONG', `ENAMETOOLONG: a path of ${pattern.length} characters is none`)
  }
  const parts = patternParts(pattern)
  const plain = unescapePattern(pattern)
  if (!parts.some(({ isMagic }) => isMagic)) return [plain]
  const search = new Search(files, parts, pattern.endsWith('/') ? '/' : '', signal)
  await search.run(pattern.startsWith('/') ? '/' : '', 0)
  return search.found.length === 0 ? [plain] : search.found.sort()
}

class Search {
  readonly found: string[] = []
  readonly #files: ScpFiles
  readonly #parts: readonly NamePattern[]
  readonly #ending: string
  readonly #signal: AbortSignal | undefined
  #listings = 0
  #namesLength = 0

  constructor(files: ScpFiles, parts: readonly NamePattern[], ending: string, signal: AbortSignal | undefined) {
    this.#files = files
    this.#parts = parts
    this.#ending = ending
    this.#signal = signal
  }

  /** Looks in `start` for what the parts from the one at `index` on match. */
  async run(start: string, index: number): Promise<void> {
    let directory = start
    let next = index
    let part = this.#parts[next++]
    for (; part !== undefined && !part.isMagic; part = this.#parts[next++])
      directory = joinPath(directory, part.literal)
    if (part === undefined) {
      const path = directory + this.#ending
      if (await this.#isThere(path)) this.#find(path)
      return
    }
    const names = await this.#matchingNames(directory, part)
    for (const name of names) {
      const path = joinPath(directory, name)
      if (next === this.#parts.length && this.#ending === '') this.#find(path)
      else await this.run(path, next)
    }
    for (const name of names) this.#namesLength -= name.length + nameOverhead
  }

  #find(path: string): void {
    this.#hold(path)
    this.found.push(path)
  }

  #hold(name: string): void {
    this.#namesLength += name.length + nameOverhead
    if (this.#namesLength > maximumNamesLength) throw tooMany()
  }

  async #matchingNames(directory: string, part: NamePattern): Promise<string[]> {
    if (++this.#listings > maximumListings) throw tooMany()
    const names: string[] = []
    try {
      for await (const { name } of this.#files.scandir(directory === '' ? '.' : directory, this.#signal)) {
        throwIfAborted(this.#signal)
        if (!part.matches(name)) continue
        this.#hold(name)
        names.push(name)
      }
    } catch (error) {
      if (this.#signal?.aborted || isTooMany(error)) throw error
    }
    return names
  }

  async #isThere(path: string): Promise<boolean> {
    const isDirectory = this.#ending !== ''
    try {
      const attrs = await this.#files.stat(path, isDirectory, this.#signal)
      return !isDirectory || attrs.isDirectory()
    } catch (error) {
      if (this.#signal?.aborted) throw error
      return false
    }
  }
}

function tooMany(): SftpError {
  return new SftpError('E2BIG', 'E2BIG: the pattern matches too much')
}

function isTooMany(error: unknown): boolean {
  return error instanceof SftpError && error.code === 'E2BIG'
}
