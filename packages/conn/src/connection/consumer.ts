/** The receiving end of one byte stream of a channel, as the contract of wire's `ByteChannel` has it. */

import { type ByteHandlers, type ByteSource, HeldChunks } from '@ssh/wire'
import { ChannelError } from '../errors.js'

/**
 * Keeps what arrives until somebody attaches, then hands it over in order: data, then the end, then the close.
 * What a consumer was handed is charged to it until it gives it back.
 */
export class Consumer implements ByteSource {
  readonly #giveBack: (byteCount: number) => void
  readonly #discards: boolean
  readonly #kept = new HeldChunks()
  #handlers: ByteHandlers | undefined
  #held = 0
  #delivering = false
  #aborted = false
  #end: 'none' | 'due' | 'told' = 'none'
  #close: 'none' | 'due' | 'told' = 'none'
  #closeError: Error | undefined

  /**
   * @param giveBack returns window to the peer
   * @param discards drop data as it arrives, whether or not somebody attaches
   */
  constructor(giveBack: (byteCount: number) => void, discards = false) {
    this.#giveBack = giveBack
    this.#discards = discards
  }

  /** @throws ChannelError `ERR_SSH_CHANNEL_ATTACHED` when a consumer is attached already */
  attach(handlers: ByteHandlers): void {
    if (this.#handlers !== undefined) {
      throw new ChannelError(
        'ERR_SSH_CHANNEL_ATTACHED',
        'This stream has a consumer already; a stream can be read in one place only',
      )
    }
    this.#handlers = handlers
    this.#deliver()
  }

  /** @throws RangeError when more is given back than was handed over */
  release(byteCount: number): void {
    if (this.#aborted || this.#close === 'told') return
    if (!(byteCount >= 0 && byteCount <= this.#held)) {
      throw new RangeError(`Released ${byteCount} bytes where ${this.#held} are held`)
    }
    this.#held -= byteCount
    if (byteCount > 0) this.#giveBack(byteCount)
  }

  data(chunk: Uint8Array): void {
    if (this.#discards || this.#close !== 'none') {
      this.#giveBack(chunk.length)
      return
    }
    this.#kept.push(chunk)
    this.#deliver()
  }

  end(): void {
    if (this.#end !== 'none' || this.#close !== 'none') return
    this.#end = 'due'
    this.#deliver()
  }

  drain(): void {
    if (this.#close !== 'told') this.#handlers?.onDrain?.()
  }

  /** Nothing more comes; what was kept is still handed to a late consumer. */
  close(error?: Error): void {
    if (this.#close !== 'none') return
    this.#close = 'due'
    this.#closeError = error
    this.#deliver()
  }

  /** Closes at once: what is kept is dropped. */
  abort(error?: Error): void {
    this.#aborted = true
    const dropped = this.#held + this.#kept.byteLength
    this.#kept.clear()
    this.#held = 0
    if (this.#end === 'due') this.#end = 'none'
    if (dropped > 0) this.#giveBack(dropped)
    this.close(error)
  }

  /** Handlers may call anything, so one call delivers and the others leave it their share. */
  #deliver(): void {
    const handlers = this.#handlers
    if (handlers === undefined || this.#delivering) return
    this.#delivering = true
    try {
      for (let chunk = this.#kept.shift(); chunk !== undefined; chunk = this.#kept.shift()) {
        if (handlers.onData === undefined) {
          this.#giveBack(chunk.length)
        } else {
          this.#held += chunk.length
          handlers.onData(chunk)
        }
      }
      if (this.#end === 'due') {
        this.#end = 'told'
        handlers.onEnd?.()
      }
      if (this.#close === 'due') {
        this.#close = 'told'
        handlers.onClose?.(this.#closeError)
      }
    } finally {
      this.#delivering = false
    }
  }
}
