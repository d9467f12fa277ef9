/** The forwarded connections of one client: how many there are, and what they may still hold once it let go of them. */

import { type Duplex, finished } from 'node:stream'
import type { Channel } from '../../connection/channel.js'

/**
 * Bytes that sockets may have left to write after their channels closed. A channel's window bounds what a slow program
 * makes this process hold; but a client that closes the channel gets that window back.
 */
const lingeringBytes = 32 * 1024 * 1024
/** How long those sockets are given once the whole connection is over. */
const lingerMs = 5000

export class Tunnels {
  readonly #limit: number
  #count = 0
  /** Sockets with something left to write whose channel is closed, the longest closed first. */
  readonly #lingering = new Set<Duplex>()

  /** @param limit tunnels at once, those included that are being opened */
  constructor(limit: number) {
    this.#limit = limit
  }

  get isFull(): boolean {
    return this.#count >= this.#limit
  }

  /** Counts a tunnel until `work` settles. */
  async occupy(work: () => Promise<void>): Promise<void> {
    this.#count++
    try {
      await work()
    } finally {
      this.#count--
    }
  }

  /** Watches what is left of a socket when the channel that it was joined with closes. Owns the channel's events. */
  watch(channel: Pick<Channel, 'handle'>, socket: Duplex): void {
    channel.handle({ onClose: () => this.#channelClosed(socket) })
  }

  /** The connection is over. */
  end(): void {
    if (this.#lingering.size === 0) return
    const timer = setTimeout(() => {
      for (const socket of this.#lingering) socket.destroy()
    }, lingerMs)
    timer.unref()
  }

  #channelClosed(socket: Duplex): void {
    if (socket.destroyed || socket.writableFinished) return
    this.#lingering.add(socket)
    finished(socket, () => this.#lingering.delete(socket))
    let bytes = 0
    for (const each of this.#lingering) bytes += each.writableLength
    for (const longest of this.#lingering) {
      if (bytes <= lingeringBytes) break
      bytes -= longest.writableLength
      longest.destroy()
    }
  }
}
