/** ByteSource → Node Readable. */

import { Readable } from 'node:stream'
import { asBuffer, type ByteHandlers, type ByteSource } from '@ssh/wire'
import { Intake } from './intake.js'

export interface ReadableOptions {
  /** Bytes kept ready for the reader; beyond them the peer is made to wait. Default 64 KiB. */
  readonly highWaterMark?: number
}

/** Default of every `highWaterMark` here, in bytes: two full SSH packets. */
export const defaultHighWaterMark = 64 * 1024

/**
 * The read side of a channel. Chunks are views of what was received, not copies.
 *
 * - A reader that stops reading stalls its sender and nobody else.
 * - Destroying it discards what comes from then on; the channel goes on.
 * - When the channel breaks it is destroyed with the error. `error` is emitted for those who listen and never ends
 *   the process when nobody does: whoever owns the channel hears of the loss as well.
 */
export class ByteReadable extends Readable {
  readonly #intake: Intake

  constructor(source: Pick<ByteSource, 'release'>, options: ReadableOptions = {}) {
    super({ highWaterMark: options.highWaterMark ?? defaultHighWaterMark })
    this.#intake = new Intake(source, {
      push: (chunk) => this.push(asBuffer(chunk)),
      end: () => this.push(null),
      fail: (error) => this.destroy(error),
    })
    this.on('error', ignoreError)
  }

  /** For the `attach` of the source. */
  get handlers(): Required<Pick<ByteHandlers, 'onData' | 'onEnd' | 'onClose'>> {
    return this.#intake.handlers
  }

  override _read(): void {
    this.#intake.pull()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#intake.discard()
    callback(error)
  }
}

/**
 * A Readable over `source`; see {@link ByteReadable}.
 * @throws Error when a consumer is attached to the source already
 */
export function toReadable(source: ByteSource, options?: ReadableOptions): Readable {
  const readable = new ByteReadable(source, options)
  source.attach(readable.handlers)
  return readable
}

/** Listener that keeps an `error` nobody asked for from ending the process. */
export function ignoreError(): void {}
