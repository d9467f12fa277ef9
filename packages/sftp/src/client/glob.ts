/**
 * Glob patterns over a tree: `*`, `?`, `[…]`, `**`, `{a,b}`, and `/` at the end for directories only.
 *
 * A pattern is matched one part at a time against listings, so names of the other side are only ever compared with it,
 * never read as patterns themselves.
 */

import { braceExpand, Minimatch, type MinimatchOptions, minimatch } from 'minimatch'
import { isOver, SftpError } from '../errors.js'
import type { ListableTree } from './file-tree.js'
import type { SftpGlobOptions } from './options.js'
import { assertDepth, assertPlainName, joinPath } from './paths.js'
import type { SftpStats } from './stats.js'

const matching: MinimatchOptions = {
  nobrace: true,
  nocomment: true,
  nonegate: true,
  noext: true,
  noglobstar: true,
  platform: 'linux',
}

/** Paths that match, found while they are asked for; as a promise, all of them. */
export interface SftpGlob extends AsyncIterable<string>, PromiseLike<string[]> {}

/** As {@link SftpGlob}, with attributes. */
export interface SftpGlobEntries extends AsyncIterable<SftpGlobEntry>, PromiseLike<SftpGlobEntry[]> {}

export interface SftpGlobEntry {
  readonly path: string
  /** Of a link itself, but where the pattern asks for directories. */
  readonly attrs: SftpStats
}

/** @throws SftpError `ENOENT` for a pattern without a match, unless `onError` takes it */
export function globPaths(tree: ListableTree, patterns: readonly string[], options: SftpGlobOptions): SftpGlob {
  return found(async function* () {
    for await (const { path } of findAll(tree, patterns, options)) yield path
  })
}

/** @throws SftpError as {@link globPaths} */
export function globEntries(
  tree: ListableTree,
  patterns: readonly string[],
  options: SftpGlobOptions,
): SftpGlobEntries {
  return found(() => findAll(tree, patterns, options))
}

function found<T>(search: () => AsyncGenerator<T>): AsyncIterable<T> & PromiseLike<T[]> {
  return {
    [Symbol.asyncIterator]: search,
    // biome-ignore lint/suspicious/noThenProperty: awaiting a glob for all its matches is what it is for
    then: (onFulfilled, onRejected) => collect(search()).then(onFulfilled, onRejected),
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

async function* findAll(
  tree: ListableTree,
  patterns: readonly string[],
  options: SftpGlobOptions,
): AsyncGenerator<SftpGlobEntry> {
  const seen = new Set<string>()
  for (const pattern of patterns) {
    let hasMatch = false
    for (const plain of braceExpand(pattern)) {
      for await (const entry of new Search(tree, plain, options).entries()) {
        hasMatch = true
        if (seen.has(entry.path)) continue
        seen.add(entry.path)
        yield entry
      }
    }
    if (!hasMatch) report(new SftpError('ENOENT', 'ENOENT: nothing matches the pattern', { path: pattern }), options)
  }
}

/** Gives an error to whoever collects them. The end of the session is none of them: nothing that follows can succeed. */
function report(error: unknown, { onError }: SftpGlobOptions): void {
  if (onError === undefined || !(error instanceof SftpError) || isOver(error)) throw error
  onError(error)
}

/** One part of a pattern: any number of directories, a name as it is, or something to match names with. */
type Part = { readonly kind: 'anyDepth' } | { readonly kind: 'literal'; readonly name: string } | MagicPart
interface MagicPart {
  readonly kind: 'magic'
  matches(name: string): boolean
}

/** One pattern without braces. */
class Search {
  readonly #tree: ListableTree
  readonly #options: SftpGlobOptions
  readonly #parts: readonly Part[]
  readonly #start: string
  readonly #isDirectoriesOnly: boolean

  constructor(tree: ListableTree, pattern: string, options: SftpGlobOptions) {
    this.#tree = tree
    this.#options = options
    this.#start = pattern.startsWith('/') ? '/' : ''
    this.#isDirectoriesOnly = pattern.endsWith('/')
    this.#parts = pattern
      .split('/')
      .filter((part) => part !== '')
      .map((part) => parsePart(part, options.dot ?? false))
  }

  entries(): AsyncGenerator<SftpGlobEntry> {
    return this.#walk(this.#start, undefined, 0, 0)
  }

  /** Matches of the parts from `index` on below `path`, whose attributes are known if a listing gave them. */
  async *#walk(
    path: string,
    attrs: SftpStats | undefined,
    index: number,
    depth: number,
  ): AsyncGenerator<SftpGlobEntry> {
    const part = this.#parts[index]
    if (part === undefined) {
      const wanted = path === '' ? undefined : await this.#attrsIfWanted(path, attrs)
      if (wanted !== undefined) yield { path: this.#isDirectoriesOnly ? joinPath(path, '') : path, attrs: wanted }
    } else if (part.kind === 'literal') {
      yield* this.#walk(joinPath(path, part.name), undefined, index + 1, depth)
    } else if (part.kind === 'magic') {
      yield* this.#walkMatches(path, part, index, depth)
    } else {
      yield* this.#walkAnyDepth(path, attrs, index, depth)
    }
  }

  async *#walkMatches(path: string, part: MagicPart, index: number, depth: number): AsyncGenerator<SftpGlobEntry> {
    const isLast = index === this.#parts.length - 1
    for await (const { name, attrs } of this.#list(path)) {
      if (!part.matches(name)) continue
      // Most matches are these: each generator on their way costs as much as a packet.
      if (isLast && !this.#isDirectoriesOnly) {
        yield { path: joinPath(path, name), attrs }
        continue
      }
      // What is listed exists; and below something that is no directory nothing can match.
      const canDescend = attrs.isDirectory() || attrs.isSymbolicLink() || attrs.type === 'unknown'
      if (isLast || canDescend) yield* this.#walk(joinPath(path, name), attrs, index + 1, depth)
    }
  }

  /** `**`: here, and in every directory below that is no link. At the end it matches everything there. */
  async *#walkAnyDepth(
    path: string,
    attrs: SftpStats | undefined,
    index: number,
    depth: number,
  ): AsyncGenerator<SftpGlobEntry> {
    const isLast = index === this.#parts.length - 1
    yield* this.#walk(path, attrs, index + 1, depth)
    if (!this.#reported(() => assertDepth(depth, path))) return
    for await (const { name, attrs } of this.#list(path)) {
      if (name.startsWith('.') && !this.#options.dot) continue
      const child = joinPath(path, name)
      if (attrs.isDirectory()) yield* this.#walkAnyDepth(child, attrs, index, depth + 1)
      else if (isLast) yield* this.#walk(child, attrs, index + 1, depth)
    }
  }

  /** Attributes of `path` if the whole pattern matches it: it exists, and is a directory if the pattern says so. */
  async #attrsIfWanted(path: string, attrs: SftpStats | undefined): Promise<SftpStats | undefined> {
    if (attrs !== undefined && !this.#isDirectoriesOnly) return attrs
    if (attrs?.isDirectory()) return attrs
    try {
      const found = await this.#tree.stat(path, this.#isDirectoriesOnly, this.#options.signal)
      return !this.#isDirectoriesOnly || found.isDirectory() ? found : undefined
    } catch (error) {
      if (!isMissing(error)) report(error, this.#options)
      return undefined
    }
  }

  async *#list(path: string) {
    try {
      for await (const entry of this.#tree.scandir(path === '' ? '.' : path, this.#options.signal)) {
        if (this.#reported(() => assertPlainName(entry.name, path))) yield entry
      }
    } catch (error) {
      if (!isMissing(error)) report(error, this.#options)
    }
  }

  /** Whether all is as it should be; what is not is reported. */
  #reported(check: () => void): boolean {
    try {
      check()
      return true
    } catch (error) {
      report(error, this.#options)
      return false
    }
  }
}

function parsePart(part: string, dot: boolean): Part {
  if (part === '**') return { kind: 'anyDepth' }
  const matcher = new Minimatch(part, { ...matching, dot })
  if (!matcher.hasMagic()) return { kind: 'literal', name: minimatch.unescape(part) }
  return { kind: 'magic', matches: (name) => matcher.match(name) }
}

/** Not there, or no directory: nothing matches below it, which is no failure. */
function isMissing(error: unknown): boolean {
  return error instanceof SftpError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}
