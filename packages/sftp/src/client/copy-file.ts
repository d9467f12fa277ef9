/** Copies one open file to another, block by block, with many blocks in flight in any order. */

import { AbortError } from '@ssh/wire'
import type { DataRange } from '../protocol/data-ranges.js'
import { onAbort, throwIfAborted } from './abort.js'
import type { SourceBlock, SourceFile, TargetFile } from './file-tree.js'
import type { InFlightBudget } from './in-flight-budget.js'
import { assertUnchanged, changed } from './transfer/changed.js'
import { WrittenPrefix } from './transfer/written-prefix.js'

export interface CopyOptions {
  readonly budget: InFlightBudget
  readonly blockSize: number
  readonly maxRequests: number
  readonly signal: AbortSignal | undefined
  /** Where copying begins; what is in front of it counts as written. Default 0. */
  readonly start?: number
  /**
   * Where from `start` on there is data; what lies between is left out. Until that is known, blocks are read as if it
   * were everywhere, and not written. Default, and undefined: everywhere.
   */
  readonly data?: Promise<AsyncGenerator<DataRange> | undefined> | undefined
  /** So many more bytes are written, or left out. */
  onBytes(byteCount: number): void
}

/** Bytes asked for behind the believed end of a file, to learn whether it ends there. */
const probeLength = 32 * 1024

/**
 * Copies until the end of the source, wherever that turns out to be.
 *
 * The size is only believed: blocks are asked for up to it and one behind it. A file that is shorter ends there; one
 * that is longer, or whose size is not known, is read on in strides that double. Nothing is allocated by a size.
 *
 * Writes never reach further behind the first hole than `greatestSpread` lets them; a block that comes too early waits
 * in the memory that the budget has granted it.
 */
export class FileCopy {
  readonly #source: SourceFile
  readonly #target: TargetFile
  readonly #options: CopyOptions
  readonly #blockSize: number
  readonly #done: Promise<number>
  #resolve: (byteCount: number) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  /** First byte not asked for. */
  #next: number
  /** Bytes are believed to be in the file up to here. */
  #horizon: number
  /** Where the source ended, once a read has found out. */
  #end = Number.POSITIVE_INFINITY
  /** Behind the last byte written. */
  #written: number
  readonly #prefix: WrittenPrefix
  /** Settles once it is known where there is data. */
  #learning: Promise<void> | undefined
  /** Blocks that end here or before may hold holes: they were asked for before that was known. */
  #learntAt = 0
  /** Where data comes from; undefined when everything from `#next` on is data. */
  #data: AsyncGenerator<DataRange> | undefined
  /** Where the data that `#next` is in ends. */
  #dataEnd = Number.POSITIVE_INFINITY
  #inFlight = 0
  #isWaiting = false
  #isEnding = false
  #failure: { readonly error: unknown } | undefined

  constructor(source: SourceFile, target: TargetFile, options: CopyOptions) {
    this.#source = source
    this.#target = target
    this.#options = options
    this.#blockSize = Math.min(options.blockSize, source.maximumLength, target.maximumLength)
    const { start = 0 } = options
    this.#next = start
    this.#written = start
    this.#prefix = new WrittenPrefix(start, target.maximumSpread)
    this.#horizon = Math.max(start, source.size ?? 0)
    if (source.isSizeCertain) this.#end = source.size ?? this.#horizon
    this.#done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /**
   * @returns the size of the copy
   * @throws SftpError `ERR_SFTP_FILE_CHANGED` when the source ended before a place that had data a moment ago, or before
   *   its size and says another one by now
   */
  async run(): Promise<number> {
    const { signal } = this.#options
    const stopWatching = signal && onAbort(signal, () => this.#fail(new AbortError(signal.reason)))
    try {
      throwIfAborted(signal)
      if (this.#options.data !== undefined) this.#learning = this.#learnData()
      this.#pump()
      return await this.#done
    } finally {
      stopWatching?.()
      await this.#data?.return(undefined)
    }
  }

  /** Bytes from the start of the target that are written without a hole. */
  get contiguous(): number {
    return this.#prefix.contiguous
  }

  /** Asks for as many blocks as may be in flight, and ends the copy when nothing is left to ask for. */
  #pump(): void {
    const { budget, maxRequests, signal } = this.#options
    while (!this.#isWaiting) {
      if (this.#isBehindData()) {
        this.#skipHole()
        return
      }
      const length = this.#nextLength()
      if (length === 0) {
        if (this.#inFlight === 0) this.#settle()
        return
      }
      if (this.#inFlight >= maxRequests) return
      if (!budget.tryAcquire(length)) {
        this.#isWaiting = true
        budget.acquire(length, signal).then(
          () => {
            this.#isWaiting = false
            if (this.#failure === undefined) this.#start(length)
            else budget.release(length)
            this.#pump()
          },
          (error) => {
            this.#isWaiting = false
            this.#fail(error)
            this.#pump()
          },
        )
        return
      }
      this.#start(length)
    }
  }

  /**
   * Bytes to ask for at `#next`; 0 when there is nothing to ask, now or at all.
   *
   * Where the file is believed to end, one byte more is asked for if that fits: a source that has none for it need not
   * be asked again what is behind the end, which for small files is a third of the requests.
   */
  #nextLength(): number {
    if (this.#failure !== undefined || this.#next >= this.#end || this.#next > this.#horizon) return 0
    const left = Math.min(this.#horizon, this.#dataEnd) - this.#next
    const isLast = this.#horizon <= this.#dataEnd && !this.#source.isSizeCertain
    if (left > 0) return Math.min(this.#blockSize, isLast ? left + 1 : left)
    return this.#horizon === 0 ? this.#blockSize : Math.min(this.#blockSize, probeLength)
  }

  async #learnData(): Promise<void> {
    try {
      this.#data = await this.#options.data
    } catch (error) {
      this.#fail(error)
    }
    this.#learning = undefined
    if (this.#data === undefined) return
    this.#learntAt = this.#next
    this.#dataEnd = this.#next
    this.#pump()
  }

  #isBehindData(): boolean {
    return this.#data !== undefined && this.#failure === undefined && this.#next >= this.#dataEnd
  }

  /** Goes on where the next data is, or behind the believed end, where there is only what has been added since. */
  #skipHole(): void {
    this.#isWaiting = true
    const next = this.#data?.next() ?? Promise.resolve({ done: true as const, value: undefined })
    next
      .then(({ done, value }) => {
        if (done) this.#data = undefined
        this.#dataEnd = done ? Number.POSITIVE_INFINITY : value.offset + value.length
        this.#leaveOut(done ? this.#horizon : value.offset)
      })
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#isWaiting = false
        this.#pump()
      })
  }

  /** What is not written reads as zeros, so it counts as written. */
  #leaveOut(end: number): void {
    const hole = end - this.#next
    if (hole <= 0) return
    this.#prefix.add(this.#next, end)
    this.#written = Math.max(this.#written, end)
    this.#next = end
    this.#options.onBytes(hole)
  }

  #start(length: number): void {
    const position = this.#next
    this.#next += length
    this.#inFlight++
    this.#move(position, length)
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#options.budget.release(length)
        this.#inFlight--
        this.#pump()
      })
  }

  async #move(position: number, length: number): Promise<void> {
    const { budget, signal, onBytes } = this.#options
    throwIfAborted(signal)
    const block = await this.#source.read(position, length, this.#target.headroom, signal)
    const end = position + block.length
    if (block.length < length) this.#end = Math.min(this.#end, end)
    else if (end > this.#horizon) this.#horizon = end + Math.max(this.#blockSize, end)
    if (block.length === 0) return
    // What was learnt above lets the next blocks be asked for while this one is written.
    this.#pump()
    if (this.#learning !== undefined) await this.#learning
    if (this.#prefix.isEarly(end)) await this.#prefix.untilTime(end)
    if (this.#failure !== undefined) return
    if (end > this.#learntAt || !isZero(block)) await this.#target.write(position, block, signal)
    if (this.#target.releasesBlocks) block.release?.()
    this.#written = Math.max(this.#written, end)
    this.#prefix.add(position, end)
    budget.observeBytes(block.length, performance.now())
    onBytes(block.length)
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#prefix.end()
  }

  #settle(): void {
    if (this.#failure !== undefined) this.#reject(this.#failure.error)
    else if (this.#written > this.#end) this.#reject(changed(this.#source, this.#end, this.#written))
    else if (!this.#isEnding) {
      this.#isEnding = true
      assertUnchanged(this.#source, this.#written, this.#options.signal).then(
        () => this.#resolve(this.#written),
        (error) => this.#reject(error),
      )
    }
  }
}

function isZero({ chunks }: SourceBlock): boolean {
  return chunks.every((chunk) => chunk.every((byte) => byte === 0))
}
