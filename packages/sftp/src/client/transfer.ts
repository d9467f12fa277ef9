/** Copies files and trees from one side to the other: the walk, the order of things, and what happens on errors. */

import { printable } from '@ssh/wire'
import { isOver, SftpError } from '../errors.js'
import { onAbort, throwIfAborted } from './abort.js'
import { assertOutside } from './copy-place.js'
import type { FileTree } from './file-tree.js'
import type { InFlightBudget } from './in-flight-budget.js'
import type { SftpTransferOptions } from './options.js'
import { assertDepth, assertPlainName, assertSafeLocalName } from './paths.js'
import { Progress } from './progress.js'
import { preservedAttrs } from './remote-tree.js'
import type { SftpStats } from './stats.js'
import { TaskPool } from './task-pool.js'
import { type SftpTransferTrace, traced, transferChannel } from './tracing.js'
import { FileContent } from './transfer/file-content.js'
import { contentOptionsOf, writeRulesOf } from './transfer/rules.js'
import { writeFile } from './transfer/write-file.js'

/** What is copied where. */
export interface TransferPlan {
  readonly operation: SftpTransferTrace['operation']
  readonly from: FileTree
  readonly to: FileTree
  readonly sources: readonly TransferSource[]
  readonly destination: string
  /** Whether `destination` is a directory, to be made if it is missing: there may be several sources. */
  readonly intoDirectory: boolean
  /** Whether the sources were named by the caller, not by a listing of the other side. */
  readonly areGiven: boolean
  readonly budget: InFlightBudget
  /** Files copied at the same time, unless the caller says otherwise. */
  readonly concurrency: number
}

export interface TransferSource {
  readonly path: string
  /** What a listing told of it. */
  readonly attrs?: SftpStats | undefined
}

/** Copies everything of `plan`. @throws SftpError the first failure, unless `onError` takes them */
export function transfer(plan: TransferPlan, options: SftpTransferOptions): Promise<void> {
  return traced(
    transferChannel,
    () => ({ operation: plan.operation, sources: plan.sources.length }),
    async (trace) => {
      const progress = new Progress(options.progress)
      try {
        await new Transfer(plan, options, progress).run()
      } finally {
        if (trace !== undefined) Object.assign(trace, progress.copied)
      }
    },
  )
}

/** One thing to copy. */
interface Item {
  readonly src: string
  readonly dst: string
  /** Whether the caller named `dst`. */
  readonly isGiven: boolean
  readonly depth: number
  /** The directory that a walk found it in. */
  readonly above?: Entered
  /** Whether it may be a link, as far as the listing tells. */
  readonly mayBeLink?: boolean
}

/** A directory that a walk is in. */
interface Entered {
  /** Where it is once links are followed; undefined when that is not known, or does not matter. */
  readonly realPath: string | undefined
  readonly above: Entered | undefined
}

class Transfer {
  readonly #plan: TransferPlan
  readonly #options: SftpTransferOptions
  readonly #progress: Progress
  readonly #concurrency: number
  readonly #pool: TaskPool
  /** Stops everything: the caller wants it, or something failed. */
  readonly #stop = new AbortController()
  #failure: { readonly error: unknown } | undefined
  /** Links are made when all files are written: nothing of this run can be written through one of them. */
  readonly #links: Item[] = []
  /** Directories whose attributes are set when nothing is written into them any more; parents first. */
  readonly #directories: { readonly item: Item; readonly attrs: SftpStats }[] = []

  constructor(plan: TransferPlan, options: SftpTransferOptions, progress: Progress) {
    this.#plan = plan
    this.#options = options
    this.#progress = progress
    this.#concurrency = options.concurrency ?? plan.concurrency
    this.#pool = new TaskPool(this.#concurrency)
  }

  async run(): Promise<void> {
    const { signal } = this.#options
    throwIfAborted(signal)
    const stopWatching = signal && onAbort(signal, () => this.#stop.abort(signal.reason))
    try {
      await this.#copyAll()
    } catch (error) {
      this.#failure ??= { error }
    } finally {
      await this.#pool.drain()
      stopWatching?.()
    }
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #copyAll(): Promise<void> {
    const { to, sources, destination, intoDirectory } = this.#plan
    let isDirectory = await this.#isDirectory(destination)
    if (intoDirectory && !isDirectory) {
      await to.ensureDirectory(destination, true, this.#stop.signal)
      isDirectory = true
    }
    const taken = new Map<string, string>()
    const attrsOf = this.#attrsInAdvance(sources)
    for (const [index, { path: src }] of sources.entries()) {
      const item = this.#topItem(src, isDirectory)
      await this.#guard(item, async () => {
        assertFree(taken, item)
        if (!item.isGiven) this.#assertSafeName(this.#plan.from.baseName(src), destination)
        const attrs = await attrsOf(index)
        if (this.#isWithinOneTree) await assertOutside(to, src, item.dst, this.#stop.signal)
        await this.#copy(item, attrs)
      })
    }
    await this.#pool.drain()
    for (const item of this.#links) await this.#guard(item, () => this.#copyLink(item))
    for (const { item, attrs } of this.#directories.reverse()) {
      await this.#guard(item, () => to.setAttrs(item.dst, preservedAttrs(attrs), this.#stop.signal))
    }
  }

  /** Attributes of the n-th source, while those of the next ones are asked for: each would take a round trip. */
  #attrsInAdvance(sources: readonly TransferSource[]): (index: number) => Promise<SftpStats> {
    // Within one tree, what is copied may change what comes after it.
    const inAdvance = this.#isWithinOneTree ? 0 : this.#concurrency
    const asked: Promise<SftpStats>[] = []
    return (index) => {
      for (const { path, attrs } of sources.slice(asked.length, index + inAdvance + 1)) {
        const answer = attrs === undefined ? this.#stat(path) : Promise.resolve(this.#attrsOfEntry(path, attrs))
        // Nobody hears of those that are not come to.
        answer.catch(() => {})
        asked.push(answer)
      }
      return asked[index] ?? Promise.reject(new RangeError(`No source ${index}`))
    }
  }

  /** `/`, `.` and `..` have no name of their own: their content goes into the directory itself. */
  #topItem(src: string, intoDirectory: boolean): Item {
    const { from, to, destination, areGiven } = this.#plan
    const name = from.baseName(src)
    const hasName = name !== '' && name !== '.' && name !== '..'
    if (!intoDirectory || !hasName) return { src, dst: destination, isGiven: true, depth: 0 }
    return { src, dst: to.join(destination, name), isGiven: areGiven, depth: 0 }
  }

  async #copy(item: Item, attrs: SftpStats): Promise<void> {
    throwIfAborted(this.#stop.signal)
    if (attrs.isDirectory()) return this.#copyDirectory(item, attrs)
    if (attrs.isSymbolicLink()) {
      this.#links.push(item)
      return
    }
    if (!item.isGiven) assertFile(attrs, item.src)
    if (item.dst.endsWith('/')) {
      throw new SftpError('ENOENT', 'ENOENT: no such directory to copy into; make it first', { path: item.dst })
    }
    this.#progress.found(attrs.size ?? 0)
    await this.#pool.add(() => this.#guard(item, () => this.#copyFile(item, attrs)))
  }

  async #copyDirectory(item: Item, attrs: SftpStats): Promise<void> {
    const { from, to } = this.#plan
    const { recurse = false, preserve = false } = this.#options
    const { signal } = this.#stop
    if (!recurse) {
      throw new SftpError('EISDIR', 'EISDIR: a directory is copied only with the option recurse', { path: item.src })
    }
    assertDepth(item.depth, item.src)
    // A link in the tree may lead to where the copy goes: it would be copied into itself, over and over.
    const isRisky = this.#isWithinOneTree && (this.#options.followSymlinks ?? false) && item.depth > 0
    if (isRisky) await assertOutside(to, item.src, this.#plan.destination, signal)
    const above = { realPath: await this.#realPath(item), above: item.above }
    assertNotEntered(above, item.src)
    await to.ensureDirectory(item.dst, item.isGiven, signal)
    if (preserve) this.#directories.push({ item, attrs })
    for await (const entry of from.scandir(item.src, signal)) {
      const child = {
        src: from.join(item.src, entry.name),
        dst: to.join(item.dst, entry.name),
        isGiven: false,
        depth: item.depth + 1,
        above,
        mayBeLink: entry.attrs.isSymbolicLink() || entry.attrs.type === 'unknown',
      }
      await this.#guard(child, async () => {
        this.#assertSafeName(entry.name, item.src)
        await this.#copy(child, await this.#attrsOfEntry(child.src, entry.attrs))
      })
    }
  }

  /** Where a directory is: asked for only where links are followed, and not for what must lie in the one above. */
  async #realPath({ src, above, mayBeLink = true }: Item): Promise<string | undefined> {
    if (!this.#options.followSymlinks) return undefined
    const { from } = this.#plan
    if (!mayBeLink && above?.realPath !== undefined) return from.join(above.realPath, from.baseName(src))
    try {
      return await from.realPath(src, this.#stop.signal)
    } catch (error) {
      // Then only the depth is bounded.
      if (error instanceof SftpError && !isOver(error)) return undefined
      throw error
    }
  }

  /** Attributes of a listing tell the type, unless the server leaves it out or a link is to be followed. */
  #attrsOfEntry(path: string, attrs: SftpStats): Promise<SftpStats> | SftpStats {
    const isEnough = attrs.type !== 'unknown' && !(attrs.isSymbolicLink() && this.#options.followSymlinks)
    return isEnough ? attrs : this.#stat(path)
  }

  async #copyFile(item: Item, attrs: SftpStats): Promise<void> {
    const { from, to, budget } = this.#plan
    const { signal } = this.#stop
    const progress = this.#progress.file(item.src, item.dst, attrs.size ?? 0)
    const source = await from.openSource(item.src, attrs, signal)
    try {
      const content = new FileContent(item.src, attrs, source, contentOptionsOf(this.#options, budget, signal))
      const destination = { tree: to, path: item.dst, isGiven: item.isGiven, holdsSource: this.#isWithinOneTree }
      await writeFile(content, destination, writeRulesOf(this.#options, budget, signal), progress)
    } finally {
      source.close()
    }
  }

  async #copyLink({ src, dst }: Item): Promise<void> {
    const { from, to } = this.#plan
    const { signal } = this.#stop
    const target = await from.readlink(src, signal)
    try {
      await to.symlink(target, dst, signal)
    } catch (error) {
      // The same link, from an earlier transfer, is as good as made.
      const isThere = error instanceof SftpError && error.code === 'EEXIST'
      if (!isThere || (await to.readlink(dst, signal).catch(() => undefined)) !== target) throw error
    }
  }

  #stat(path: string): Promise<SftpStats> {
    return this.#plan.from.stat(path, this.#options.followSymlinks ?? false, this.#stop.signal)
  }

  async #isDirectory(path: string): Promise<boolean> {
    try {
      return (await this.#plan.to.stat(path, true, this.#stop.signal)).isDirectory()
    } catch (error) {
      // Whatever is wrong with it, opening or making it will say so with the right name.
      if (error instanceof SftpError && !isOver(error)) return false
      throw error
    }
  }

  get #isWithinOneTree(): boolean {
    return this.#plan.from === this.#plan.to
  }

  #assertSafeName(name: string, directory: string): void {
    if (this.#plan.to.kind === 'local') assertSafeLocalName(name, directory)
    else assertPlainName(name, directory)
  }

  /** Runs one step; its failure goes to `onError`, or ends the transfer. */
  async #guard(item: Item, step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      // What has ended the transfer comes through every directory above.
      if (this.#failure !== undefined && this.#failure.error === error) throw error
      const failure = this.#unlessTaken(error, item)
      if (failure === undefined) return
      this.#failure ??= failure
      this.#stop.abort(failure.error)
      throw failure.error
    }
  }

  /** What ends the transfer: the error, unless `onError` takes it, or what `onError` throws. */
  #unlessTaken(error: unknown, { src, dst }: Item): { readonly error: unknown } | undefined {
    if (!(error instanceof SftpError) || isOver(error)) return { error }
    error.srcpath ??= src
    error.dstpath ??= dst
    const { onError } = this.#options
    if (onError === undefined) return { error }
    try {
      onError(error)
      return undefined
    } catch (thrown) {
      return { error: thrown }
    }
  }
}

/** With a few links that lead back, a walk to any depth that is worth having would take for ever. */
function assertNotEntered({ realPath, above }: Entered, path: string): void {
  if (realPath === undefined) return
  for (let entered = above; entered !== undefined; entered = entered.above) {
    if (entered.realPath !== realPath) continue
    throw new SftpError('ELOOP', 'ELOOP: a symbolic link leads back to a directory that it is in', { path })
  }
}

/** Reading a pipe or a device that a walk came upon may wait, or go on, for ever. */
function assertFile({ type }: SftpStats, path: string): void {
  if (type === 'file' || type === 'unknown') return
  throw new SftpError('EINVAL', `EINVAL: no file but of type ${type}, which is read only when it is named itself`, {
    path,
  })
}

/** Of two sources with one name, the second would replace the first and nobody would notice. */
function assertFree(taken: Map<string, string>, { src, dst }: Item): void {
  const other = taken.get(dst)
  if (other !== undefined && other !== src) {
    throw new SftpError(
      'EEXIST',
      `EEXIST: ${printable(other)} has the same name; copy them into different directories`,
      {
        path: src,
      },
    )
  }
  taken.set(dst, src)
}
