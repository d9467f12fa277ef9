/** The local file system as one side of a transfer. Only this file of the client touches it. */

import * as fs from 'node:fs'
import * as nodePath from 'node:path'
import { promisify } from 'node:util'
import { asBuffer } from '@ssh/wire'
import { BlockMemory } from '../block-memory.js'
import { SftpError } from '../errors.js'
import { localRanges, mayHaveHoles } from '../local-data-ranges.js'
import { linkTarget, localNames } from '../local-names.js'
import { toLocalPath, toNamePath } from '../local-path.js'
import { partsOfMilliseconds, timesToSet } from '../local-times.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import type { DataRange } from '../protocol/data-ranges.js'
import { meaningOf } from '../system-errors.js'
import type {
  FileTree,
  SourceBlock,
  SourceFile,
  TargetFile,
  TargetMode,
  TargetOptions,
  TreeEntry,
} from './file-tree.js'
import { GatheredCalls } from './gathered-calls.js'
import { preservedAttrs } from './remote-tree.js'
import { SftpStats } from './stats.js'
import { linkInTheWay } from './transfer/landing.js'

const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY, O_TRUNC, O_WRONLY } = fs.constants

const open = promisify(fs.open)
const close = promisify(fs.close)
const fchmod = promisify(fs.fchmod)
const fchown = promisify(fs.fchown)
const fstat = promisify(fs.fstat)
const fsync = promisify(fs.fsync)
const ftruncate = promisify(fs.ftruncate)
const futimes = promisify(fs.futimes)

/** Bytes per local read or write at most, for peers that take more. */
const maximumLength = 1024 * 1024

/** Writes to a disk take no time to speak of: none needs to go far ahead of another. */
export const localSpread = 4 * 1024 * 1024

/** Names looked at side by side while a directory is listed. */
const namesAtOnce = 32

export class LocalTree implements FileTree {
  readonly kind = 'local'
  readonly canReplace = true
  readonly maximumSpread = localSpread
  /**
   * Of this tree, and so of one server: one that answers a WRITE it has not been sent yet mixes up what follows, but
   * only with bytes that are on their way to it anyway.
   */
  readonly #memory = new BlockMemory()

  join(directory: string, name: string): string {
    // Not path.join: it would fold `..` away, and a name with escaped bytes is none of its business.
    return directory === '' || /[/\\]$/.test(directory) ? directory + name : directory + nodePath.sep + name
  }

  baseName(path: string): string {
    return nodePath.basename(path)
  }

  async stat(path: string, followSymlinks: boolean): Promise<SftpStats> {
    const stat = followSymlinks ? fs.promises.stat : fs.promises.lstat
    return toStats(await named(path, 'stat', stat(toLocalPath(path))))
  }

  async *scandir(path: string): AsyncGenerator<TreeEntry> {
    const look = async (name: string): Promise<TreeEntry> => {
      // What cannot be looked at is of unknown type: whoever wants more of it than the name hears why it cannot be had.
      const attrs = await this.stat(this.join(path, name), false).catch(() => new SftpStats({}))
      return { name, attrs }
    }
    let pending: Promise<TreeEntry>[] = []
    try {
      for await (const name of localNames(path, namesAtOnce)) {
        pending.push(look(name))
        if (pending.length < namesAtOnce) continue
        yield* await Promise.all(pending)
        pending = []
      }
    } catch (error) {
      throw localError(error, 'opendir', path)
    }
    yield* await Promise.all(pending)
  }

  async ensureDirectory(
    path: string,
    isGiven: boolean,
    _signal: AbortSignal | undefined,
    permissions = 0o777,
  ): Promise<void> {
    try {
      await fs.promises.mkdir(toLocalPath(path), permissions)
    } catch (error) {
      // A link the server planted earlier would lead the files below it somewhere else.
      const there = await this.stat(path, isGiven).catch(() => undefined)
      if (there?.isDirectory()) return
      if (there?.isSymbolicLink()) throw linkInTheWay(path)
      throw localError(error, 'mkdir', path)
    }
  }

  async readlink(path: string): Promise<string> {
    return named(path, 'readlink', linkTarget(path))
  }

  async symlink(targetPath: string, linkPath: string): Promise<void> {
    await named(linkPath, 'symlink', fs.promises.symlink(toLocalPath(targetPath), toLocalPath(linkPath)))
  }

  async setAttrs(path: string, attrs: SftpAttrs): Promise<void> {
    const { permissions } = attrs
    if (permissions !== undefined)
      await named(path, 'chmod', fs.promises.chmod(toLocalPath(path), permissions & 0o7777))
    const times = timesToSet(attrs)
    if (times !== undefined) await named(path, 'utimes', fs.promises.utimes(toLocalPath(path), ...times))
  }

  async openSource(path: string): Promise<SourceFile> {
    const fd = await named(path, 'open', openAtOnce(path, O_RDONLY))
    try {
      const stats = await named(path, 'fstat', fstat(fd))
      return new LocalSource(fd, path, stats, this.#memory)
    } catch (error) {
      await close(fd)
      throw error
    }
  }

  async openTarget(
    path: string,
    { attrs, preserve, isGiven, mode: onExisting = 'replace', permissions = 0o666 }: TargetOptions,
  ): Promise<TargetFile> {
    const flags = O_WRONLY | O_CREAT | existingFlags[onExisting] | (isGiven ? 0 : O_NOFOLLOW)
    if (!isGiven && O_NOFOLLOW === 0) await this.#refuseLink(path)
    // A file that may turn out private is private from its birth on; its own mode comes when it is whole.
    const mode = preserve ? 0o600 : permissions & 0o777
    const fd = await named(path, 'open', openAtOnce(path, flags, mode))
    return new LocalTarget(fd, path, isGiven, preserve ? preservedAttrs(attrs) : {})
  }

  async realPath(path: string): Promise<string> {
    return toNamePath(await named(path, 'realpath', fs.promises.realpath(toLocalPath(path), 'buffer')))
  }

  async move(oldPath: string, newPath: string): Promise<void> {
    await named(newPath, 'rename', fs.promises.rename(toLocalPath(oldPath), toLocalPath(newPath)))
    await syncDirectory(nodePath.dirname(newPath))
  }

  async remove(path: string): Promise<void> {
    await named(path, 'unlink', fs.promises.unlink(toLocalPath(path)))
  }

  /** For systems whose `open` cannot refuse links. */
  async #refuseLink(path: string): Promise<void> {
    const there = await this.stat(path, false).catch(() => undefined)
    if (there?.isSymbolicLink()) throw linkInTheWay(path)
  }
}

/** Opens a file. A pipe without somebody at its other end, which would hold up a thread for ever, is an error. */
async function openAtOnce(path: string, flags: number, mode?: number): Promise<number> {
  try {
    return await open(toLocalPath(path), flags | O_NONBLOCK, mode)
  } catch (error) {
    // Somebody holds a lease of the file, and has to give it back: that ends.
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    return open(toLocalPath(path), flags, mode)
  }
}

/** What `open` is told about a file that is there already. */
const existingFlags: Readonly<Record<TargetMode, number>> = {
  replace: O_TRUNC,
  extend: 0,
  create: O_EXCL,
  overwrite: 0,
}

class LocalSource implements SourceFile {
  readonly maximumLength = maximumLength
  readonly size: number | undefined
  readonly isSizeCertain: boolean
  readonly path: string
  readonly #fd: number
  readonly #memory: BlockMemory
  readonly #reads: GatheredCalls
  readonly #mayHaveHoles: boolean

  constructor(fd: number, path: string, stats: fs.Stats, memory: BlockMemory) {
    const { size } = stats
    this.#fd = fd
    this.#mayHaveHoles = mayHaveHoles(stats)
    this.#reads = new GatheredCalls(fd, 'read')
    this.path = path
    this.#memory = memory
    // Files of /proc and devices say 0 and have content all the same.
    this.size = size === 0 ? undefined : size
    this.isSizeCertain = size > 0
  }

  async read(position: number, length: number, headroom: number): Promise<SourceBlock> {
    const packet = this.#memory.take(headroom + length)
    const filled = await this.#reads.move(packet.subarray(headroom), position).catch((error) => {
      throw localError(error, 'read', this.path, position)
    })
    const used = packet.subarray(0, headroom + filled)
    return {
      packet: used,
      chunks: [used.subarray(headroom)],
      length: filled,
      release: () => this.#memory.giveBack(packet),
    }
  }

  async currentSize(): Promise<number> {
    return (await named(this.path, 'fstat', fstat(this.#fd))).size
  }

  dataRanges(start: number): Promise<AsyncGenerator<DataRange> | undefined> | undefined {
    if (!this.#mayHaveHoles) return undefined
    const { size = 0 } = this
    const read = async (into: Buffer, position: number): Promise<number> => {
      let filled = 0
      while (filled < into.length) {
        const count = await readAt(this.#fd, into, filled, position + filled, this.path)
        if (count === 0) break
        filled += count
      }
      return filled
    }
    return named(this.path, 'fstat', localRanges(this.#fd, read, start, size))
  }

  close(): void {
    fs.close(this.#fd, () => {})
  }
}

class LocalTarget implements TargetFile {
  readonly maximumLength = maximumLength
  readonly headroom = 0
  readonly releasesBlocks = true
  readonly maximumSpread = localSpread
  readonly #fd: number
  readonly #path: string
  readonly #isGiven: boolean
  readonly #finalAttrs: SftpAttrs
  readonly #writes: GatheredCalls
  #isClosed = false

  constructor(fd: number, path: string, isGiven: boolean, finalAttrs: SftpAttrs) {
    this.#fd = fd
    this.#writes = new GatheredCalls(fd, 'write')
    this.#path = path
    this.#isGiven = isGiven
    this.#finalAttrs = finalAttrs
  }

  async write(position: number, block: SourceBlock): Promise<void> {
    let offset = position
    try {
      for (const chunk of block.chunks) offset += await this.#writes.move(asBuffer(chunk), offset)
    } catch (error) {
      throw localError(error, 'write', this.#path, offset)
    }
  }

  async finish(): Promise<void> {
    const { permissions } = this.#finalAttrs
    if (permissions !== undefined) await named(this.#path, 'chmod', fchmod(this.#fd, permissions))
    const times = timesToSet(this.#finalAttrs)
    if (times !== undefined) await named(this.#path, 'utimes', futimes(this.#fd, ...times))
    await named(this.#path, 'close', this.#close())
  }

  async currentSize(): Promise<number | undefined> {
    const stats = await named(this.#path, 'fstat', fstat(this.#fd))
    return stats.isFile() ? stats.size : undefined
  }

  async attrs(): Promise<SftpStats> {
    return toStats(await named(this.#path, 'fstat', fstat(this.#fd)))
  }

  async setAttrs({ uid, gid, permissions }: SftpAttrs): Promise<void> {
    if (uid !== undefined && gid !== undefined) await named(this.#path, 'chown', fchown(this.#fd, uid, gid))
    if (permissions !== undefined) await named(this.#path, 'chmod', fchmod(this.#fd, permissions))
  }

  async truncate(size: number): Promise<void> {
    await named(this.#path, 'ftruncate', ftruncate(this.#fd, size))
  }

  async sync(): Promise<void> {
    await named(this.#path, 'fsync', fsync(this.#fd))
  }

  /** Devices and pipes stay as they are. */
  async discard(kept: number | undefined): Promise<void> {
    // The number may be another file's by then.
    if (this.#isClosed) return
    const stats = await fstat(this.#fd).catch(() => undefined)
    const file = stats?.isFile() ? stats : undefined
    if (file !== undefined && kept !== undefined) await ftruncate(this.#fd, kept).catch(() => {})
    await this.#close().catch(() => {})
    if (file !== undefined && kept === undefined) await this.#remove(file).catch(() => {})
  }

  /** Removes the file that was written, wherever a link led, and no other that has taken its place. */
  async #remove({ dev, ino }: fs.Stats): Promise<void> {
    const path = toLocalPath(this.#path)
    const real = this.#isGiven ? await fs.promises.realpath(path, 'buffer') : path
    const there = await fs.promises.lstat(real)
    if (there.dev === dev && there.ino === ino) await fs.promises.unlink(real)
  }

  /** Never twice, even after a failure: the number may be another file's by then. */
  async #close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await close(this.#fd)
  }
}

/** Puts a name on the disk, where the system has directories that can be asked to. What was named is there already. */
async function syncDirectory(path: string): Promise<void> {
  const fd = await open(toLocalPath(path), O_RDONLY).catch(() => undefined)
  if (fd === undefined) return
  await fsync(fd).catch(() => {})
  await close(fd)
}

function toStats(stats: fs.Stats): SftpStats {
  const [access, change] = [partsOfMilliseconds(stats.atimeMs), partsOfMilliseconds(stats.mtimeMs)]
  return new SftpStats({
    size: stats.size,
    uid: stats.uid,
    gid: stats.gid,
    permissions: stats.mode,
    atime: access.seconds,
    atimeNs: access.nanoseconds,
    mtime: change.seconds,
    mtimeNs: change.nanoseconds,
  })
}

function readAt(fd: number, buffer: Buffer, offset: number, position: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, offset, buffer.length - offset, position, (error, count) => {
      if (error) reject(localError(error, 'read', path, position))
      else resolve(count)
    })
  })
}

/** A local operation whose failure names the path. */
async function named<T>(path: string, operation: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    throw localError(error, operation, path)
  }
}

/** A system error with its code kept, and the path and place it happened at. */
function localError(error: unknown, operation: string, path: string, offset?: number): SftpError {
  const code = (error as NodeJS.ErrnoException | null)?.code ?? 'ERR_SFTP_FAILURE'
  const where = offset === undefined ? operation : `${operation} at offset ${offset}`
  return new SftpError(code, `${code}: ${meaningOf(code) ?? 'failed'}, local ${where}`, {
    path,
    cause: error,
    ...(offset !== undefined && { details: { offset } }),
  })
}
