/** A stream as what is written: its bytes come once, and in order. */

import { createHash, type Hash } from 'node:crypto'
import { AbortError } from '@ssh/wire'
import { onAbort, throwIfAborted, untilAborted } from '../abort.js'
import type { SourceFile, TargetFile } from '../file-tree.js'
import { SftpStats } from '../stats.js'
import { type ChunkSource, type ChunkStream, chunkSource } from './chunk-source.js'
import { hashesOf } from './content.js'
import type { FileContentOptions } from './file-content.js'
import type { Content, Copying } from './write-file.js'
import { WrittenPrefix } from './written-prefix.js'

const algorithm = 'sha256'

export class StreamContent implements Content {
  readonly path = ''
  readonly attrs = new SftpStats({})
  readonly file = undefined
  readonly #stream: ChunkStream
  readonly #options: FileContentOptions
  /** Of everything that has come, if the copy is to be compared with it. */
  readonly #hash: Hash | undefined

  constructor(stream: ChunkStream, options: FileContentOptions & { readonly verify: boolean }) {
    this.#stream = stream
    this.#options = options
    this.#hash = options.verify ? createHash(algorithm) : undefined
  }

  copyTo(target: TargetFile, _start: number, onBytes: (byteCount: number) => void): Copying {
    return new StreamCopy(chunkSource(this.#stream), target, { ...this.#options, onBytes, hash: this.#hash })
  }

  /** There is nothing to look for the place in. */
  async differenceFrom(copy: SourceFile, size: number): Promise<number | undefined> {
    const expected = this.#hash?.digest()
    if (expected === undefined || (await hasHash(copy, expected, size, this.#options))) return undefined
    return Number.NaN
  }
}

/** Whether a file of `size` bytes has this hash (SHA-256), as its server says, or by reading it. */
export async function hasHash(
  file: SourceFile,
  expected: Buffer,
  size: number,
  options: FileContentOptions,
): Promise<boolean> {
  const told = await file.hash?.({ start: 0, end: size }, algorithm, options.signal)
  if (told?.algorithm === algorithm && told.digests.equals(expected)) return true
  // One byte more than there should be, so that a file that is longer differs.
  const stretch = { start: 0, end: size + 1 }
  return expected.equals(await hashesOf(file, stretch, algorithm, Number.POSITIVE_INFINITY, options))
}

interface StreamCopyOptions extends FileContentOptions {
  readonly hash: Hash | undefined
  onBytes(byteCount: number): void
}

/** Gathers what comes into blocks of the greatest size, and has many of them on their way. */
class StreamCopy implements Copying {
  readonly #source: ChunkSource
  readonly #target: TargetFile
  readonly #options: StreamCopyOptions
  readonly #blockSize: number
  readonly #prefix: WrittenPrefix
  readonly #inFlight = new Set<Promise<void>>()
  /** Ends every wait: a failure must not wait for a source that has nothing to give. */
  readonly #stop = new AbortController()
  #packet: Buffer | undefined
  #filled = 0
  #position = 0
  #failure: { readonly error: unknown } | undefined

  constructor(source: ChunkSource, target: TargetFile, options: StreamCopyOptions) {
    this.#source = source
    this.#target = target
    this.#options = options
    this.#blockSize = Math.min(options.blockSize, target.maximumLength)
    this.#prefix = new WrittenPrefix(0, target.maximumSpread)
  }

  get contiguous(): number {
    return this.#prefix.contiguous
  }

  async run(): Promise<number> {
    const { signal, hash } = this.#options
    const stopWatching = signal && onAbort(signal, () => this.#fail(new AbortError(signal.reason)))
    // While the source has nothing to give, no write is there to fail, which would say more.
    const stopListening = this.#target.onLost?.((error) => {
      if (this.#inFlight.size === 0) this.#fail(error)
    })
    try {
      throwIfAborted(signal)
      for (;;) {
        const chunk = await untilAborted(this.#source.next(), this.#stop.signal)
        if (chunk === undefined) break
        hash?.update(chunk)
        await this.#take(chunk)
      }
      await this.#send()
    } catch (error) {
      this.#fail(error)
      this.#source.stop(error)
    }
    await Promise.all(this.#inFlight)
    stopWatching?.()
    stopListening?.()
    if (this.#failure !== undefined) throw this.#failure.error
    return this.#position
  }

  async #take(chunk: Uint8Array): Promise<void> {
    const { headroom } = this.#target
    let rest = chunk
    while (rest.length > 0) {
      this.#packet ??= Buffer.allocUnsafe(headroom + this.#blockSize)
      const piece = rest.subarray(0, this.#blockSize - this.#filled)
      this.#packet.set(piece, headroom + this.#filled)
      this.#filled += piece.length
      rest = rest.subarray(piece.length)
      if (this.#filled === this.#blockSize) await this.#send()
    }
  }

  /** Resolves when what is gathered is on its way. @throws what an earlier block failed with */
  async #send(): Promise<void> {
    const { budget, maxRequests } = this.#options
    const length = this.#filled
    const packet = this.#packet?.subarray(0, this.#target.headroom + length)
    if (packet === undefined) return
    this.#packet = undefined
    this.#filled = 0
    const position = this.#position
    this.#position += length
    while (this.#inFlight.size >= maxRequests) await Promise.race(this.#inFlight)
    await this.#prefix.untilTime(this.#position)
    await budget.acquire(length, this.#stop.signal)
    if (this.#failure !== undefined) {
      budget.release(length)
      throw this.#failure.error
    }
    const written = this.#write(packet, position, length)
    this.#inFlight.add(written)
    written.finally(() => this.#inFlight.delete(written))
  }

  /** Never rejects: the first failure is kept, and ends everything. */
  async #write(packet: Buffer, position: number, length: number): Promise<void> {
    const { budget, signal, onBytes } = this.#options
    try {
      const chunks = [packet.subarray(this.#target.headroom)]
      await this.#target.write(position, { packet, chunks, length }, signal)
      this.#prefix.add(position, position + length)
      budget.observeBytes(length, performance.now())
      onBytes(length)
    } catch (error) {
      this.#fail(error)
    } finally {
      budget.release(length)
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#prefix.end()
    this.#stop.abort()
  }
}
