/**
 * Payloads on their way to the transport. While keys change nothing but the key exchange may leave, so everything
 * else waits here, in order. Channel data does not pass through: it is pulled when there is room for it.
 */

import { Fifo } from '../connection/fifo.js'
import { ProtocolError } from '../errors.js'

/** Messages that may wait at once. Each answers or asks something, so a peer that makes us hold more is at fault. */
const maximumWaiting = 16384
/** With this many waiting, no more should be read: what is read would only make it more. */
const pressureMark = 1024

export class Outbox {
  readonly #waiting = new Fifo<Uint8Array>()

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Whether so much waits that reading should pause. */
  get isUnderPressure(): boolean {
    return this.#waiting.length >= pressureMark
  }

  /**
   * Puts a payload at the end.
   * @throws ProtocolError `ERR_SSH_TRANSPORT_OUTPUT_FLOOD` when too much waits
   */
  add(payload: Uint8Array): void {
    if (this.#waiting.length >= maximumWaiting) {
      throw new ProtocolError(
        'ERR_SSH_TRANSPORT_OUTPUT_FLOOD',
        `${maximumWaiting} messages wait for the peer, which does not read them; expected it to read the answers it asks for`,
      )
    }
    this.#waiting.push(payload)
  }

  /** The first payload in line, taken out; undefined when nothing waits. */
  take(): Uint8Array | undefined {
    return this.#waiting.shift()
  }

  clear(): void {
    this.#waiting.clear()
  }
}
