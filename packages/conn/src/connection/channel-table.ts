/** Which channel numbers are in use, and by what. */

import type { LocalEnd } from './channel-context.js'
import type { ChannelOpenHandlers } from './channel-open.js'
import type { ChannelState } from './channel-state.js'
import type { MuxLimits } from './limits.js'

/** A channel we asked for. */
export interface PendingOpen {
  phase: 'opening' | 'abandoned'
  readonly channelType: string
  readonly local: LocalEnd
  readonly handlers: ChannelOpenHandlers
  readonly sentAtMs: number
}

/** A channel the peer asked for and the application has not answered. */
export interface PendingAccept {
  readonly phase: 'accepting'
  readonly channelType: string
}

export type ChannelEntry = PendingOpen | PendingAccept | ChannelState

export class ChannelTable {
  readonly #limits: MuxLimits
  readonly #clock: () => number
  readonly #entries = new Map<number, ChannelEntry>()
  /** Channels that the peer asked for: type by number, and how many of each type. */
  readonly #remoteTypes = new Map<number, string>()
  readonly #remoteCounts = new Map<string, number>()
  readonly #freeIds: number[] = []
  #nextId = 0
  #emptySinceMs: number | undefined

  /** @param clock monotonic milliseconds */
  constructor(limits: MuxLimits, clock: () => number) {
    this.#limits = limits
    this.#clock = clock
    this.#emptySinceMs = clock()
  }

  get size(): number {
    return this.#entries.size
  }

  /** Since when nothing is in the table; undefined while something is. */
  get emptySinceMs(): number | undefined {
    return this.#emptySinceMs
  }

  get isFull(): boolean {
    return this.#entries.size >= this.#limits.channels
  }

  /** Whether the peer may have one more channel of this type. */
  admits(channelType: string): boolean {
    const limit = this.#limits.channelsByType.get(channelType) ?? Number.POSITIVE_INFINITY
    return !this.isFull && (this.#remoteCounts.get(channelType) ?? 0) < limit
  }

  /** A number that nothing uses. It must be {@link set} or it is lost. */
  takeId(): number {
    return this.#freeIds.pop() ?? this.#nextId++
  }

  /** Whether the number was in use before, if it is not now. */
  wasUsed(id: number): boolean {
    return id < this.#nextId
  }

  get(id: number): ChannelEntry | undefined {
    return this.#entries.get(id)
  }

  set(id: number, entry: ChannelEntry): void {
    this.#entries.set(id, entry)
    this.#emptySinceMs = undefined
    if (entry.phase !== 'accepting') return
    this.#remoteTypes.set(id, entry.channelType)
    this.#remoteCounts.set(entry.channelType, (this.#remoteCounts.get(entry.channelType) ?? 0) + 1)
  }

  /** The number is free again. */
  delete(id: number): void {
    if (!this.#entries.delete(id)) return
    this.#freeIds.push(id)
    if (this.#entries.size === 0) this.#emptySinceMs = this.#clock()
    const remoteType = this.#remoteTypes.get(id)
    if (remoteType === undefined) return
    this.#remoteTypes.delete(id)
    const remaining = (this.#remoteCounts.get(remoteType) ?? 1) - 1
    if (remaining === 0) this.#remoteCounts.delete(remoteType)
    else this.#remoteCounts.set(remoteType, remaining)
  }

  /** Empties the table. @returns what was in it */
  clear(): readonly ChannelEntry[] {
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    this.#remoteTypes.clear()
    this.#remoteCounts.clear()
    return entries
  }
}
