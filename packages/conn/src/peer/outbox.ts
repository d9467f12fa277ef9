/**
 * Payloads on their way to the transport. While keys change nothing but the key exchange may leave, so everything
 * else waits here, in order. Channel data does not pass through: it is pulled when there is room for it.
 */

import {
  channelFailure,
  channelOpenConfirmation,
  channelOpenFailure,
  channelSuccess,
  channelWindowAdjust,
  Fifo,
  requestFailure,
  requestSuccess,
} from '@ssh/wire'

/** What a peer can make us send, as often as it likes. Everything else is bounded, or the application's own doing. */
const answers: ReadonlySet<number> = new Set(
  [
    requestSuccess,
    requestFailure,
    channelOpenConfirmation,
    channelOpenFailure,
    channelWindowAdjust,
    channelSuccess,
    channelFailure,
  ].map((message) => message.number),
)

/** Answers that may wait while keys change, when reading must go on. A peer that makes us hold more does not read. */
const maximumAnswers = 16384
/** With this many waiting, no more should be read: what is read would only make it more. */
const pressureMark = 1024

export class Outbox {
  readonly #waiting = new Fifo<Uint8Array>()
  #answers = 0

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Whether so many answers wait that reading should pause. */
  get isUnderPressure(): boolean {
    return this.#answers >= pressureMark
  }

  /** Whether more answers wait than an honest peer can have asked for. */
  get isFlooded(): boolean {
    return this.#answers > maximumAnswers
  }

  /** Puts a payload at the end. */
  add(payload: Uint8Array): void {
    if (isAnswer(payload)) this.#answers++
    this.#waiting.push(payload)
  }

  /** The first payload in line, taken out; undefined when nothing waits. */
  take(): Uint8Array | undefined {
    const payload = this.#waiting.shift()
    if (payload !== undefined && isAnswer(payload)) this.#answers--
    return payload
  }

  clear(): void {
    this.#waiting.clear()
    this.#answers = 0
  }
}

function isAnswer(payload: Uint8Array): boolean {
  return answers.has(payload[0] ?? 0)
}
