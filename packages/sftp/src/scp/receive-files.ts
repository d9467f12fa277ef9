/** Puts what is received into a tree of files. */

import { BlockMemory } from '../block-memory.js'
import type { FileProgress, Progress } from '../client/progress.js'
import { SftpError } from '../errors.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import { isMissing } from './handler-scp-files.js'
import type { DirectoryRecord, FileRecord, TimesRecord } from './records.js'
import type { NewEntry, ScpFiles, ScpTargetFile } from './scp-files.js'
import type { EntryPlace, ScpEntry, ScpReceivedFile, ScpReceiver } from './sink.js'
import { endsCopying } from './status.js'

type Signal = AbortSignal | undefined

export interface ReceiveFilesOptions {
  readonly files: ScpFiles
  readonly destination: string
  /** What the other side was asked for; of errors and events. */
  readonly source: string
  /** Whether the destination must be a directory; on this machine it is made if it is missing. */
  readonly intoDirectory: boolean
  readonly makesDestination: boolean
  readonly preserve: boolean
  readonly blockSize: number
  readonly progress: Progress
  readonly signal: Signal
}

/** Permission bits without `preserve`: not set-user-ID and its kin. */
const ordinaryBits = 0o777

/** Permissions of an owner, who must be able to write into a directory while it is being filled. */
const ownerBits = 0o700

/** A directory that is being filled. */
interface OpenDirectory {
  readonly src: string
  readonly dst: string
  /** What to do to it once it is full. */
  finish(): Promise<void>
}

export class FileReceiver implements ScpReceiver {
  readonly #options: ReceiveFilesOptions
  /** Whether names at the top go into the destination; else what comes is the destination. */
  readonly #isInto: boolean
  readonly #open: OpenDirectory[] = []
  readonly #memory = new BlockMemory()
  #cameAsDestination = false

  private constructor(options: ReceiveFilesOptions, isInto: boolean) {
    this.#options = options
    this.#isInto = isInto
  }

  /** @throws SftpError `ENOTDIR` and what else is wrong with the destination */
  static async open(options: ReceiveFilesOptions): Promise<FileReceiver> {
    const { files, destination, intoDirectory, makesDestination, signal } = options
    const there = await look(files, destination, true, signal)
    if (there?.isDirectory()) return new FileReceiver(options, true)
    if (!intoDirectory && !endsInSlash(destination)) return new FileReceiver(options, false)
    if (there !== undefined) throw new SftpError('ENOTDIR', 'ENOTDIR: not a directory', { path: destination })
    if (!intoDirectory || !makesDestination) {
      throw new SftpError('ENOENT', 'ENOENT: no such directory to copy into; make it first', { path: destination })
    }
    await files.makeDirectory(destination, { permissions: 0o777, preserved: undefined, isGiven: true }, signal)
    return new FileReceiver(options, true)
  }

  place({ name }: FileRecord | DirectoryRecord, { isTop, isGiven, isNameless }: EntryPlace): ScpEntry {
    const { files, destination, source } = this.#options
    const parent = this.#open.at(-1)
    if (isTop && isNameless) return { src: source, dst: destination, isGiven: true }
    // Even where the name is not used: no honest sender has such a one.
    if (!isGiven) files.assertName(name, parent?.dst ?? destination)
    const src = isTop ? (isGiven ? source : name) : `${parent?.src ?? ''}/${name}`
    if (!isTop) return { src, dst: files.join(parent?.dst ?? destination, name), isGiven: false }
    if (this.#isInto) return { src, dst: files.join(destination, name), isGiven }
    if (this.#cameAsDestination) {
      throw new SftpError('ENOTDIR', 'ENOTDIR: more than one thing comes, and the destination is no directory', {
        path: destination,
      })
    }
    this.#cameAsDestination = true
    return { src, dst: destination, isGiven: true }
  }

  async openFile(entry: ScpEntry, record: FileRecord, times: TimesRecord | undefined): Promise<ScpReceivedFile> {
    const { files, progress, blockSize, signal } = this.#options
    const target = await files.openTarget(entry.dst, this.#newEntry(entry, record, times), signal)
    progress.found(record.size)
    return new BlockWriter(target, progress.file(entry.src, entry.dst, record.size), {
      size: record.size,
      blockSize,
      memory: this.#memory,
      signal,
    })
  }

  async enterDirectory(entry: ScpEntry, record: DirectoryRecord, times: TimesRecord | undefined): Promise<void> {
    const { files, signal, destination } = this.#options
    const made = this.#newEntry(entry, record, times)
    const there = await look(files, entry.dst, entry.isGiven, signal)
    if (there?.isSymbolicLink()) {
      throw new SftpError('ELOOP', 'ELOOP: a symbolic link stands where a directory is to be', { path: entry.dst })
    }
    if (there !== undefined && !there.isDirectory()) {
      throw new SftpError('ENOTDIR', 'ENOTDIR: not a directory', { path: entry.dst })
    }
    if (there === undefined) {
      await files.makeDirectory(entry.dst, { ...made, permissions: made.permissions | ownerBits }, signal)
    }
    // A directory that was there, and that nobody but the other side gives a mode to, stays as it is: so does the
    // destination itself, whatever its contents come in.
    const isDestination = this.#isInto && entry.dst === destination
    const attrs = isDestination
      ? undefined
      : (made.preserved ?? (await this.#lessened(entry, record, there === undefined)))
    this.#open.push({
      src: entry.src,
      dst: entry.dst,
      finish: async () => {
        if (attrs !== undefined) await files.setAttrs(entry.dst, attrs, signal)
      },
    })
  }

  async leaveDirectory(): Promise<void> {
    await this.#open.pop()?.finish()
  }

  /** What a directory is to lose again that its owner needed to fill it. */
  async #lessened(entry: ScpEntry, record: DirectoryRecord, isNew: boolean): Promise<SftpAttrs | undefined> {
    const tooMuch = ownerBits & ~record.permissions
    if (!isNew || tooMuch === 0) return undefined
    const { files, signal } = this.#options
    const { permissions = record.permissions } = await files.stat(entry.dst, false, signal)
    return { permissions: permissions & ordinaryBits & ~tooMuch }
  }

  #newEntry(
    { isGiven }: ScpEntry,
    { permissions }: FileRecord | DirectoryRecord,
    times: TimesRecord | undefined,
  ): NewEntry {
    const { preserve } = this.#options
    const preserved = {
      permissions,
      ...(times !== undefined && { atime: times.atime, mtime: times.mtime }),
    }
    return { isGiven, permissions: permissions & ordinaryBits, preserved: preserve ? preserved : undefined }
  }
}

interface BlockWriterOptions {
  /** Bytes that were announced. */
  readonly size: number
  readonly blockSize: number
  readonly memory: BlockMemory
  readonly signal: Signal
}

/**
 * Gathers what arrives into blocks, and has a few of them written at the same time. It is copied at once into memory
 * that is used again, so that what was received dies young while the disk takes its time.
 */
class BlockWriter implements ScpReceivedFile {
  readonly #target: ScpTargetFile
  readonly #progress: FileProgress
  readonly #options: BlockWriterOptions
  #block: Buffer | undefined
  #gathered = 0
  #position = 0
  readonly #writing = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  constructor(target: ScpTargetFile, progress: FileProgress, options: BlockWriterOptions) {
    this.#target = target
    this.#progress = progress
    this.#options = options
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.error
    const { size, blockSize, memory } = this.#options
    for (let offset = 0; offset < chunk.length; ) {
      this.#block ??= memory.take(Math.min(blockSize, size - this.#position))
      const piece = chunk.subarray(offset, offset + this.#block.length - this.#gathered)
      this.#block.set(piece, this.#gathered)
      this.#gathered += piece.length
      offset += piece.length
      if (this.#gathered === this.#block.length) this.#flush(this.#block)
    }
    return this.#writing.size < this.#target.writesAtOnce ? undefined : this.#makeRoom()
  }

  async finish(): Promise<void> {
    if (this.#block !== undefined) this.#flush(this.#block)
    await Promise.all(this.#writing)
    if (this.#failure !== undefined) throw this.#failure.error
    await this.#target.finish(this.#position)
    this.#progress.finish()
  }

  async discard(): Promise<void> {
    // A write that is still under way must not bring back what is removed.
    await Promise.all(this.#writing)
    await this.#target.discard()
  }

  #flush(block: Buffer): void {
    const bytes = block.subarray(0, this.#gathered)
    const position = this.#position
    this.#block = undefined
    this.#gathered = 0
    this.#position += bytes.length
    const written: Promise<void> = this.#write(position, bytes).finally(() => this.#writing.delete(written))
    this.#writing.add(written)
  }

  /** Never rejects. */
  async #write(position: number, bytes: Buffer): Promise<void> {
    try {
      await this.#target.write(position, { chunks: [bytes], length: bytes.length }, this.#options.signal)
      if (this.#target.releasesBlocks) this.#options.memory.giveBack(bytes)
      this.#progress.add(bytes.length)
    } catch (error) {
      this.#failure ??= { error }
    }
  }

  async #makeRoom(): Promise<void> {
    while (this.#writing.size >= this.#target.writesAtOnce) await Promise.race(this.#writing)
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

/** What is there; undefined when nothing is. */
async function look(files: ScpFiles, path: string, followSymlinks: boolean, signal: Signal) {
  try {
    return await files.stat(path, followSymlinks, signal)
  } catch (error) {
    if (endsCopying(error)) throw error
    if (isMissing(error)) return undefined
    throw error
  }
}

function endsInSlash(path: string): boolean {
  return path.endsWith('/') || (process.platform === 'win32' && path.endsWith('\\'))
}
