/** The sending half of every stream here: writes while the sink has room and reports when it took everything. */

import type { ByteSink } from '@ssh/wire'
import { StreamError } from './errors.js'
import { throwLater } from './throw-later.js'

interface Writing {
  readonly chunks: readonly Uint8Array[]
  next: number
  readonly done: (error?: Error) => void
}

/** One write at a time, as Node's and the web's writable streams call it. */
export class Outlet {
  readonly #sink: ByteSink
  #writing: Writing | undefined
  #closed: Error | true | undefined

  constructor(sink: ByteSink) {
    this.#sink = sink
  }

  /** The sink has room again. */
  drained(): void {
    this.#pump()
  }

  /**
   * The channel is over; answers a write that is still waiting.
   * @returns what was lost: the channel's own error, or that of the interrupted write
   */
  closed(error?: Error): Error | undefined {
    this.#closed = error ?? true
    const lost = this.#writing === undefined ? error : this.#closedError()
    this.#finish(lost)
    return lost
  }

  /**
   * Hands over `chunks`. `done` is called exactly once: without an error when the sink wants more, with one when the
   * channel closed first.
   */
  write(chunks: readonly Uint8Array[], done: (error?: Error) => void): void {
    this.#writing = { chunks, next: 0, done }
    if (this.#closed === undefined) this.#pump()
    else this.#finish(this.#closedError())
  }

  /** Nothing more will be written. */
  end(): void {
    if (this.#closed === undefined) this.#sink.end()
  }

  #pump(): void {
    const writing = this.#writing
    if (writing === undefined) return
    for (let chunk = writing.chunks[writing.next]; chunk !== undefined; chunk = writing.chunks[writing.next]) {
      writing.next += 1
      // Also stops here when the write made the channel close: `closed` has answered already.
      if (!this.#sink.write(chunk)) return
    }
    this.#finish()
  }

  #finish(error?: Error): void {
    const writing = this.#writing
    this.#writing = undefined
    try {
      writing?.done(error)
    } catch (thrown) {
      throwLater(thrown)
    }
  }

  #closedError(): Error {
    if (this.#closed instanceof Error) return this.#closed
    return new StreamError('ERR_SSH_STREAM_CLOSED', 'The channel closed before everything written to it was taken')
  }
}
