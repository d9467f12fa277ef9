/**
 * Brings the content of one open file into another: on the server where both files are its own and it can, and without
 * the holes of a sparse file where they are known.
 */

import type { DataRange } from '../protocol/data-ranges.js'
import { type CopyOptions, FileCopy } from './copy-file.js'
import type { SourceFile, TargetFile } from './file-tree.js'
import { ServerCopy } from './server-copy.js'
import { copiedSize } from './transfer/changed.js'

export interface ContentCopyOptions extends Omit<CopyOptions, 'data'> {
  /** Whether holes are left out. */
  readonly sparse: boolean
}

export class ContentCopy {
  readonly #source: SourceFile
  readonly #target: TargetFile
  readonly #options: ContentCopyOptions
  #copy: FileCopy | ServerCopy | undefined

  constructor(source: SourceFile, target: TargetFile, options: ContentCopyOptions) {
    this.#source = source
    this.#target = target
    this.#options = options
  }

  /** Bytes from the start of the target that are written without a hole. */
  get contiguous(): number {
    return this.#copy?.contiguous ?? this.#options.start ?? 0
  }

  /**
   * The target is as long as the source afterwards, if it was not longer before.
   * @returns the size of the copy
   * @throws SftpError
   */
  async run(): Promise<number> {
    const data = this.#data()
    // Whoever copies hears of a failure.
    data?.catch(() => {})
    this.#copy = await this.#copyWith(data)
    let size = await this.#copy.run()
    if (this.#copy instanceof ServerCopy) {
      size = await copiedSize(this.#source, this.#target, size, this.#options.signal)
    }
    // Nothing is written where a hole is, so one at the end makes no file longer.
    if ((await data) !== undefined) await this.#reach(size)
    return size
  }

  /** Makes the target as long as that. A server's by its last byte: Paramiko empties a file whose size is set. */
  async #reach(size: number): Promise<void> {
    const { signal } = this.#options
    if (((await this.#target.currentSize?.(signal)) ?? 0) >= size) return
    if (this.#target.remote === undefined) await this.#target.truncate(size)
    else await this.#target.write(size - 1, { chunks: [new Uint8Array(1)], length: 1 }, signal)
  }

  async #copyWith(data: Promise<AsyncGenerator<DataRange> | undefined> | undefined): Promise<FileCopy | ServerCopy> {
    const ends = this.#onOneServer()
    if (ends === undefined) return new FileCopy(this.#source, this.#target, { ...this.#options, data })
    const { start = 0, signal, onBytes } = this.#options
    return new ServerCopy(ends.source, ends.target, { size: ends.size, start, data: await data, signal, onBytes })
  }

  /** Where there is data; undefined when that is everywhere, or what is left out would not read as zeros. */
  #data(): Promise<AsyncGenerator<DataRange> | undefined> | undefined {
    const { sparse, start = 0, signal } = this.#options
    const told = sparse ? this.#source.dataRanges?.(start, signal) : undefined
    return told?.then(async (data) => {
      if (data === undefined) return undefined
      const targetSize = await this.#target.currentSize?.(signal)
      return targetSize !== undefined && targetSize <= start ? data : undefined
    })
  }

  /** Both files, where their server can copy one to the other. */
  #onOneServer() {
    const { start = 0 } = this.#options
    const { remote: source, size } = this.#source
    const { remote: target } = this.#target
    // A file without a size (of /proc, say) is read until it ends.
    if (source === undefined || target === undefined || source.session !== target.session) return undefined
    if (!source.session.supports('copy-data') || size === undefined || size <= start) return undefined
    return { source, target, size }
  }
}
