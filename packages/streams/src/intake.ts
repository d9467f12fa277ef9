/** The receiving half of every stream here: hands chunks to a stream only while it wants them. */

import { type ByteHandlers, type ByteSource, HeldChunks } from '@ssh/wire'
import { throwLater } from './throw-later.js'

/** The stream an {@link Intake} feeds. */
export interface IntakeTarget {
  /** Takes one chunk and says whether it wants another at once. */
  push(chunk: Uint8Array): boolean
  /** No more chunks will come. */
  end(): void
  /** The channel broke. Chunks not yet pushed are lost. */
  fail(error: Error): void
}

/**
 * Credit goes back when a chunk enters the stream, and a chunk enters the stream only while it is below its mark. So a
 * reader holds at most its mark, one chunk, and what the window let the peer send; and credit comes back chunk by
 * chunk, which keeps the peer sending while the reader works, instead of in one lump when it runs dry.
 */
export class Intake {
  readonly #source: Pick<ByteSource, 'release'>
  readonly #target: IntakeTarget
  readonly #held = new HeldChunks()
  #state: 'open' | 'ending' | 'over' = 'open'
  #wanted = false
  #draining = false

  constructor(source: Pick<ByteSource, 'release'>, target: IntakeTarget) {
    this.#source = source
    this.#target = target
  }

  /** For {@link ByteSource.attach}. */
  readonly handlers: Required<Pick<ByteHandlers, 'onData' | 'onEnd' | 'onClose'>> = {
    onData: (chunk) => {
      if (this.#state === 'over') return this.#source.release(chunk.length)
      this.#held.push(chunk)
      this.#drain()
    },
    onEnd: () => {
      if (this.#state === 'over') return
      this.#state = 'ending'
      this.#drain()
    },
    // A close without an end before it is legal (RFC 4254 §5.3) and reads as one.
    onClose: (error) => {
      if (error === undefined) return this.handlers.onEnd()
      if (this.#state === 'over') return
      this.discard()
      this.#target.fail(error)
    },
  }

  /** The target wants chunks until `push` returns false again. */
  pull(): void {
    this.#wanted = true
    this.#drain()
  }

  /** Nobody reads any more: gives back all credit, now and for what still comes, so that the peer is not stalled. */
  discard(): void {
    this.#state = 'over'
    const { byteLength } = this.#held
    this.#held.clear()
    if (byteLength > 0) this.#source.release(byteLength)
  }

  #drain(): void {
    // Not entered twice: a push may pull, and a release may bring the next chunk, before they return.
    if (this.#draining) return
    this.#draining = true
    while (this.#wanted && this.#state !== 'over') {
      const chunk = this.#held.shift()
      if (chunk === undefined) break
      // Only ever set to true below: a pull made during the push must not be forgotten.
      this.#wanted = false
      if (this.#push(chunk)) this.#wanted = true
      this.#source.release(chunk.length)
    }
    this.#draining = false
    if (this.#state === 'ending' && this.#held.byteLength === 0) {
      this.#state = 'over'
      this.#target.end()
    }
  }

  #push(chunk: Uint8Array): boolean {
    try {
      return this.#target.push(chunk)
    } catch (thrown) {
      throwLater(thrown)
      return true
    }
  }
}
