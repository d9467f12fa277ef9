/** Sends files and trees. */

import { throwIfAborted } from '../client/abort.js'
import { assertDepth, joinPath } from '../client/paths.js'
import type { Progress } from '../client/progress.js'
import type { SftpStats } from '../client/stats.js'
import { SftpError } from '../errors.js'
import { FileContent } from './file-content.js'
import type { ScpFiles } from './scp-files.js'
import { type EntryTimes, type ScpSource, SourceEnded } from './source.js'
import { asError, CopyingEnded, endsCopying, tellEnds, untilEnded } from './status.js'

export interface SendFilesOptions {
  readonly files: ScpFiles
  readonly source: ScpSource
  readonly preserve: boolean
  readonly recurse: boolean
  readonly followSymlinks: boolean
  readonly blockSize: number
  readonly progress: Progress
  readonly signal: AbortSignal | undefined
  /** Where it goes, for errors and events. */
  readonly destination: string
  /** Whether the destination is known to be a directory. */
  readonly intoDirectory: boolean
  /** Whether the other side is told of what cannot be sent. */
  readonly tellsFailures: boolean
  /** Told of what was not copied. What it throws ends the copying. */
  report(error: Error, paths: { readonly src: string; readonly dst: string }): void
}

/** Permission bits of what has none. */
const usualPermissions = { file: 0o644, directory: 0o755 } as const

/** Sends each path. @throws SourceEnded, SftpError what ends it; what `report` throws; AbortError */
export function sendFiles(paths: readonly string[], options: SendFilesOptions): Promise<void> {
  return untilEnded(async () => {
    const sender = new Sender(options)
    for (const path of paths) await sender.sendPath(path)
  })
}

/** One thing to send. */
interface Item {
  readonly src: string
  readonly dst: string
  readonly name: string
  readonly depth: number
}

class Sender {
  readonly #options: SendFilesOptions

  constructor(options: SendFilesOptions) {
    this.#options = options
  }

  async sendPath(path: string): Promise<void> {
    const { files, destination, intoDirectory, followSymlinks, signal } = this.#options
    const name = files.baseName(path)
    const dst = intoDirectory ? joinPath(destination, name) : destination
    const item = { src: path, dst, name, depth: 0 }
    await this.#attempt(item, async () => {
      const attrs = await files.stat(path, followSymlinks, signal)
      // `/`, `.` and `..` have no name of their own: what is in them goes where they would go.
      if (attrs.isDirectory() && ['', '.', '..'].includes(name)) return this.#sendContents(item, destination)
      await this.#send(item, attrs)
    })
  }

  async #send(item: Item, attrs: SftpStats): Promise<void> {
    if (attrs.isDirectory()) return this.#sendDirectory(item, attrs)
    if (attrs.type !== 'file' && attrs.type !== 'unknown') {
      throw new SftpError('EINVAL', `EINVAL: not a regular file but of type ${attrs.type}`, { path: item.src })
    }
    await this.#sendFile(item, attrs)
  }

  async #sendDirectory(item: Item, attrs: SftpStats): Promise<void> {
    const { source } = this.#options
    const { permissions = usualPermissions.directory } = attrs
    this.#assertRecurse(item.src)
    assertDepth(item.depth, item.src)
    await source.announce({ type: 'directory', permissions, name: item.name }, this.#timesOf(attrs))
    // Whatever goes wrong from here on, the directory must be ended.
    await this.#attempt(item, () => this.#sendContents(item, item.dst))
    await source.endDirectory()
  }

  async #sendContents(item: Item, dst: string): Promise<void> {
    const { files, followSymlinks, signal } = this.#options
    this.#assertRecurse(item.src)
    for await (const { name, attrs } of files.scandir(item.src, signal)) {
      const child = { src: files.join(item.src, name), dst: joinPath(dst, name), name, depth: item.depth + 1 }
      throwIfAborted(signal)
      if (attrs.isSymbolicLink() && !followSymlinks) continue
      await this.#attempt(child, async () => {
        // A listing tells the type of a link and perhaps nothing at all.
        const isEnough = attrs.isFile() || attrs.isDirectory()
        await this.#send(child, isEnough ? attrs : await files.stat(child.src, true, signal))
      })
    }
  }

  #assertRecurse(path: string): void {
    if (this.#options.recurse) return
    throw new SftpError('EISDIR', 'EISDIR: a directory is copied only with the option recurse', { path })
  }

  async #sendFile(item: Item, attrs: SftpStats): Promise<void> {
    const { files, source, progress, signal } = this.#options
    const { permissions = usualPermissions.file } = attrs
    const file = await files.openSource(item.src, attrs, signal)
    try {
      const content = await FileContent.open(file, this.#options.blockSize, item.src, signal)
      await source.announce({ type: 'file', permissions, size: content.size, name: item.name }, this.#timesOf(attrs))
      progress.found(content.size)
      const fileProgress = progress.file(item.src, item.dst, content.size)
      let failure: Error | undefined
      const blocks = content.blocks((error) => {
        failure = error
      })
      for await (const { chunks, release } of blocks) {
        for (const chunk of chunks) {
          const sent = source.write(chunk)
          if (sent !== undefined) await sent
          fileProgress.add(chunk.length)
        }
        if (release !== undefined) source.lend(release)
      }
      await source.finishFile(failure)
      if (failure !== undefined) throw failure
      fileProgress.finish()
    } finally {
      file.close()
    }
  }

  #timesOf({ atime, mtime }: SftpStats): EntryTimes | undefined {
    return this.#options.preserve && mtime !== undefined ? { mtime, atime: atime ?? mtime } : undefined
  }

  /** Does one thing; its failure is told, unless it ends everything. */
  async #attempt(item: Item, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (thrown) {
      const reason = thrown instanceof SourceEnded ? thrown.reason : thrown
      tellEnds(reason, item)
      if (thrown instanceof CopyingEnded || thrown instanceof SourceEnded || endsCopying(thrown)) throw thrown
      const error = asError(thrown)
      const { report, source, tellsFailures } = this.#options
      if (tellsFailures) await source.tell(error, item.src)
      try {
        report(error, item)
      } catch (reason) {
        throw new CopyingEnded(reason)
      }
    }
  }
}
