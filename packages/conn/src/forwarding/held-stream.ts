/** A stream that was accepted before anybody is there for its bytes. */

import type { ByteChannel, ByteHandlers } from '@ssh/wire'
import { Consumer } from '../connection/consumer.js'

/** Reads the beginning of what arrives. */
export interface Preface {
  /** @returns how many bytes of it were used, and the rest is for whoever attaches; undefined: all, and more is wanted */
  data(chunk: Uint8Array): number | undefined
  /** The stream ended before the beginning was complete. */
  end(): void
}

/**
 * Keeps what a stream brings until somebody attaches, within the credit the stream has, and tells at once when it is
 * gone: whoever opens its other end need not go on then.
 */
export class HeldStream implements ByteChannel {
  readonly #stream: ByteChannel
  readonly #consumer: Consumer
  readonly #gone = new AbortController()
  #preface: Preface | undefined

  /** @param preface reads what comes first */
  constructor(stream: ByteChannel, preface?: Preface) {
    this.#stream = stream
    this.#preface = preface
    this.#consumer = new Consumer((byteCount) => stream.release(byteCount))
    stream.attach({
      onData: (chunk) => this.#received(chunk),
      onEnd: () => {
        this.#preface?.end()
        this.#consumer.end()
      },
      onDrain: () => this.#consumer.drain(),
      onClose: (error) => {
        this.#consumer.close(error)
        this.#gone.abort(error)
      },
    })
  }

  /** Aborts when the stream is closed. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  get copiesChunks(): boolean {
    return this.#stream.copiesChunks === true
  }

  attach(handlers: ByteHandlers): void {
    this.#consumer.attach(handlers)
  }

  release(byteCount: number): void {
    this.#consumer.release(byteCount)
  }

  write(chunk: Uint8Array): boolean {
    return this.#stream.write(chunk)
  }

  end(): void {
    this.#stream.end()
  }

  close(): void {
    this.#stream.close()
  }

  abort(error?: Error): void {
    this.#stream.abort(error)
  }

  #received(chunk: Uint8Array): void {
    if (this.#preface === undefined) {
      this.#consumer.data(chunk)
      return
    }
    const used = this.#preface.data(chunk)
    if (used !== undefined) this.#preface = undefined
    this.#stream.release(used ?? chunk.length)
    if (used !== undefined && used < chunk.length) this.#consumer.data(chunk.subarray(used))
  }
}
