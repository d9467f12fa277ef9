/** Hands what is received on to another machine, record by record and chunk by chunk. */

import { assertPlainName, joinPath } from '../client/paths.js'
import type { FileProgress, Progress } from '../client/progress.js'
import type { DirectoryRecord, FileRecord, TimesRecord } from './records.js'
import type { EntryPlace, ScpEntry, ScpReceivedFile, ScpReceiver } from './sink.js'
import { type ScpSource, SourceEnded } from './source.js'
import { CopyingEnded } from './status.js'

export interface RelayFilesOptions {
  /** Where it goes. */
  readonly to: ScpSource
  /** What the one side was asked for, and where the other side puts it: for errors and events. */
  readonly source: string
  readonly destination: string
  /** Whether the destination is known to be a directory. */
  readonly intoDirectory: boolean
  readonly preserve: boolean
  readonly progress: Progress
}

export class RelayReceiver implements ScpReceiver {
  readonly #options: RelayFilesOptions
  /** Directories that have begun; one without a name of its own is not told of. */
  readonly #open: { readonly src: string; readonly dst: string; readonly isNameless: boolean }[] = []
  #nameless: ScpEntry | undefined

  constructor(options: RelayFilesOptions) {
    this.#options = options
  }

  place({ name }: FileRecord | DirectoryRecord, { isTop, isGiven, isNameless }: EntryPlace): ScpEntry {
    const { source, destination } = this.#options
    const parent = this.#open.at(-1)
    if (isTop && isNameless) {
      this.#nameless = { src: source, dst: destination, isGiven: true }
      return this.#nameless
    }
    assertPlainName(name, parent?.dst ?? destination)
    const src = isTop ? (isGiven ? source : name) : `${parent?.src ?? ''}/${name}`
    const { intoDirectory } = this.#options
    return { src, dst: isTop && !intoDirectory ? destination : joinPath(parent?.dst ?? destination, name), isGiven }
  }

  async openFile(entry: ScpEntry, record: FileRecord, times: TimesRecord | undefined): Promise<ScpReceivedFile> {
    const { to, progress } = this.#options
    await ending(to.announce(record, this.#timesOf(times)))
    progress.found(record.size)
    return new RelayedFile(to, record.size, progress.file(entry.src, entry.dst, record.size))
  }

  async enterDirectory(entry: ScpEntry, record: DirectoryRecord, times: TimesRecord | undefined): Promise<void> {
    const isNameless = entry === this.#nameless
    if (!isNameless) await ending(this.#options.to.announce(record, this.#timesOf(times)))
    this.#open.push({ src: entry.src, dst: entry.dst, isNameless })
  }

  async leaveDirectory(): Promise<void> {
    if (this.#open.pop()?.isNameless === false) await ending(this.#options.to.endDirectory())
  }

  #timesOf(times: TimesRecord | undefined): TimesRecord | undefined {
    return this.#options.preserve ? times : undefined
  }
}

class RelayedFile implements ScpReceivedFile {
  readonly #to: ScpSource
  readonly #progress: FileProgress
  /** Bytes that the other side waits for. */
  #left: number
  #isFinished = false

  constructor(to: ScpSource, size: number, progress: FileProgress) {
    this.#to = to
    this.#left = size
    this.#progress = progress
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    this.#left -= chunk.length
    const sent = this.#to.write(chunk)
    this.#progress.add(chunk.length)
    return sent === undefined ? undefined : ending(sent)
  }

  async finish(): Promise<void> {
    this.#isFinished = true
    await ending(this.#to.finishFile())
    this.#progress.finish()
  }

  async discard(reason: Error): Promise<void> {
    // Of a file that breaks off the other side hears by the end of its connection.
    if (this.#isFinished || this.#left > 0) return
    this.#isFinished = true
    await this.#to.finishFile(reason).catch(() => {})
  }
}

/** A side that takes nothing more ends everything. */
async function ending(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    throw error instanceof SourceEnded ? new CopyingEnded(error.reason) : error
  }
}
