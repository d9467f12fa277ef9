/** A file to a stream, which is told the bytes once and keeps them. */

import { createHash } from 'node:crypto'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { WritableStream } from 'node:stream/web'
import { SftpError } from '../../errors.js'
import { onAbort, throwIfAborted, untilAborted } from '../abort.js'
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
  /** Tells once that nothing more can come, also while nothing is asked for; the result stops that. */
  onLost(listener: (error: unknown) => void): () => void
}

/** Delivers a file and ends the sink. @throws SftpError `ERR_SFTP_VERIFY_FAILED`; what the sink fails with */
export async function deliver(path: string, delivery: Delivery, options: FileContentOptions): Promise<void> {
  const { blocks, sink, check, onBytes, onLost } = delivery
  const { signal } = options
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
  // A sink that takes nothing must hold up neither an abort nor the end of the session.
  const stop = new AbortController()
  let lost: { readonly error: unknown } | undefined
  let losing: NodeJS.Immediate | undefined
  const stopListening = onLost((error) => {
    // A read that fails with it says more, and comes first where the sink takes something.
    losing = setImmediate(() => {
      lost = { error }
      stop.abort(error)
    })
  })
  const stopWatching = signal && onAbort(signal, () => stop.abort(signal.reason))
  try {
    throwIfAborted(signal)
    const isNode = sink instanceof Writable
    const done = isNode ? pipeline(counted, sink, { signal: stop.signal }) : toWebStream(counted(), sink, stop.signal)
    await untilAborted(done, stop.signal)
    if (check === undefined || hash === undefined) return
    const file = await check()
    try {
      if (await hasHash(file, hash.digest(), size, options)) return
    } finally {
      file.close()
    }
    throw new SftpError('ERR_SFTP_VERIFY_FAILED', 'What was delivered is not what the file holds', { path })
  } catch (error) {
    const failure = lost?.error ?? error
    throw failure instanceof SftpError ? failure.during(path, '', { written: size }) : failure
  } finally {
    stopWatching?.()
    stopListening()
    clearImmediate(losing)
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
