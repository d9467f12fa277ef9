/** Sockets of tunnels whose other end is closed, and what they still have to write. */

import { type Duplex, finished } from 'node:stream'
import { fromDuplex } from '@ssh/streams'
import { type ByteChannel, closedBy } from '@ssh/wire'

/**
 * Bytes that sockets may have left to write after their tunnels closed. A channel's window bounds what a slow program
 * makes this process hold; but a peer that closes the channel gets that window back.
 */
const lingeringBytes = 32 * 1024 * 1024
/** How long those sockets are given once the whole connection is over. */
const lingerMs = 5000

/** Bounds what the sockets of one connection's tunnels hold when they are told to close. */
export class LingeringSockets {
  /** Those with something left to write, the longest closed first. */
  readonly #sockets = new Map<Duplex, ByteChannel>()

  /** A socket as the end of a tunnel. */
  channelOf(socket: Duplex): ByteChannel {
    const stream = fromDuplex(socket)
    return closedBy(stream, () => {
      stream.close()
      // Closing may take as long as whoever reads the socket likes.
      this.#closing(socket, stream)
    })
  }

  /** The connection is over. */
  end(): void {
    if (this.#sockets.size === 0) return
    const timer = setTimeout(() => {
      for (const stream of this.#sockets.values()) stream.abort()
    }, lingerMs)
    timer.unref()
  }

  #closing(socket: Duplex, stream: ByteChannel): void {
    if (socket.destroyed || socket.writableFinished || this.#sockets.has(socket)) return
    this.#sockets.set(socket, stream)
    finished(socket, () => this.#sockets.delete(socket))
    let bytes = 0
    for (const each of this.#sockets.keys()) bytes += each.writableLength
    for (const [longest, itsStream] of this.#sockets) {
      if (bytes <= lingeringBytes) break
      bytes -= longest.writableLength
      itsStream.abort()
    }
  }
}
