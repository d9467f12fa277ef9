/**
 * Flow control arithmetic of one channel: RFC 4254 §5.2. Numbers only; knows neither messages nor consumers.
 *
 * The counters are compared and added as numbers, never with bit operators, which would wrap at 2^31.
 */

import { ProtocolError } from '../errors.js'
import type { RoundTrip } from './round-trip.js'

/** A window is a uint32 (RFC 4254 §5.2). */
const maximumWindow = 0xffffffff

/**
 * How many bytes the peer lets us send, and whether that is too few.
 *
 * Now and then one byte is watched: how long after it was sent the peer gave it back. Half as long again as the shortest
 * round trip says that neither the link nor the peer's consumer held it up; if the window ran out meanwhile, the window
 * is what limits us. So it is, until a watched byte tells otherwise, when all of a large window leaves in a small part
 * of a round trip.
 */
export class SendWindow {
  readonly #roundTrip: RoundTrip
  readonly #clock: () => number
  #remaining: number
  #sent = 0
  #granted = 0
  /** Bytes on their way from which on one is watched. */
  #watchedFrom = 0
  /** The watched byte, as the number of bytes sent with it, and when that was. */
  #watched: { readonly position: number; readonly atMs: number } | undefined
  #tookAtMs = Number.NEGATIVE_INFINITY
  /** When bytes began to leave after a pause, and how many had been sent before. */
  #burst = { position: 0, atMs: 0 }
  #ranOut = false
  #isLimit = false
  /** Soonest that a watched byte was given back, milliseconds. */
  #soonestGrantMs = Number.POSITIVE_INFINITY

  /** @param clock monotonic milliseconds */
  constructor(initialSize: number, roundTrip: RoundTrip, clock: () => number) {
    this.#remaining = initialSize
    this.#roundTrip = roundTrip
    this.#clock = clock
  }

  get remaining(): number {
    return this.#remaining
  }

  /** Whether the window was what limited us when it was looked at last. */
  get isLimit(): boolean {
    return this.#isLimit
  }

  /** There is more to send than the window takes. */
  markShort(): void {
    if (this.#ranOut) return
    this.#ranOut = true
    const { shortestMs } = this.#roundTrip
    const elapsedMs = this.#clock() - this.#burst.atMs
    const isTelling = this.#sent - this.#burst.position >= tellingWindow && this.#isWorthIt
    if (isTelling && elapsedMs <= promptLeaving * shortestMs) this.#isLimit = true
  }

  /**
   * A busy machine takes many milliseconds to open a channel, and the round trip may come from nothing else. It is not
   * corrected by what is seen here, because a peer that enlarges its window may seem to answer before it can.
   */
  get #isWorthIt(): boolean {
    const { shortestMs } = this.#roundTrip
    return Number.isFinite(shortestMs) && Math.min(shortestMs, this.#soonestGrantMs) >= shortestWorthWideningMs
  }

  /** @throws ProtocolError `ERR_SSH_CHANNEL_WINDOW_OVERFLOW` when the window would exceed 2^32 - 1 */
  add(byteCount: number): void {
    const sum = this.#remaining + byteCount
    if (sum > maximumWindow) {
      throw new ProtocolError(
        'ERR_SSH_CHANNEL_WINDOW_OVERFLOW',
        `The peer added ${byteCount} bytes to a window of ${this.#remaining}: more than 2^32 - 1`,
        { details: { window: this.#remaining, bytesToAdd: byteCount } },
      )
    }
    this.#remaining = sum
    this.#granted += byteCount
    if (this.#granted > this.#sent) this.#grew()
    else if (this.#watched !== undefined && this.#granted >= this.#watched.position) this.#judge(this.#watched.atMs)
  }

  /** As `add`, but what would exceed `limit` is left out. */
  addUpTo(byteCount: number, limit: number): void {
    this.#remaining = Math.max(this.#remaining, Math.min(limit, this.#remaining + byteCount))
  }

  take(byteCount: number): void {
    const now = this.#clock()
    const isIdle = now - this.#tookAtMs > promptLeaving * this.#roundTrip.shortestMs
    if (isIdle) this.#burst = { position: this.#sent, atMs: now }
    this.#tookAtMs = now
    if (this.#sent === 0) this.#watchedFrom = Math.min(worthWatching, this.#remaining / 2)
    this.#remaining -= byteCount
    this.#sent += byteCount
    if (this.#sent - this.#granted >= this.#watchedFrom) this.#watched ??= { position: this.#sent, atMs: now }
  }

  /** More than was sent cannot be given back: the peer enlarges the window, or OpenSSH opens it as a program starts. */
  #grew(): void {
    this.#granted = this.#sent
    this.#watched = undefined
    this.#ranOut = false
    this.#isLimit = false
  }

  #judge(sentAtMs: number): void {
    const elapsedMs = this.#clock() - sentAtMs
    this.#soonestGrantMs = Math.min(this.#soonestGrantMs, elapsedMs)
    const isPrompt = elapsedMs <= promptGrant * this.#roundTrip.shortestMs
    this.#isLimit = this.#ranOut && this.#isWorthIt && isPrompt
    this.#ranOut = false
    this.#watched = undefined
  }
}

/** What the receive windows of one connection may sum up to. */
export class WindowBudget {
  #free: number

  constructor(total: number) {
    this.#free = total
  }

  /**
   * Window for a new channel: what it wants while there is plenty, less and less when many channels share the budget,
   * but never so little that it could not work.
   */
  reserve(wanted: number): number {
    const size = Math.min(wanted, Math.max(smallestWindow, Math.floor(this.#free / 4)))
    this.#free -= size
    return size
  }

  /** @returns how much of `wanted` a window may grow by, possibly 0 */
  grow(wanted: number): number {
    const granted = Math.max(0, Math.min(wanted, this.#free))
    this.#free -= granted
    return granted
  }

  giveBack(size: number): void {
    this.#free += size
  }
}

const smallestWindow = 64 * 1024

/** Credit is returned in portions of at most this size, so that a large window is refilled smoothly. */
const largestPortion = 1024 * 1024

/**
 * New credit that is used within this many of the shortest round trips was waited for. Less would miss it on links
 * whose round trip varies; more would never stop growing where the credit of a full link is the only thing measured,
 * because a window twice the size takes the peer a little more than twice as long to use up.
 */
const promptUse = 2

/** Bytes that leave within this part of the shortest round trip are no proof of the link, but good enough to act on. */
const promptLeaving = 1 / 4

/** Fewer bytes on their way than this are not given back at once: OpenSSH waits until it is three packets. */
const worthWatching = 128 * 1024

/** Fewer bytes than this may just have gone into the buffers of a slow link. */
const tellingWindow = 1024 * 1024

/** What the peer gives back within this many of the shortest round trips was held up by nothing on its way. */
const promptGrant = 1.5

/** No round trip shorter than this needs more than the initial window: 2 MiB per millisecond is 2 GB/s. */
const shortestWorthGrowingMs = 1

/** No round trip shorter than this is limited by what we may send: 2 MiB in 3 ms is more than we seal and send. */
const shortestWorthWideningMs = 3

/**
 * Bytes that came in no time at all tell nothing of the link: a portion counts as if it had taken at least this part of
 * a round trip, so that one burst lets a window grow to 32 times what came.
 */
const shortestPortionInRoundTrips = 1 / 16

export interface ReceiveWindowOptions {
  readonly initialSize: number
  readonly maximumSize: number
  readonly budget: WindowBudget
  readonly roundTrip: RoundTrip
  /** Monotonic milliseconds. */
  readonly clock: () => number
}

/**
 * How many bytes we let the peer send, and how that grows.
 *
 * `size` is always what the peer may still send, plus what the consumer holds, plus what it gave back and was not
 * granted again yet. So a consumer that gives nothing back stops its peer after `size` bytes.
 *
 * The window doubles when it was what limited the peer: the peer used new credit as soon as a round trip after it was
 * granted, and by then the consumer was waiting for data. A link or a consumer that is slower than window per round
 * trip never shows that sign, so the window stays as it is.
 *
 * It need not come to that: when the consumer uses a portion up so soon after it began to arrive that at this rate the
 * window will run out within a round trip, the window grows at once to what the rate asks for.
 */
export class ReceiveWindow {
  readonly #maximumSize: number
  readonly #budget: WindowBudget
  readonly #roundTrip: RoundTrip
  readonly #clock: () => number
  #size: number
  #remaining: number
  #returned = 0
  #received = 0
  /** When the first byte arrived since the last grant. */
  #portionStartMs: number | undefined
  /** A grant whose use is awaited: credit up to `limit` received bytes was there before it. */
  #grant: { readonly limit: number; readonly atMs: number } | undefined

  constructor(options: ReceiveWindowOptions) {
    this.#maximumSize = Math.min(maximumWindow, options.maximumSize)
    this.#budget = options.budget
    this.#roundTrip = options.roundTrip
    this.#clock = options.clock
    this.#size = this.#budget.reserve(Math.min(maximumWindow, options.initialSize))
    this.#remaining = this.#size
  }

  /** Bytes the peer may have on their way or in the consumer's hands. */
  get size(): number {
    return this.#size
  }

  /** Bytes that arrived and that the consumer has not given back. */
  get held(): number {
    return this.#size - this.#remaining - this.#returned
  }

  /**
   * `byteCount` bytes arrived.
   * @returns bytes to grant with SSH_MSG_CHANNEL_WINDOW_ADJUST now, or 0
   * @throws ProtocolError `ERR_SSH_CHANNEL_WINDOW_OVERRUN` when the peer may not send that many
   */
  receive(byteCount: number): number {
    if (byteCount > this.#remaining) {
      throw new ProtocolError(
        'ERR_SSH_CHANNEL_WINDOW_OVERRUN',
        `The peer sent ${byteCount} bytes where its window allows ${this.#remaining}`,
        { details: { window: this.#remaining, received: byteCount } },
      )
    }
    const consumerWaited = this.held <= this.#size / 4
    this.#remaining -= byteCount
    this.#received += byteCount
    this.#portionStartMs ??= this.#clock()
    if (this.#grant === undefined || this.#received <= this.#grant.limit) return 0

    const elapsedMs = this.#clock() - this.#grant.atMs
    this.#grant = undefined
    this.#roundTrip.sample(elapsedMs)
    const peerWaited = elapsedMs >= shortestWorthGrowingMs && elapsedMs <= promptUse * this.#roundTrip.shortestMs
    if (!peerWaited || !consumerWaited || this.#size >= this.#maximumSize) return 0
    return this.#growTo(2 * this.#size)
  }

  /**
   * The consumer gave `byteCount` bytes back.
   * @returns bytes to grant with SSH_MSG_CHANNEL_WINDOW_ADJUST now, or 0
   */
  release(byteCount: number): number {
    this.#returned += byteCount
    if (this.#returned < Math.min(this.#size / 2, largestPortion)) return 0
    const growth = this.#growthFor(this.#returned)
    const granted = this.#returned + growth
    // What the peer does with credit from before the window grew says nothing about the window that there is now.
    if (growth > 0) this.#grant = undefined
    this.#grant ??= { limit: this.#received + this.#remaining, atMs: this.#clock() }
    this.#remaining += this.#returned
    this.#returned = 0
    return granted
  }

  /** What the window grows by because of the rate at which `byteCount` bytes have just been used up. */
  #growthFor(byteCount: number): number {
    const { shortestMs } = this.#roundTrip
    const elapsedMs = this.#clock() - (this.#portionStartMs ?? 0)
    this.#portionStartMs = undefined
    if (!Number.isFinite(shortestMs) || shortestMs < shortestWorthGrowingMs || this.held > this.#size / 4) return 0
    const portionMs = Math.max(elapsedMs, shortestMs * shortestPortionInRoundTrips)
    const wanted = 2 * (byteCount / portionMs) * shortestMs
    return wanted <= this.#size ? 0 : this.#growTo(this.#size * 2 ** Math.ceil(Math.log2(wanted / this.#size)))
  }

  #growTo(size: number): number {
    const growth = this.#budget.grow(Math.min(size, this.#maximumSize) - this.#size)
    this.#size += growth
    this.#remaining += growth
    return growth
  }

  /** The channel is gone: its share goes back to the budget. */
  dispose(): void {
    this.#budget.giveBack(this.#size)
    this.#size = 0
    this.#remaining = 0
    this.#returned = 0
  }
}
