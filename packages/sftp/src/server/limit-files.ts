/** Limits for what a client may store, around any handler. */

import { SftpError } from '../errors.js'
import { type SftpAttrs, typeOfAttrs } from '../protocol/attrs.js'
import type { DataPlaces } from '../protocol/data-ranges.js'
import type { SftpStatVfs } from '../protocol/extensions.js'
import { lastPart } from '../protocol/last-part.js'
import { openFlags } from '../protocol/open-flags.js'
import { countFiles, type FileUsage } from './file-usage.js'
import type { Awaitable, SftpDirEntry, SftpHandler } from './handler.js'
import type { SftpRequestEvent } from './request-event.js'

export interface FileLimits {
  /**
   * Bytes of all files together, by their sizes: a hole counts as if it were filled, so that a size can be set only as
   * far as it may be written. Beyond it: `EDQUOT`. Default: no limit. With it hard links are not offered, nor with
   * `maximumFileSize`: a file of two names cannot be counted by its names.
   */
  readonly maximumBytes?: number
  /** Bytes of one file. Beyond it: `EFBIG`. Default: no limit. */
  readonly maximumFileSize?: number
  /** Files, directories and links together. Beyond it: `EDQUOT`. Default: no limit. */
  readonly maximumFiles?: number
  /** What is there already. Default: everything below `/` is counted before the first change. */
  readonly used?: FileUsage
}

/** A file that is open under limits. */
export interface LimitedFile<F> {
  readonly file: F
  /** What it counts as; undefined when it is open for reading only. */
  readonly account: FileAccount | undefined
  readonly appends: boolean
}

/** A handler under limits. */
export interface LimitedHandler<F> extends SftpHandler<LimitedFile<F>> {
  /** What is taken now. @throws what the handler throws while counting */
  usage(): Promise<FileUsage>
}

/**
 * Puts limits around a handler. Every way to make a file longer goes through them: writing, truncating upwards, setting a
 * size, copying on the server.
 *
 * Sessions that shall share one limit share one limited handler. What changes the files by other ways is not seen.
 *
 * @example
 * serveSftp(channel, limitFiles(new SftpServer({ root: '/srv/upload' }), { maximumBytes: 2 ** 30 }))
 * @throws SftpError `EINVAL` for a limit that is no whole number
 */
export function limitFiles<F>(handler: SftpHandler<F>, limits: FileLimits): LimitedHandler<F> {
  return new FileLimiter(handler, limits)
}

/** What one file counts as while it is open for writing. Its size changes one call after the other. */
class FileAccount {
  /** Canonical path; undefined once it has no name any more. */
  place: string | undefined
  size: number
  writers = 0
  #tail: Promise<unknown> = Promise.resolve()

  constructor(place: string, size: number) {
    this.place = place
    this.size = size
  }

  run<R>(task: () => Promise<R>): Promise<R> {
    const result = this.#tail.then(task)
    this.#tail = result.catch(() => {})
    return result
  }
}

class FileLimiter<F> implements LimitedHandler<F> {
  readonly #handler: SftpHandler<F>
  readonly #limits: FileLimits
  #counted: Promise<void> | undefined
  #bytes = 0
  #files = 0
  /** Files that are open for writing, by canonical path. */
  readonly #accounts = new Map<string, FileAccount>()
  #tail: Promise<unknown> = Promise.resolve()

  readonly posixRename?: (oldPath: string, newPath: string) => Promise<void>
  readonly link?: (oldPath: string, newPath: string) => Promise<void>
  readonly lsetstat?: (path: string, attrs: SftpAttrs) => Promise<void>
  readonly statvfs?: (path: string) => Promise<SftpStatVfs>
  readonly fstatvfs?: (file: LimitedFile<F>) => Promise<SftpStatVfs>
  readonly fsync?: (file: LimitedFile<F>) => Awaitable<void>
  readonly lock?: (file: LimitedFile<F>, offset: number, length: number, flags: number) => Awaitable<void>
  readonly unlock?: (file: LimitedFile<F>, offset: number, length: number) => Awaitable<void>
  readonly formatUser?: (uid: number) => Awaitable<string>
  readonly formatGroup?: (gid: number) => Awaitable<string>
  readonly parseUser?: (name: string) => Awaitable<number | undefined>
  readonly parseGroup?: (name: string) => Awaitable<number | undefined>
  readonly settable?: number
  readonly dataRanges?: (file: LimitedFile<F>, offset: number, length: number) => Awaitable<DataPlaces>
  readonly homeDirectory?: (username: string) => Awaitable<string | undefined>
  readonly isSameFile?: (first: LimitedFile<F>, second: LimitedFile<F>) => Awaitable<boolean>
  readonly onRequest?: (event: SftpRequestEvent) => void

  get releasesData(): boolean {
    return this.#handler.releasesData === true
  }

  constructor(handler: SftpHandler<F>, limits: FileLimits) {
    const { maximumBytes = 0, maximumFileSize = 0, maximumFiles = 0, used } = limits
    for (const [name, value] of Object.entries({ maximumBytes, maximumFileSize, maximumFiles, ...used })) {
      if (Number.isSafeInteger(value) && value >= 0) continue
      throw new SftpError('EINVAL', `Expected ${name} to be a whole number of 0 or more, found ${String(value)}`)
    }
    this.#handler = handler
    this.#limits = limits
    if (handler.posixRename !== undefined) this.posixRename = (from, to) => this.#replace(from, to)
    const countsBytes = limits.maximumBytes !== undefined || limits.maximumFileSize !== undefined
    if (handler.link !== undefined && !countsBytes) this.link = (from, to) => this.#link(from, to)
    if (handler.lsetstat !== undefined) this.lsetstat = (path, attrs) => this.#lsetstat(path, attrs)
    if (handler.statvfs !== undefined) this.statvfs = async (path) => this.#limited(await handler.statvfs?.(path))
    if (handler.fstatvfs !== undefined) {
      this.fstatvfs = async ({ file }) => this.#limited(await handler.fstatvfs?.(file))
    }
    if (handler.lock !== undefined) {
      this.lock = ({ file }, offset, length, flags) => handler.lock?.(file, offset, length, flags)
    }
    if (handler.unlock !== undefined) this.unlock = ({ file }, offset, length) => handler.unlock?.(file, offset, length)
    if (handler.formatUser !== undefined) this.formatUser = (uid) => handler.formatUser?.(uid) ?? String(uid)
    if (handler.formatGroup !== undefined) this.formatGroup = (gid) => handler.formatGroup?.(gid) ?? String(gid)
    if (handler.parseUser !== undefined) this.parseUser = (name) => handler.parseUser?.(name)
    if (handler.parseGroup !== undefined) this.parseGroup = (name) => handler.parseGroup?.(name)
    if (handler.settable !== undefined) this.settable = handler.settable
    const { dataRanges, isSameFile } = handler
    if (dataRanges !== undefined) {
      this.dataRanges = ({ file }, offset, length) => dataRanges.call(handler, file, offset, length)
    }
    if (handler.homeDirectory !== undefined) this.homeDirectory = (username) => handler.homeDirectory?.(username)
    if (isSameFile !== undefined) {
      this.isSameFile = (first, second) => isSameFile.call(handler, first.file, second.file)
    }
    if (handler.onRequest !== undefined) this.onRequest = (event) => handler.onRequest?.(event)
    if (handler.fsync !== undefined) this.fsync = ({ file }) => handler.fsync?.(file)
  }

  async usage(): Promise<FileUsage> {
    await this.#count()
    return { bytes: this.#bytes, files: this.#files }
  }

  async open(path: string, flags: number, attrs: SftpAttrs): Promise<LimitedFile<F>> {
    const appends = (flags & openFlags.append) !== 0
    if ((flags & ~openFlags.read) === 0) {
      return { file: await this.#handler.open(path, flags, attrs), account: undefined, appends }
    }
    return this.#inTurn(async () => {
      const place = await this.#handler.realpath(path)
      const known = this.#accounts.get(place)
      const before = known?.size ?? (await this.#sizeAt(path))
      if (before === undefined) this.#assertRoomForName(path)
      const file = await this.#handler.open(path, flags, attrs)
      const account = known ?? new FileAccount(place, before ?? 0)
      try {
        await account.run(async () => this.#setSize(account, (await this.#handler.fstat(file)).size ?? 0))
      } catch (error) {
        await this.#handler.close(file)
        throw error
      }
      if (before === undefined) this.#files++
      account.writers++
      this.#accounts.set(place, account)
      return { file, account, appends }
    })
  }

  async close({ file, account }: LimitedFile<F>): Promise<void> {
    try {
      await this.#handler.close(file)
    } finally {
      if (account !== undefined && --account.writers === 0) {
        if (account.place === undefined) this.#bytes -= account.size
        else if (this.#accounts.get(account.place) === account) this.#accounts.delete(account.place)
      }
    }
  }

  read({ file }: LimitedFile<F>, into: Uint8Array, position: number): Awaitable<number> {
    return this.#handler.read(file, into, position)
  }

  async write({ file, account, appends }: LimitedFile<F>, data: Uint8Array, position: number): Promise<void> {
    if (account === undefined) throw notWritable()
    // As write(2): nothing is written, and the file gets no longer.
    if (data.length === 0) return
    await account.run(() => {
      const end = (appends ? account.size : position) + data.length
      return this.#resize(account, file, Math.max(account.size, end), () => this.#handler.write(file, data, position))
    })
  }

  fstat({ file }: LimitedFile<F>, wanted?: number): Awaitable<SftpAttrs> {
    return this.#handler.fstat(file, wanted)
  }

  async fsetstat({ file, account }: LimitedFile<F>, attrs: SftpAttrs): Promise<void> {
    const { size } = attrs
    if (size === undefined) return this.#handler.fsetstat(file, attrs)
    if (account === undefined) throw notWritable()
    await account.run(() => this.#resize(account, file, size, () => this.#handler.fsetstat(file, attrs)))
  }

  stat(path: string, wanted?: number): Awaitable<SftpAttrs> {
    return this.#handler.stat(path, wanted)
  }

  lstat(path: string, wanted?: number): Awaitable<SftpAttrs> {
    return this.#handler.lstat(path, wanted)
  }

  scandir(path: string, wanted?: number): AsyncIterable<SftpDirEntry> | Iterable<SftpDirEntry> {
    return this.#handler.scandir(path, wanted)
  }

  realpath(path: string): Awaitable<string> {
    return this.#handler.realpath(path)
  }

  readlink(path: string): Awaitable<string> {
    return this.#handler.readlink(path)
  }

  async setstat(path: string, attrs: SftpAttrs): Promise<void> {
    const { size } = attrs
    if (size === undefined) return this.#handler.setstat(path, attrs)
    await this.#inTurn(() => this.#setSizeAt(path, size, () => this.#handler.setstat(path, attrs)))
  }

  async mkdir(path: string, attrs: SftpAttrs): Promise<void> {
    await this.#addName(path, () => this.#handler.mkdir(path, attrs))
  }

  async rmdir(path: string): Promise<void> {
    await this.#inTurn(async () => {
      await this.#handler.rmdir(await this.#entryPlace(path))
      this.#files--
    })
  }

  async remove(path: string): Promise<void> {
    await this.#inTurn(async () => {
      const removed = await this.#look(path)
      await this.#handler.remove(removed.place)
      this.#forget(removed)
    })
  }

  async rename(oldPath: string, newPath: string): Promise<void> {
    await this.#inTurn(async () => {
      const from = await this.#entryPlace(oldPath)
      const to = await this.#entryPlace(newPath)
      await this.#handler.rename(from, to)
      this.#move(from, to)
    })
  }

  async symlink(targetPath: string, linkPath: string): Promise<void> {
    await this.#addName(linkPath, () => this.#handler.symlink(targetPath, linkPath))
  }

  end(): Awaitable<void> {
    return this.#handler.end?.()
  }

  async #replace(oldPath: string, newPath: string): Promise<void> {
    await this.#inTurn(async () => {
      const from = await this.#entryPlace(oldPath)
      const replaced = await this.#look(newPath)
      await this.#handler.posixRename?.(from, replaced.place)
      // Two names of one file stay two, as rename(2) has it.
      if (replaced.place === from || (await this.#look(from)).isThere) return
      this.#forget(replaced)
      this.#move(from, replaced.place)
    })
  }

  async #link(oldPath: string, newPath: string): Promise<void> {
    await this.#addName(newPath, () => this.#handler.link?.(oldPath, newPath))
  }

  async #lsetstat(path: string, attrs: SftpAttrs): Promise<void> {
    const { size } = attrs
    if (size === undefined) return this.#handler.lsetstat?.(path, attrs)
    await this.#inTurn(async () => {
      // A size that is set by way of what may be a link is set on whatever is there by then.
      const isLink = typeOfAttrs(await this.#handler.lstat(path)) === 'symlink'
      if (isLink) throw new SftpError('ENOTSUP', 'A link has no size that could be set', { path })
      await this.#setSizeAt(path, size, () => this.#handler.setstat(path, attrs))
    })
  }

  /** Sets the size of what a path leads to. */
  async #setSizeAt(path: string, size: number, set: () => Awaitable<void>): Promise<void> {
    const place = await this.#handler.realpath(path)
    const account = this.#accounts.get(place) ?? new FileAccount(place, (await this.#sizeAt(path)) ?? 0)
    await account.run(() => this.#resize(account, undefined, size, set))
  }

  /** Runs what changes names, or depends on them, one after the other, once everything is counted. */
  #inTurn<R>(task: () => Promise<R>): Promise<R> {
    const result = this.#tail.then(() => this.#count()).then(task)
    this.#tail = result.catch(() => {})
    return result
  }

  #count(): Promise<void> {
    this.#counted ??= this.#countAll().catch((error: unknown) => {
      this.#counted = undefined
      throw error
    })
    return this.#counted
  }

  async #countAll(): Promise<void> {
    const { bytes, files } = this.#limits.used ?? (await countFiles(this.#handler))
    this.#bytes += bytes
    this.#files += files
  }

  async #addName(path: string, task: () => Awaitable<void>): Promise<void> {
    await this.#inTurn(async () => {
      this.#assertRoomForName(path)
      await task()
      this.#files++
    })
  }

  /** Does what gives a file this size, if it may have it; afterwards counts what it has. */
  async #resize(account: FileAccount, file: F | undefined, size: number, task: () => Awaitable<void>): Promise<void> {
    const { maximumBytes, maximumFileSize } = this.#limits
    const before = account.size
    const { place } = account
    if (size > before && maximumFileSize !== undefined && size > maximumFileSize) {
      throw refusal('EFBIG', `A file may have ${maximumFileSize} bytes`, 'File too large', place)
    }
    if (size > before && maximumBytes !== undefined && this.#bytes + size - before > maximumBytes) {
      throw refusal('EDQUOT', `Files may have ${maximumBytes} bytes together`, 'Disk quota exceeded', place)
    }
    // What grows is counted before, so that two that grow at once cannot both have the last byte.
    if (size > before) this.#setSize(account, size)
    try {
      await task()
      this.#setSize(account, size)
    } catch (error) {
      // When nobody can tell how far it came, the larger of the two counts.
      const found = await this.#sizeNow(file, place).catch(() => Math.max(before, account.size))
      this.#setSize(account, found)
      throw error
    }
  }

  async #sizeNow(file: F | undefined, place: string | undefined): Promise<number> {
    if (file !== undefined) return (await this.#handler.fstat(file)).size ?? 0
    return (place === undefined ? undefined : await this.#sizeAt(place)) ?? 0
  }

  #setSize(account: FileAccount, size: number): void {
    this.#bytes += size - account.size
    account.size = size
  }

  #assertRoomForName(path: string): void {
    const { maximumFiles } = this.#limits
    if (maximumFiles === undefined || this.#files < maximumFiles) return
    throw refusal('EDQUOT', `There may be ${maximumFiles} files`, 'Disk quota exceeded', path)
  }

  /** The size of the file a path leads to; undefined: there is none. */
  async #sizeAt(path: string): Promise<number | undefined> {
    try {
      const attrs = await this.#handler.stat(path)
      return typeOfAttrs(attrs) === 'directory' ? 0 : (attrs.size ?? 0)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** What a name that goes away counts as. */
  async #look(path: string): Promise<{ place: string; isThere: boolean; size: number }> {
    const place = await this.#entryPlace(path)
    try {
      const attrs = await this.#handler.lstat(place)
      return { place, isThere: true, size: typeOfAttrs(attrs) === 'file' ? (attrs.size ?? 0) : 0 }
    } catch (error) {
      if (isMissing(error)) return { place, isThere: false, size: 0 }
      throw error
    }
  }

  /** A name is gone. A file that is still open for writing goes on counting until it is closed. */
  #forget({ place, isThere, size }: { place: string; isThere: boolean; size: number }): void {
    if (!isThere) return
    this.#files--
    const account = this.#accounts.get(place)
    if (account === undefined) {
      this.#bytes -= size
      return
    }
    this.#accounts.delete(place)
    account.place = undefined
  }

  /** What is open below `from` is below `to` now. */
  #move(from: string, to: string): void {
    for (const [place, account] of [...this.#accounts]) {
      if (place !== from && !place.startsWith(`${from}/`)) continue
      this.#accounts.delete(place)
      account.place = to + place.slice(from.length)
      this.#accounts.set(account.place, account)
    }
  }

  /**
   * The canonical path of a name, a link at the end not followed. It is what is changed too: of another spelling, such as
   * one with a slash at its end, the handler could think otherwise.
   */
  async #entryPlace(path: string): Promise<string> {
    const { parent, name } = lastPart(path)
    if (name === '' || name === '..') return this.#handler.realpath(path)
    const above = await this.#handler.realpath(parent || '.')
    return above === '/' ? `/${name}` : `${above}/${name}`
  }

  /** What is left of a file system under the limits: the least of both. */
  async #limited(answer: SftpStatVfs | undefined): Promise<SftpStatVfs> {
    if (answer === undefined) throw new SftpError('ENOTSUP', 'Nothing is known of the file system')
    const { maximumBytes = Number.POSITIVE_INFINITY, maximumFiles = Number.POSITIVE_INFINITY } = this.#limits
    const { bytes, files } = await this.usage()
    const blocksIn = (size: number): number => Math.floor(Math.max(0, size) / answer.frsize)
    const freeBlocks = blocksIn(maximumBytes - bytes)
    const freeFiles = Math.max(0, maximumFiles - files)
    return {
      ...answer,
      blocks: Math.min(answer.blocks, blocksIn(maximumBytes)),
      bfree: Math.min(answer.bfree, freeBlocks),
      bavail: Math.min(answer.bavail, freeBlocks),
      files: Math.min(answer.files, maximumFiles),
      ffree: Math.min(answer.ffree, freeFiles),
      favail: Math.min(answer.favail, freeFiles),
    }
  }
}

function notWritable(): SftpError {
  return new SftpError('EBADF', 'The file is not open for writing')
}

function isMissing(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ENOENT'
}

function refusal(code: string, message: string, serverText: string, path: string | undefined): SftpError {
  return new SftpError(code, message, { serverText, ...(path !== undefined && { path }) })
}
