/** Who is let through to the key exchange: limits of connections, as sshd's MaxStartups and PerSourceMaxStartups. */

import { randomFraction } from '@ssh/crypto'
import { networkOf, withoutMapping } from '../config/ip-address.js'

/**
 * Connections that may be logging in at once. `[start, rate, full]` refuses some before that, as sshd does: none up to
 * `start`, then `rate` percent of those that come, more and more of them, and all at `full`.
 */
export type MaxStartups = number | readonly [start: number, rate: number, full: number]

export interface AdmissionLimits {
  readonly maxStartups: MaxStartups
  /** Of one address, or of one network where `perSourceNetBlockSize` says so. */
  readonly perSourceMaxStartups: number | undefined
  /** How many bits of an IPv4 and of an IPv6 address make a source. Default: all. */
  readonly perSourceNetBlockSize?: readonly [v4: number, v6: number] | undefined
  /** Logged in or not. */
  readonly maxConnections: number | undefined
  /** Of one address, logged in or not. */
  readonly maxConnectionsPerAddress: number | undefined
}

/** The option that refused a connection. */
export type RefusedBy = Exclude<keyof AdmissionLimits, 'perSourceNetBlockSize'>

/** A connection that was let through. */
export interface Admitted {
  /** Its user is in, or it has ended before. May be called more than once, as may {@link Admitted.ended}. */
  startedUp(): void
  ended(): void
}

export class Admission {
  readonly #limits: AdmissionLimits
  readonly #random: () => number
  readonly #startups = new Counter()
  readonly #connections = new Counter()

  /** @param random from 0 to less than 1 */
  constructor(limits: AdmissionLimits, random: () => number = randomFraction) {
    this.#limits = limits
    this.#random = random
  }

  /** @param address undefined when nobody knows where it comes from; limits of one address do not hold then */
  admit(address: string | undefined): Admitted | RefusedBy {
    const source = address === undefined ? undefined : withoutMapping(address)
    const network = source === undefined ? undefined : this.#networkOf(source)
    const refusedBy = this.#refusedBy(source, network)
    if (refusedBy !== undefined) return refusedBy
    const startedUp = this.#startups.add(network)
    const ended = this.#connections.add(source)
    return {
      startedUp,
      ended: () => {
        startedUp()
        ended()
      },
    }
  }

  /** Whoever has one IPv6 address often has a network full of them. */
  #networkOf(source: string): string {
    const { perSourceNetBlockSize: [v4, v6] = [32, 128] } = this.#limits
    return networkOf(source, v4, v6) ?? source
  }

  #refusedBy(source: string | undefined, network: string | undefined): RefusedBy | undefined {
    const { maxStartups, perSourceMaxStartups, maxConnections, maxConnectionsPerAddress } = this.#limits
    if (isReached(maxConnections, this.#connections.total)) return 'maxConnections'
    if (isReached(maxConnectionsPerAddress, this.#connections.of(source))) return 'maxConnectionsPerAddress'
    if (this.#isDropped(maxStartups)) return 'maxStartups'
    if (isReached(perSourceMaxStartups, this.#startups.of(network))) return 'perSourceMaxStartups'
    return undefined
  }

  #isDropped(limit: MaxStartups): boolean {
    const startups = this.#startups.total
    if (typeof limit === 'number') return startups >= limit
    const [start, rate, full] = limit
    if (startups < start) return false
    if (startups >= full) return true
    const percentage = rate + ((100 - rate) * (startups - start)) / (full - start)
    return this.#random() * 100 < percentage
  }
}

class Counter {
  readonly #bySource = new Map<string, number>()
  total = 0

  of(source: string | undefined): number {
    return source === undefined ? 0 : (this.#bySource.get(source) ?? 0)
  }

  /** @returns takes it away again, once */
  add(source: string | undefined): () => void {
    this.#change(source, 1)
    let isCounted = true
    return () => {
      if (isCounted) this.#change(source, -1)
      isCounted = false
    }
  }

  #change(source: string | undefined, by: 1 | -1): void {
    this.total += by
    if (source === undefined) return
    const count = this.of(source) + by
    if (count === 0) this.#bySource.delete(source)
    else this.#bySource.set(source, count)
  }
}

function isReached(limit: number | undefined, count: number): boolean {
  return limit !== undefined && count >= limit
}
