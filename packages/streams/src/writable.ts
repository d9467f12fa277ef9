/** ByteSink → Node Writable. */

import { Writable } from 'node:stream'
import type { ByteChannel, ByteHandlers, ByteSink } from '@ssh/wire'
import { Outlet } from './outlet.js'
import { defaultHighWaterMark, ignoreError } from './readable.js'

export interface WritableOptions {
  /** Bytes accepted before `write` returns false. Default 64 KiB. */
  readonly highWaterMark?: number
}

/** A chunk as Node passes it to `_writev`. */
export interface BufferedChunk {
  readonly chunk: Uint8Array
}

/**
 * The write side of a channel.
 *
 * - A chunk is not copied and belongs to the stream from then on, also after its callback: do not change it.
 * - `end` and `destroy` both end the direction, as closing a pipe does; the channel goes on.
 * - When the channel closes during a write, that write's callback gets the error and the stream is destroyed with it,
 *   so `pipeline` rejects. When it closes between writes the stream is destroyed without one.
 * - An `error` nobody listens for does not end the process.
 */
export class ByteWritable extends Writable {
  readonly #outlet: Outlet
  /** For the `attach` of the channel behind the sink. */
  readonly handlers: Required<Pick<ByteHandlers, 'onDrain' | 'onClose'>>

  constructor(sink: ByteSink, options: WritableOptions = {}) {
    super({ highWaterMark: options.highWaterMark ?? defaultHighWaterMark })
    this.#outlet = new Outlet(sink)
    this.handlers = {
      onDrain: () => this.#outlet.drained(),
      onClose: (error) => {
        this.destroy(this.#outlet.closed(error))
      },
    }
    this.on('error', ignoreError)
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: (error?: Error) => void): void {
    this.#outlet.write([chunk], callback)
  }

  override _writev(chunks: readonly BufferedChunk[], callback: (error?: Error) => void): void {
    this.#outlet.write(
      chunks.map(({ chunk }) => chunk),
      callback,
    )
  }

  override _final(callback: (error?: Error) => void): void {
    this.#outlet.end()
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#outlet.end()
    callback(error)
  }
}

/**
 * A Writable over the sending direction of `channel`; what the channel receives is discarded. See {@link ByteWritable}.
 * @throws Error when a consumer is attached to the channel already
 */
export function toWritable(channel: ByteChannel, options?: WritableOptions): Writable {
  const writable = new ByteWritable(channel, options)
  channel.attach(writable.handlers)
  return writable
}
