/** ByteChannel → Node Duplex. */

import { Duplex } from 'node:stream'
import { asBuffer, type ByteChannel } from '@ssh/wire'
import { Intake } from './intake.js'
import { Outlet } from './outlet.js'
import { defaultHighWaterMark, ignoreError } from './readable.js'
import type { BufferedChunk } from './writable.js'

export interface DuplexOptions {
  /** Bytes buffered in each direction before it pushes back. Default 64 KiB. */
  readonly highWaterMark?: number
  /** Whether writing may go on after the peer ended its direction; false ends ours as well. Default true. */
  readonly allowHalfOpen?: boolean
}

/**
 * Both directions of a channel, as `net.Socket` is for a connection.
 *
 * - Ends pass one direction at a time: `end` tells the peer, and `end` is emitted when the peer did.
 * - `destroy` closes the channel at once; after both directions ended by themselves it closes in order.
 * - `for await` to the end leaves the writing direction open; leaving the loop early destroys the stream.
 * - A chunk written belongs to the stream from then on, also after its callback: do not change it.
 * - When the channel closes during a write, its callback gets the error and the stream is destroyed with it. An
 *   `error` nobody listens for does not end the process.
 *
 * @throws Error when a consumer is attached to the channel already
 */
export function toDuplex(channel: ByteChannel, options: DuplexOptions = {}): Duplex {
  return new ByteDuplex(channel, options)
}

class ByteDuplex extends Duplex {
  readonly #channel: ByteChannel
  readonly #intake: Intake
  readonly #outlet: Outlet

  constructor(channel: ByteChannel, options: DuplexOptions) {
    super({
      highWaterMark: options.highWaterMark ?? defaultHighWaterMark,
      allowHalfOpen: options.allowHalfOpen ?? true,
    })
    this.#channel = channel
    this.#outlet = new Outlet(channel)
    this.#intake = new Intake(channel, {
      push: (chunk) => this.push(asBuffer(chunk)),
      end: () => this.push(null),
      fail: (error) => this.destroy(error),
    })
    this.on('error', ignoreError)
    channel.attach({
      ...this.#intake.handlers,
      onDrain: () => this.#outlet.drained(),
      onClose: (error) => this.#onClose(error),
    })
  }

  /**
   * As every readable's, with one difference: a loop that came to the end leaves the writing direction open. Node would
   * destroy both, and with them what the reader answered last.
   */
  override async *[Symbol.asyncIterator](): NodeJS.AsyncIterator<Buffer, undefined> {
    let hasEnded = false
    try {
      yield* this.iterator({ destroyOnReturn: false })
      hasEnded = true
    } finally {
      if (!hasEnded) this.destroy()
    }
    return undefined
  }

  override _read(): void {
    this.#intake.pull()
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
    this.#intake.discard()
    // What was written before a regular end is still on its way; only an early destroy may drop it.
    if (this.writableFinished) this.#channel.close()
    else this.#channel.abort(error ?? undefined)
    callback(error)
  }

  #onClose(error?: Error): void {
    const lost = this.#outlet.closed(error)
    if (lost !== undefined) {
      this.destroy(lost)
      return
    }
    // What arrived before is still to be read. Not `end()` for the other direction: a writer that had more to say
    // would take that for success.
    this.#intake.handlers.onClose()
    if (this.readableEnded) this.destroy()
    else this.once('end', () => this.destroy())
  }
}
