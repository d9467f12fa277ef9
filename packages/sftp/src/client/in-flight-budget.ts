/**
 * How many bytes of file content may be in flight over all files of a client.
 *
 * Bytes in flight beyond twice the bandwidth-delay product buy nothing but memory. On a local pipe that product is tiny;
 * at 100 ms and 1 Gbit/s it is 12 MiB. So it begins with 2 MiB, or with what a fair link of the measured length takes,
 * and follows what the link turns out to carry. All clients of a process share what goes beyond the 2 MiB.
 */

import { AbortError } from '@ssh/wire'
import { onAbort } from './abort.js'

const initialLimit = 2 * 1024 * 1024
const greatestLimit = 32 * 1024 * 1024

/** What a client begins with for each millisecond of the round trip: half a gigabit per second. */
const firstBytesPerMs = 64 * 1024

/** No client begins with more: on a slow link all that was asked for stands in the way of what is asked for later. */
const greatestFirst = 8 * 1024 * 1024

/** Bytes that may be in flight beyond the first 2 MiB of each client, over all clients that share it. */
export class SharedGrowth {
  #free: number

  constructor(total: number) {
    this.#free = total
  }

  get free(): number {
    return this.#free
  }

  /** @returns how much of `wanted` there is; less than none gives back */
  take(wanted: number): number {
    const taken = Math.min(wanted, this.#free)
    this.#free -= taken
    return taken
  }
}

/** All clients of this process together. */
const ofThisProcess = new SharedGrowth(256 * 1024 * 1024)

interface Waiter {
  readonly byteCount: number
  grant(): void
}

export class InFlightBudget {
  #limit: number
  readonly #shared: SharedGrowth
  #mayAdapt: boolean
  /** Whether the limit follows from what the link carried, not only from how long it is. */
  #isMeasured = false
  #used = 0
  /** In order of arrival. No set: it would be copied every few blocks, and copies that are old keep those that follow. */
  readonly #waiters: Waiter[] = []
  /** Shortest time a reply has taken: the round trip without the queues. */
  #roundTripMs = Number.POSITIVE_INFINITY
  #roundStart = 0
  #roundBytes = 0

  /** @param fixed bytes; absent, the budget adapts between 2 MiB and 32 MiB */
  constructor(fixed?: number, shared = ofThisProcess) {
    this.#limit = fixed ?? initialLimit
    this.#mayAdapt = fixed === undefined
    this.#shared = shared
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
    if (this.#waiters.length > 0 || !this.#fits(byteCount)) return false
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
      this.#waiters.push(waiter)
      const stopWatching =
        signal &&
        onAbort(signal, () => {
          const index = this.#waiters.indexOf(waiter)
          if (index >= 0) this.#waiters.splice(index, 1)
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
    if (elapsedMs >= this.#roundTripMs) return
    this.#roundTripMs = elapsedMs
    if (!this.#isMeasured) this.#adapt(Math.min(greatestFirst, elapsedMs * firstBytesPerMs))
  }

  /** Bytes for several channels, each of which is limited by its window: they need not find that out one by one. */
  raiseTo(limit: number): void {
    if (limit > this.#limit) this.#adapt(limit)
  }

  /** The client is over: what it grew by goes back. */
  dispose(): void {
    this.#adapt(0)
    this.#mayAdapt = false
  }

  /** `byteCount` bytes of content arrived, or were acknowledged, at `now` (milliseconds). */
  observeBytes(byteCount: number, now: number): void {
    if (!this.#mayAdapt || this.#limit >= greatestLimit) return
    if (this.#roundBytes === 0) this.#roundStart = now
    this.#roundBytes += byteCount
    if (this.#roundBytes < this.#limit) return
    const elapsedMs = Math.max(now - this.#roundStart, 0.001)
    const product = (this.#roundBytes / elapsedMs) * this.#roundTripMs
    this.#roundBytes = 0
    // What was begun with was a guess; what was measured never shrinks.
    this.#adapt(this.#isMeasured ? Math.max(this.#limit, 2 * product) : 2 * product)
    this.#isMeasured = true
  }

  #adapt(wanted: number): void {
    if (!this.#mayAdapt) return
    const limit = Math.min(greatestLimit, Math.max(initialLimit, wanted))
    this.#limit += this.#shared.take(limit - this.#limit)
    this.#admit()
  }

  #fits(byteCount: number): boolean {
    return this.#used === 0 || this.#used + byteCount <= this.#limit
  }

  #admit(): void {
    for (let waiter = this.#waiters[0]; waiter !== undefined; waiter = this.#waiters[0]) {
      if (!this.#fits(waiter.byteCount)) return
      this.#waiters.shift()
      this.#used += waiter.byteCount
      waiter.grant()
    }
  }
}
