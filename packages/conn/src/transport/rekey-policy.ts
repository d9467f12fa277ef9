/** When keys have served long enough (RFC 4253 §9, RFC 4344 §3). Counts both directions, so that readers rekey too. */

import type { RekeyLimits } from './transport-options.js'

/** What went over the wire in one direction under the present keys. */
export interface KeyUse {
  readonly bytes: number
  readonly packets: number
}

/** Decides; counts nothing itself. */
export class RekeyPolicy {
  readonly #limits: RekeyLimits
  #sendBytes = Infinity
  #receiveBytes = Infinity
  #keysSince: number | undefined

  constructor(limits: RekeyLimits) {
    this.#limits = limits
  }

  /**
   * Keys are in use from `now` on.
   * @param sendLimit bytes the sending cipher allows; @param receiveLimit bytes the receiving one allows
   */
  keysChanged(now: number, sendLimit: number, receiveLimit: number): void {
    this.#keysSince = now
    this.#sendBytes = Math.min(this.#limits.bytes, sendLimit)
    this.#receiveBytes = Math.min(this.#limits.bytes, receiveLimit)
  }

  /** Whether so much use calls for new keys. */
  isUsedUp(sent: KeyUse, received: KeyUse): boolean {
    return (
      sent.bytes >= this.#sendBytes ||
      received.bytes >= this.#receiveBytes ||
      sent.packets >= this.#limits.packets ||
      received.packets >= this.#limits.packets
    )
  }

  /** When the keys are too old, on the clock's scale. */
  get deadline(): number | undefined {
    if (this.#keysSince === undefined || this.#limits.intervalMs === Infinity) return undefined
    return this.#keysSince + this.#limits.intervalMs
  }
}
