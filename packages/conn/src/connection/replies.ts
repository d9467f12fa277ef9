/**
 * Replies carry no number (RFC 4254 §4, §5.4): the n-th reply belongs to the n-th request that wanted one. So both
 * sides keep a queue; the connection has one pair for global requests and each channel another.
 */

import { Fifo } from '@ssh/wire'
import { ProtocolError } from '../errors.js'
import type { RoundTrip } from './round-trip.js'

/** What became of a request that wanted a reply. */
export type RequestReply =
  /** `data` is the response-specific part; channel requests have none. */
  | { readonly outcome: 'success'; readonly data: Uint8Array }
  | { readonly outcome: 'failure' }
  /** The channel or the connection ended first; no reply will come. */
  | { readonly outcome: 'closed'; readonly error: Error }

/** Called exactly once. */
export type OnReply = (reply: RequestReply) => void

/** Our requests that wait for the peer's reply. */
export class PendingReplies {
  readonly #waiting = new Fifo<{ readonly onReply: OnReply; readonly sentAtMs: number }>()
  readonly #clock: () => number
  readonly #roundTrip: RoundTrip

  constructor(clock: () => number, roundTrip: RoundTrip) {
    this.#clock = clock
    this.#roundTrip = roundTrip
  }

  /** A request was sent. */
  expect(onReply: OnReply): void {
    this.#waiting.push({ onReply, sentAtMs: this.#clock() })
  }

  /** A reply arrived. One that nobody waits for is ignored: kept, it would answer a later request. */
  settle(reply: RequestReply): void {
    const first = this.#waiting.shift()
    if (first === undefined) return
    this.#roundTrip.sample(this.#clock() - first.sentAtMs)
    first.onReply(reply)
  }

  /** No more replies will come. */
  end(error: Error): void {
    for (let waiting = this.#waiting.shift(); waiting !== undefined; waiting = this.#waiting.shift()) {
      waiting.onReply({ outcome: 'closed', error })
    }
  }
}

interface ReplySlot {
  payload: Uint8Array | undefined
}

/** The peer's requests that wait for our reply: answered in any order, sent in the order of the requests. */
export class OwedReplies {
  readonly #slots = new Fifo<ReplySlot>()
  readonly #limit: number
  readonly #send: (payload: Uint8Array) => void

  constructor(limit: number, send: (payload: Uint8Array) => void) {
    this.#limit = limit
    this.#send = send
  }

  /** Requests not answered yet, or answered but behind one that is not. */
  get length(): number {
    return this.#slots.length
  }

  /**
   * A request that wants a reply arrived.
   * @returns takes the reply's payload; a second one is ignored
   * @throws ProtocolError `ERR_SSH_CHANNEL_TOO_MANY_REQUESTS` when too many are waiting
   */
  owe(): (payload: Uint8Array) => void {
    if (this.#slots.length >= this.#limit) {
      throw new ProtocolError(
        'ERR_SSH_CHANNEL_TOO_MANY_REQUESTS',
        `The peer has ${this.#slots.length} requests waiting for a reply; no more are accepted`,
        { details: { limit: this.#limit } },
      )
    }
    const slot: ReplySlot = { payload: undefined }
    this.#slots.push(slot)
    return (payload) => {
      slot.payload ??= payload
      this.#flush()
    }
  }

  /** The channel or connection ended; answers that still come go nowhere. */
  end(): void {
    this.#slots.clear()
  }

  #flush(): void {
    for (let first = this.#slots.first; first?.payload !== undefined; first = this.#slots.first) {
      this.#slots.shift()
      this.#send(first.payload)
    }
  }
}
