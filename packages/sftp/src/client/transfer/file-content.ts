/** A file, or bytes in memory, as what is written. */

import { ContentCopy } from '../content-copy.js'
import type { SourceBlock, SourceFile, TargetFile } from '../file-tree.js'
import { SftpStats } from '../stats.js'
import { type ContentOptions, firstDifference } from './content.js'
import { sameByHash } from './same-by-hash.js'
import type { Content, Copying } from './write-file.js'

export interface FileContentOptions extends ContentOptions {
  readonly blockSize: number
  readonly maxRequests: number
  /** Whether holes of sparse files are left out. */
  readonly sparse: boolean
}

export class FileContent implements Content {
  readonly path: string
  readonly attrs: SftpStats
  readonly file: SourceFile
  readonly #options: FileContentOptions

  constructor(path: string, attrs: SftpStats, file: SourceFile, options: FileContentOptions) {
    this.path = path
    this.attrs = attrs
    this.file = file
    this.#options = options
  }

  copyTo(target: TargetFile, start: number, onBytes: (byteCount: number) => void): Copying {
    return new ContentCopy(this.file, target, { ...this.#options, start, onBytes })
  }

  async differenceFrom(copy: SourceFile, size: number): Promise<number | undefined> {
    const stretch = { start: 0, end: size }
    if (await sameByHash(this.file, copy, stretch, this.#options)) return undefined
    const difference = await firstDifference(this.file, copy, stretch, this.#options)
    if (difference !== undefined) return difference
    return (await copy.read(size, 1, 0, this.#options.signal)).length === 0 ? undefined : size
  }
}

/** Bytes in memory. */
export function bytesContent(bytes: Uint8Array, options: FileContentOptions): FileContent {
  return new FileContent('', new SftpStats({ size: bytes.length }), new BytesSource(bytes), options)
}

class BytesSource implements SourceFile {
  readonly maximumLength = Number.POSITIVE_INFINITY
  readonly size: number
  readonly isSizeCertain = true
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.size = bytes.length
  }

  async read(position: number, length: number, headroom: number): Promise<SourceBlock> {
    const bytes = this.#bytes.subarray(position, position + length)
    // Copied: the caller may change what it gave once the promise settles, and a WRITE may be under way even then.
    const packet = Buffer.allocUnsafe(headroom + bytes.length)
    packet.set(bytes, headroom)
    return { packet, chunks: [packet.subarray(headroom)], length: bytes.length }
  }

  close(): void {}
}
