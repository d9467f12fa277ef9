/** When to ask a silent peer for a sign of life, and when to give it up. Numbers only; the peer sends and listens. */

export interface KeepaliveLimits {
  /** Silence after which the peer is asked, in milliseconds; 0 never asks. */
  readonly intervalMs: number
  /** Unanswered questions in a row after which the connection counts as lost. */
  readonly countMax: number
}

export class Keepalive {
  #limits: KeepaliveLimits
  #lastHeardAt: number
  #lastAskedAt = Number.NEGATIVE_INFINITY
  #unanswered = 0

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
    this.heard(now)
  }

  /** Something came from the peer, whatever it was: it is alive. */
  heard(now: number): void {
    this.#lastHeardAt = now
    this.#unanswered = 0
  }

  /** When `check` has something to say; undefined: never. */
  get nextDeadline(): number | undefined {
    const { intervalMs } = this.#limits
    return intervalMs === 0 ? undefined : Math.max(this.#lastHeardAt, this.#lastAskedAt) + intervalMs
  }

  /** What to do now: nothing, ask (and count the question), or give up. */
  check(now: number): 'wait' | 'ask' | 'lost' {
    const deadline = this.nextDeadline
    if (deadline === undefined || now < deadline) return 'wait'
    if (this.#unanswered >= this.#limits.countMax) return 'lost'
    this.#unanswered++
    this.#lastAskedAt = now
    return 'ask'
  }
}
