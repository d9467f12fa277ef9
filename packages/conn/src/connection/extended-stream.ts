/** One extended data type of a channel, for instance standard error: RFC 4254 §5.2. */

import type { ByteChannel, ByteHandlers } from '@ssh/wire'
import type { ChannelState } from './channel-state.js'
import type { Consumer } from './consumer.js'

/**
 * Looks like a channel of its own, but shares the window and the write buffer of the one it belongs to. Has no end of
 * its own on the wire: the end of the channel is its end.
 */
export class ExtendedStream implements ByteChannel {
  readonly #state: ChannelState
  readonly #dataType: number
  readonly #input: Consumer
  #isEnded = false

  constructor(state: ChannelState, dataType: number, discards: boolean) {
    this.#state = state
    this.#dataType = dataType
    this.#input = state.extended(dataType, discards)
  }

  attach(handlers: ByteHandlers): void {
    this.#input.attach(handlers)
  }

  release(byteCount: number): void {
    this.#input.release(byteCount)
  }

  write(chunk: Uint8Array): boolean {
    return this.#isEnded ? false : this.#state.write(this.#dataType, chunk)
  }

  end(): void {
    this.#isEnded = true
  }

  /** What was written is sent with the channel's data; what still arrives is discarded. */
  close(): void {
    this.abort()
  }

  abort(error?: Error): void {
    this.end()
    this.#input.abort(error)
  }
}
