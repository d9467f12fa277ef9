/** Two muxes at the ends of a link with a delay and a rate, in simulated time: no waiting, same result every run. */

import type { Channel } from '../src/connection/channel.js'
import { MuxEnd, type MuxEndOptions } from './mux-pair.js'

export interface SimulatedLinkOptions {
  /** There and back, in milliseconds. */
  readonly roundTripMs: number
  /** Of each direction. */
  readonly bytesPerMs: number
  readonly client?: Omit<MuxEndOptions, 'clock'>
  readonly server?: Omit<MuxEndOptions, 'clock'>
}

/** How much a sender's socket takes before it is full, in milliseconds of the link's rate. */
const socketBufferMs = 2

export class SimulatedLink {
  now = 0
  readonly client: MuxEnd
  readonly server: MuxEnd
  readonly #options: SimulatedLinkOptions
  readonly #events: { readonly at: number; readonly order: number; run(): void }[] = []
  readonly #busyUntil = new Map<MuxEnd, number>()
  #order = 0

  constructor(options: SimulatedLinkOptions) {
    this.#options = options
    const clock = () => this.now
    this.client = new MuxEnd({ ...options.client, clock })
    this.server = new MuxEnd({ ...options.server, clock })
  }

  at(time: number, run: () => void): void {
    this.#events.push({ at: Math.max(time, this.now), order: this.#order++, run })
  }

  /** Runs until `time`, or until nothing happens any more. */
  run(time = Number.POSITIVE_INFINITY): void {
    this.#send(this.client, this.server)
    this.#send(this.server, this.client)
    for (let next = this.#next(); next !== undefined && next.at <= time; next = this.#next()) {
      this.#events.splice(this.#events.indexOf(next), 1)
      this.now = next.at
      next.run()
      this.#send(this.client, this.server)
      this.#send(this.server, this.client)
    }
    if (Number.isFinite(time)) this.now = time
  }

  #next() {
    let first = this.#events[0]
    for (const event of this.#events) {
      if (first === undefined || event.at < first.at || (event.at === first.at && event.order < first.order))
        first = event
    }
    return first
  }

  #send(from: MuxEnd, to: MuxEnd): void {
    const { roundTripMs, bytesPerMs } = this.#options
    for (;;) {
      const busyUntil = Math.max(this.now, this.#busyUntil.get(from) ?? 0)
      if (busyUntil > this.now + socketBufferMs) return
      const payload = from.take()
      if (payload === undefined) return
      // Bulk data would fill the memory of the test.
      from.log.length = 0
      const leftAt = busyUntil + (payload.length + 40) / bytesPerMs
      this.#busyUntil.set(from, leftAt)
      this.at(leftAt + roundTripMs / 2, () => void to.mux.receive(payload))
      // The socket drains: look again.
      this.at(leftAt - socketBufferMs, () => {})
    }
  }
}

/** Keeps a channel's buffer full with the same bytes, until told to stop. */
export function pump(channel: Channel): { stop(): void } {
  const chunk = new Uint8Array(256 * 1024)
  let isOn = true
  const fill = (): void => {
    while (isOn && channel.write(chunk));
  }
  channel.attach({ onDrain: fill })
  fill()
  return {
    stop: () => {
      isOn = false
    },
  }
}
