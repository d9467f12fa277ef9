/** Two byte channels joined end to end: what every tunnel is once both of its ends are open. */

import type { ByteChannel } from '@ssh/wire'
import { Deferred } from '../deferred.js'

/**
 * Carries bytes both ways until both channels are closed.
 *
 * - **Ends** pass one direction at a time (RFC 4254 §5.3); once both directions ended, both channels are closed.
 * - **Pressure** passes from end to end: a chunk is released where it came from once the other channel had room for it,
 *   so what a tunnel holds is bounded by the two channels' own buffers. Chunks are handed on as they are, not copied.
 * - **A close** of one channel closes the other behind what it was still given; **an error** aborts it.
 *
 * To end it early, abort either channel.
 *
 * @returns resolves when both channels are closed; rejects, then too, with the first error. The rejection counts as
 *   seen: nobody needs to look
 * @throws Error when a consumer is attached to one of them already
 */
export function pipe(a: ByteChannel, b: ByteChannel): Promise<void> {
  const joint = new Joint(a, b)
  return joint.over
}

class Joint {
  readonly #over = new Deferred<void>()
  #failure: Error | undefined

  constructor(a: ByteChannel, b: ByteChannel) {
    const ends = [new End(a), new End(b)] as const
    this.#join(ends[0], ends[1])
    this.#join(ends[1], ends[0])
  }

  get over(): Promise<void> {
    return this.#over.promise
  }

  #join(end: End, other: End): void {
    end.channel.attach({
      onData: (chunk) => {
        const { length } = chunk
        // Nobody is left to take it, and what is not released would stop a peer that has yet to hear of the close.
        if (other.isClosed || other.channel.write(chunk)) end.channel.release(length)
        else end.owed += length
      },
      onDrain: () => other.releaseOwed(),
      onEnd: () => {
        end.hasEnded = true
        other.channel.end()
        if (!other.hasEnded) return
        end.channel.close()
        other.channel.close()
      },
      onClose: (error) => {
        end.isClosed = true
        this.#failure ??= error
        if (other.isClosed) {
          this.#settle()
        } else if (error === undefined) {
          other.releaseOwed()
          other.channel.close()
        } else {
          other.channel.abort(error)
        }
      },
    })
  }

  #settle(): void {
    if (this.#failure === undefined) this.#over.resolve()
    else this.#over.reject(this.#failure)
  }
}

class End {
  readonly channel: ByteChannel
  hasEnded = false
  isClosed = false
  /** Bytes that came from this end and that the other one took without having room for them. */
  owed = 0

  constructor(channel: ByteChannel) {
    this.channel = channel
  }

  releaseOwed(): void {
    const { owed } = this
    this.owed = 0
    if (owed > 0) this.channel.release(owed)
  }
}
