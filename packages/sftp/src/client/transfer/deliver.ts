/** A file to a stream, which is told the bytes once and keeps them. */

import { createHash } from 'node:crypto'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { WritableStream } from 'node:stream/web'
import { SftpError } from '../../errors.js'
import { untilAborted } from '../abort.js'
import type { SourceFile } from '../file-tree.js'
import type { FileContentOptions } from './file-content.js'
import { hasHash } from './stream-content.js'

/** What `get` takes in place of a path. */
export type ByteSink = Writable | WritableStream<Uint8Array>

export interface Delivery {
  /** In order; a failure of the sink ends it. */
  readonly blocks: AsyncIterable<Uint8Array>
  readonly sink: ByteSink
  /** The file, to compare what was delivered with; undefined when that is not wanted. */
  readonly check: (() => Promise<SourceFile>) | undefined
  onBytes(byteCount: number): void
}

/** Delivers a file and ends the sink. @throws SftpError `ERR_SFTP_VERIFY_FAILED`; what the sink fails with */
export async function deliver(path: string, delivery: Delivery, options: FileContentOptions): Promise<void> {
  const { blocks, sink, check, onBytes } = delivery
  const hash = check && createHash('sha256')
  let size = 0
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const block of blocks) {
      hash?.update(block)
      size += block.length
      yield block
      onBytes(block.length)
    }
  }
  try {
    const { signal } = options
    const isNode = sink instanceof Writable
    const done = isNode ? pipeline(counted, sink, signal ? { signal } : {}) : toWebStream(counted(), sink, signal)
    await untilAborted(done, signal)
    if (check === undefined || hash === undefined) return
    const file = await check()
    try {
      if (await hasHash(file, hash.digest(), size, options)) return
    } finally {
      file.close()
    }
    throw new SftpError('ERR_SFTP_VERIFY_FAILED', 'What was delivered is not what the file holds', { path })
  } catch (error) {
    throw error instanceof SftpError ? error.during(path, '', { written: size }) : error
  }
}

async function toWebStream(
  blocks: AsyncGenerator<Uint8Array>,
  sink: WritableStream<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const writer = sink.getWriter()
  // What it fails with is heard of through `ready` and `close`.
  writer.closed.catch(() => {})
  try {
    for await (const block of blocks) {
      await untilAborted(writer.ready, signal)
      // Copied: a block is the sender's again, and the sink may keep what it is given.
      writer.write(Uint8Array.from(block)).catch(() => {})
    }
    await writer.close()
  } catch (error) {
    writer.abort(error).catch(() => {})
    throw error
  } finally {
    writer.releaseLock()
  }
}
