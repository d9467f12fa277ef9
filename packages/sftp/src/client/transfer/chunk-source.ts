/** What `put` takes in place of paths, as one thing: chunks one after another, from something that can be stopped. */

import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { SftpError } from '../../errors.js'

/** Bytes that come one after another. */
export type ChunkStream = AsyncIterable<Uint8Array> | Readable | ReadableStream<Uint8Array>

export interface ChunkSource {
  /** The next bytes; undefined at the end. @throws SftpError `EINVAL` for what is neither bytes nor text */
  next(): Promise<Uint8Array | undefined>
  /** Lets go of the source, also while `next` waits. Never throws. */
  stop(error: unknown): void
}

/** @throws SftpError `EINVAL` for a stream that was read to its end before: what came of it would be an empty file */
export function assertUnread(stream: ChunkStream): void {
  if (!(stream instanceof Readable && stream.readableEnded)) return
  throw new SftpError('EINVAL', 'EINVAL: the stream was read to its end before; give one that was not')
}

export function chunkSource(stream: ChunkStream): ChunkSource {
  return isWebStream(stream) ? fromWebStream(stream) : fromIterable(stream)
}

function isWebStream(stream: ChunkStream): stream is ReadableStream<Uint8Array> {
  return !(stream instanceof Readable) && 'getReader' in stream
}

function fromWebStream(stream: ReadableStream<unknown>): ChunkSource {
  const reader = stream.getReader()
  return {
    async next() {
      const { done, value } = await reader.read()
      if (!done) return asBytes(value)
      reader.releaseLock()
      return undefined
    },
    stop: (error) => void reader.cancel(error).catch(() => {}),
  }
}

function fromIterable(stream: AsyncIterable<unknown>): ChunkSource {
  const iterator = stream[Symbol.asyncIterator]()
  return {
    async next() {
      const { done, value } = await iterator.next()
      return done ? undefined : asBytes(value)
    },
    stop(error) {
      // An iterator whose `next` waits does not hear of `return` before that has come; a stream hears of its end.
      if (stream instanceof Readable) stream.destroy(error instanceof Error ? error : undefined)
      // However it answers: with a promise, with a value, or by throwing.
      const letGo = async (): Promise<unknown> => iterator.return?.()
      letGo().catch(() => {})
    },
  }
}

function asBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  if (typeof chunk === 'string') return Buffer.from(chunk)
  throw new SftpError(
    'EINVAL',
    `EINVAL: expected bytes from the stream, found ${chunk === null ? 'null' : typeof chunk}`,
  )
}
