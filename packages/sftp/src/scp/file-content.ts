/** The bytes of a file in order, exactly as many as were announced, whatever becomes of the file meanwhile. */

import type { SourceBlock } from '../client/file-tree.js'
import { SftpError } from '../errors.js'
import type { ScpSourceFile } from './scp-files.js'
import { asError, endsCopying } from './status.js'

type Signal = AbortSignal | undefined

/** Blocks read ahead of what is sent. */
const blocksAhead = 3

/** Blocks that are read to learn the size of a file which does not tell it, as those of /proc. */
const mostProbed = 64

const zeros = new Uint8Array(64 * 1024)

export class FileContent {
  /** Bytes that {@link blocks} gives. */
  readonly size: number
  readonly #file: ScpSourceFile
  readonly #blockSize: number
  readonly #path: string
  readonly #signal: Signal
  /** What was read to learn the size. */
  readonly #probed: readonly SourceBlock[]

  private constructor(
    file: ScpSourceFile,
    facts: {
      readonly size: number
      readonly blockSize: number
      readonly path: string
      readonly signal: Signal
      readonly probed: readonly SourceBlock[]
    },
  ) {
    this.#file = file
    this.size = facts.size
    this.#blockSize = facts.blockSize
    this.#path = facts.path
    this.#signal = facts.signal
    this.#probed = facts.probed
  }

  /** @throws SftpError when a file that does not tell its size is too large to be read before it is announced */
  static async open(file: ScpSourceFile, blockSize: number, path: string, signal: Signal): Promise<FileContent> {
    const facts = { blockSize, path, signal }
    if (file.size !== undefined) return new FileContent(file, { ...facts, size: file.size, probed: [] })
    const probed: SourceBlock[] = []
    let size = 0
    for (;;) {
      const block = await file.read(size, blockSize, 0, signal)
      size += block.length
      probed.push(block)
      if (block.length < blockSize) return new FileContent(file, { ...facts, size, probed })
      if (probed.length === mostProbed) {
        throw new SftpError('EFBIG', 'EFBIG: the file does not tell its size, which SCP sends first', { path })
      }
    }
  }

  /**
   * The content, then zeros where it fails or ends too early: the other side waits for that many bytes.
   * @param onFailure told why these are not the bytes of the file
   */
  async *blocks(onFailure: (error: Error) => void): AsyncGenerator<SourceBlock> {
    let sent = 0
    try {
      for await (const block of this.#read()) {
        yield block
        sent += block.length
      }
      if (sent === this.size) return
      onFailure(
        new SftpError(
          'ERR_SFTP_FILE_CHANGED',
          `The file ended at ${sent} of ${this.size} bytes: it changed while it was copied`,
          { path: this.#path, details: { size: this.size, copied: sent } },
        ),
      )
    } catch (error) {
      if (endsCopying(error)) throw error
      onFailure(asError(error))
    }
    for (let length: number; sent < this.size; sent += length) {
      length = Math.min(zeros.length, this.size - sent)
      yield { chunks: [zeros.subarray(0, length)], length }
    }
  }

  async *#read(): AsyncGenerator<SourceBlock> {
    yield* this.#probed
    const reads: Promise<SourceBlock>[] = []
    let asked = this.#probed.reduce((sum, { length }) => sum + length, 0)
    for (let read = asked; read < this.size; ) {
      while (reads.length < blocksAhead && asked < this.size) {
        const length = Math.min(this.#blockSize, this.size - asked)
        const reading = this.#file.read(asked, length, 0, this.#signal)
        // Whoever takes the block hears of a failure; one that nobody takes any more must not end the process.
        reading.catch(() => {})
        reads.push(reading)
        asked += length
      }
      const expected = Math.min(this.#blockSize, this.size - read)
      const block = await reads.shift()
      if (block === undefined) return
      yield block
      read += block.length
      // What lies behind a hole in time is not known to be of the same file.
      if (block.length < expected) return
    }
  }
}
