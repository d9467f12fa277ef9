/** Copies one open file of a server to another on the server, piece by piece. */

import { SftpError } from '../errors.js'
import type { DataRange } from '../protocol/data-ranges.js'
import { throwIfAborted } from './abort.js'
import type { OpenHandle } from './operations.js'
import { type CopiedRange, copyData } from './remote-copy.js'

export interface ServerCopyOptions {
  /** Bytes that are believed to be in the source. */
  readonly size: number
  readonly start: number
  /** Where from `start` on there is data; default: everywhere. */
  readonly data?: AsyncIterable<DataRange> | undefined
  readonly signal: AbortSignal | undefined
  /** So many more bytes are written, or left out as a hole. */
  onBytes(byteCount: number): void
}

/**
 * Bytes per request. A server that answers one request after the other answers nobody else meanwhile, and an abort is
 * heard between two of them. One is in flight at a time: two could leave a hole that whoever goes on with the file
 * would not look for, see transfer/resume.ts.
 */
const pieceLength = 64 * 1024 * 1024

export class ServerCopy {
  readonly #source: OpenHandle
  readonly #target: OpenHandle
  readonly #options: ServerCopyOptions
  #contiguous: number

  constructor(source: OpenHandle, target: OpenHandle, options: ServerCopyOptions) {
    this.#source = source
    this.#target = target
    this.#options = options
    this.#contiguous = options.start
  }

  /** Bytes from the start of the target that are written without a hole. */
  get contiguous(): number {
    return this.#contiguous
  }

  /**
   * @returns the size of the copy
   * @throws SftpError `ERR_SFTP_FILE_CHANGED` when the source is shorter than it was; what the server answers
   */
  async run(): Promise<number> {
    const { size, signal, onBytes } = this.#options
    for await (const piece of this.#pieces()) {
      throwIfAborted(signal)
      await this.#copy(piece)
      const end = piece.length === 0 ? size : piece.to + piece.length
      onBytes(end - this.#contiguous)
      this.#contiguous = end
    }
    return size
  }

  async *#pieces(): AsyncGenerator<CopiedRange> {
    const { size, start, data } = this.#options
    let position = start
    for await (const { offset, length } of data ?? [{ offset: start, length: size - start }]) {
      const end = offset + length
      for (position = offset; end - position > pieceLength; position += pieceLength)
        yield pieceOf(position, pieceLength)
      // The last one goes to the end, wherever that is by now.
      if (end === size) return yield pieceOf(position, 0)
      yield pieceOf(position, end - position)
    }
    yield pieceOf(size, 0)
  }

  async #copy(piece: CopiedRange): Promise<void> {
    const copied = await copyData(this.#source, this.#target, piece, this.#options.signal)
    if (copied === 'all' || piece.length === 0) return
    throw new SftpError(
      'ERR_SFTP_FILE_CHANGED',
      `The file ended before ${piece.from + piece.length} bytes: it changed while it was copied`,
      { path: this.#source.path },
    )
  }
}

function pieceOf(position: number, length: number): CopiedRange {
  return { from: position, length, to: position }
}
