/**
 * When to ask a silent peer for a sign of life, and when to give it up. Numbers only; the peer sends and listens.
 *
 * A peer that vanished is noticed about `countMax` intervals after it was last heard: the last question is asked then,
 * and has a second to be answered, or as long as answers of this peer are known to take.
 */

export interface KeepaliveLimits {
  /** Silence after which the peer is asked, in milliseconds; 0 never asks. */
  readonly intervalMs: number
  /** Unanswered questions in a row after which the connection counts as lost. */
  readonly countMax: number
}

/** What the last question has to be answered in, unless the interval is shorter. */
const lastWordMs = 1000

/** Of a check that is later than this, the peer is not to blame: this process was asleep. */
const oversleptMs = 500

export class Keepalive {
  #limits: KeepaliveLimits
  #lastHeardAt: number
  #firstAskedAt = Number.NEGATIVE_INFINITY
  #lastAskedAt = Number.NEGATIVE_INFINITY
  #unanswered = 0
  /** Longest that the peer took to answer so far. */
  #slowestAnswerMs = 0
  /** Whether what may have come while this process was asleep has been waited for. */
  #hasWoken = false

  constructor(limits: KeepaliveLimits, now: number) {
    this.#limits = limits
    this.#lastHeardAt = now
  }

  /** Questions sent since the peer was last heard. */
  get unanswered(): number {
    return this.#unanswered
  }

  get limits(): KeepaliveLimits {
    return this.#limits
  }

  configure(limits: KeepaliveLimits, now: number): void {
    this.#limits = limits
    this.excuse(now)
  }

  /** Something came from the peer, whatever it was: it is alive. */
  heard(now: number): void {
    if (this.#unanswered > 0) this.#slowestAnswerMs = Math.max(this.#slowestAnswerMs, now - this.#firstAskedAt)
    this.excuse(now)
  }

  /** The silence up to now has reasons that are known, and counts for nothing. */
  excuse(now: number): void {
    this.#lastHeardAt = now
    this.#unanswered = 0
    this.#hasWoken = false
  }

  /** When `check` has something to say; undefined: never. */
  get nextDeadline(): number | undefined {
    const { intervalMs, countMax } = this.#limits
    if (intervalMs === 0) return undefined
    const patience = this.#unanswered < countMax ? intervalMs : Math.min(intervalMs, this.#lastWord)
    return Math.max(this.#lastHeardAt, this.#lastAskedAt) + patience
  }

  /** What to do now: nothing, ask (and count the question), or give up. */
  check(now: number): 'wait' | 'ask' | 'lost' {
    const deadline = this.nextDeadline
    if (deadline === undefined || now < deadline) return 'wait'
    if (this.#unanswered < this.#limits.countMax) {
      if (this.#unanswered++ === 0) this.#firstAskedAt = now
      this.#lastAskedAt = now
      return 'ask'
    }
    if (this.#hasWoken || now - deadline < oversleptMs) return 'lost'
    // The answer may lie unread where a process that was stopped, or busy, has not looked yet.
    this.#hasWoken = true
    this.#lastAskedAt = now
    return 'wait'
  }

  get #lastWord(): number {
    return Math.max(lastWordMs, 2 * this.#slowestAnswerMs)
  }
}
