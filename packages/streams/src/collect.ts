/** Keeps what a stream brings, up to a bound. */

import { StringDecoder } from 'node:string_decoder'
import { asBuffer, HeldChunks } from '@ssh/wire'
import { StreamError } from './errors.js'

/** Default of `maxBuffer`, in bytes. */
export const defaultMaxBuffer = 100 * 1024 * 1024

export interface CollectOptions {
  /** Bytes kept; more is an error. Default 100 MiB. */
  readonly maxBuffer?: number
}

/** Collects chunks; what is beyond the bound is dropped and remembered as overflow. */
export class Collector {
  readonly maxBuffer: number
  readonly #kept = new HeldChunks()
  #overflowed = false

  constructor(options: CollectOptions = {}) {
    this.maxBuffer = options.maxBuffer ?? defaultMaxBuffer
  }

  /** Bytes kept. */
  get byteLength(): number {
    return this.#kept.byteLength
  }

  /** Whether more came than is kept. */
  get overflowed(): boolean {
    return this.#overflowed
  }

  /** Keeps `chunk`, or as much of it as there is room for; false if that was not all. */
  add(chunk: Uint8Array): boolean {
    const room = this.maxBuffer - this.#kept.byteLength
    const kept = chunk.length <= room ? chunk : chunk.subarray(0, room)
    if (kept.length > 0) this.#kept.push(kept)
    if (kept.length < chunk.length) this.#overflowed = true
    return kept.length === chunk.length
  }

  /** What was collected so far. The same array until more is added. */
  bytes(): Buffer {
    return asBuffer(this.#kept.join())
  }

  /**
   * What was collected so far, as text.
   * @param isComplete false leaves off a last character of which only a part has come; default true
   */
  text(encoding: BufferEncoding = 'utf8', isComplete = true): string {
    if (isComplete && !this.#overflowed) return this.bytes().toString(encoding)
    return new StringDecoder(encoding).write(this.bytes())
  }
}

/**
 * Reads a stream to its end.
 * @throws StreamError `ERR_SSH_STREAM_MAX_BUFFER`; the stream is destroyed then
 */
export async function collect(
  input: AsyncIterable<Uint8Array | string>,
  options: CollectOptions = {},
): Promise<Buffer> {
  const collector = new Collector(options)
  for await (const chunk of input) {
    if (!collector.add(typeof chunk === 'string' ? Buffer.from(chunk) : chunk))
      throw maxBufferError(collector.maxBuffer)
  }
  return collector.bytes()
}

/** What is thrown when there is more output than `maxBuffer` bytes. */
export function maxBufferError(maxBuffer: number): StreamError {
  return new StreamError(
    'ERR_SSH_STREAM_MAX_BUFFER',
    `There is more output than the ${maxBuffer} bytes of maxBuffer; raise it, or read the stream instead`,
    { details: { maxBuffer } },
  )
}
