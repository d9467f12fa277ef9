/**
 * How many bytes of file content may be in flight over all files of a session.
 *
 * It starts small and grows only when the link needs it: bytes in flight beyond twice the bandwidth-delay product buy
 * nothing but memory. On a local pipe that product is tiny; at 100 ms and 1 Gbit/s it is 12 MiB.
 */

import { AbortError } from '@ssh/wire'
import { onAbort } from './abort.js'

const initialLimit = 2 * 1024 * 1024
const greatestLimit = 32 * 1024 * 1024

interface Waiter {
  readonly byteCount: number
  grant(): void
}

export class InFlightBudget {
  #limit: number
  readonly #greatest: number
  #used = 0
  /** In order of arrival. */
  readonly #waiters = new Set<Waiter>()
  /** Shortest time a reply has taken: the round trip without the queues. */
  #roundTripMs = Number.POSITIVE_INFINITY
  #roundStart = 0
  #roundBytes = 0

  /** @param fixed bytes; absent, the budget adapts between 2 MiB and 32 MiB */
  constructor(fixed?: number) {
    this.#limit = fixed ?? initialLimit
    this.#greatest = fixed ?? greatestLimit
  }

  /** Bytes that may be in flight now. */
  get limit(): number {
    return this.#limit
  }

  get used(): number {
    return this.#used
  }

  /** Shortest time a reply has taken, in milliseconds; infinite until one has come. */
  get roundTripMs(): number {
    return this.#roundTripMs
  }

  /** Takes `byteCount` if it fits and nobody waits. One request always fits, however small the budget. */
  tryAcquire(byteCount: number): boolean {
    if (this.#waiters.size > 0 || !this.#fits(byteCount)) return false
    this.#used += byteCount
    return true
  }

  /** Waits until `byteCount` fits. @throws AbortError */
  acquire(byteCount: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(new AbortError(signal.reason))
    if (this.tryAcquire(byteCount)) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        byteCount,
        grant: () => {
          stopWatching?.()
          resolve()
        },
      }
      this.#waiters.add(waiter)
      const stopWatching =
        signal &&
        onAbort(signal, () => {
          this.#waiters.delete(waiter)
          reject(new AbortError(signal.reason))
          this.#admit()
        })
    })
  }

  /** Gives back what was acquired. */
  release(byteCount: number): void {
    this.#used -= byteCount
    this.#admit()
  }

  /** A reply came after `elapsedMs`. */
  observeReply(elapsedMs: number): void {
    if (elapsedMs < this.#roundTripMs) this.#roundTripMs = elapsedMs
  }

  /** `byteCount` bytes of content arrived, or were acknowledged, at `now` (milliseconds). */
  observeBytes(byteCount: number, now: number): void {
    if (this.#limit >= this.#greatest) return
    if (this.#roundBytes === 0) this.#roundStart = now
    this.#roundBytes += byteCount
    if (this.#roundBytes < this.#limit) return
    const elapsedMs = Math.max(now - this.#roundStart, 0.001)
    const product = (this.#roundBytes / elapsedMs) * this.#roundTripMs
    this.#roundBytes = 0
    this.#limit = Math.min(this.#greatest, Math.max(this.#limit, 2 * product))
    this.#admit()
  }

  #fits(byteCount: number): boolean {
    return this.#used === 0 || this.#used + byteCount <= this.#limit
  }

  #admit(): void {
    for (const waiter of this.#waiters) {
      if (!this.#fits(waiter.byteCount)) return
      this.#waiters.delete(waiter)
      this.#used += waiter.byteCount
      waiter.grant()
    }
  }
}
