/** Sends packets into a channel: small ones of one tick travel together, and nothing is written while it is full. */

import { type ByteChannel, concatBytes } from '@ssh/wire'

/** A packet of this size or more goes alone: joining it to others would cost a copy. */
const joinedBelow = 8 * 1024

/** Bytes queued for the next tick, from which on a careful sender waits. */
const fullAt = 1024 * 1024

export class PacketWriter {
  readonly #channel: ByteChannel
  readonly #onRoom: () => void
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #isScheduled = false
  #isBlocked = false

  /** @param onRoom called when it is no longer full */
  constructor(channel: ByteChannel, onRoom: () => void = () => {}) {
    this.#channel = channel
    this.#onRoom = onRoom
  }

  /** Whether the sender should wait: the channel holds more than it wants, or too much is queued for it. */
  get isFull(): boolean {
    return this.#isBlocked || this.#queuedBytes >= fullAt
  }

  /** Queues a whole packet, length field included. It is the channel's from now on. */
  send(packet: Uint8Array): void {
    this.#queue.push(packet)
    this.#queuedBytes += packet.length
    if (this.#isScheduled || this.#isBlocked) return
    this.#isScheduled = true
    // A tick, not a microtask: it runs once every promise that is ready has asked for what it wants to ask.
    process.nextTick(() => {
      this.#isScheduled = false
      this.flush()
    })
  }

  /** The channel has room again. */
  drained(): void {
    this.#isBlocked = false
    this.flush()
    if (!this.isFull) this.#onRoom()
  }

  /** Hands over what is queued, up to what the channel wants. */
  flush(): void {
    const wasFull = this.isFull
    const queue = this.#queue
    let used = 0
    while (used < queue.length && !this.#isBlocked) {
      const start = used
      for (let packet = queue[used]; packet !== undefined && packet.length < joinedBelow; packet = queue[used]) used++
      // Nothing small at the front: the one large packet goes as it is.
      if (used === start) used++
      this.#write(queue.slice(start, used))
    }
    this.#queue = used === queue.length ? [] : queue.slice(used)
    if (wasFull && !this.isFull) this.#onRoom()
  }

  /** Hands over everything, full or not: the channel is about to be closed. */
  flushAll(): void {
    const queue = this.#queue
    this.#queue = []
    for (const packet of queue) this.#write([packet])
  }

  #write(packets: readonly Uint8Array[]): void {
    const bytes = concatBytes(packets)
    this.#queuedBytes -= bytes.length
    this.#isBlocked = !this.#channel.write(bytes)
  }
}
