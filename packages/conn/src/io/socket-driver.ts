/**
 * Joins a socket (or any duplex stream) to a peer: bytes in, bytes out, time, and pressure both ways.
 * Knows nothing of messages.
 */

import { type Duplex, finished } from 'node:stream'
import { asBuffer } from '@ssh/wire'
import { borrowedReadsOf } from './borrowed-reads.js'
import { Alarm, type Clock } from './clock.js'
import { copiesWrites } from './socket-address.js'

/** The side of a peer that the driver sees. */
export interface Driven {
  /** Bytes from the socket, whose memory may be used for others afterwards. */
  receive(bytes: Uint8Array): void
  /** The socket ended, with an error if it failed. */
  connectionEnded(error?: Error): void
  /** Up to about `maximumLength` bytes of sealed packets to send now. */
  takeOutput(maximumLength: number): readonly Uint8Array[]
  /** A chunk of output has been written, and nobody reads from its memory any more. */
  giveBack(chunk: Uint8Array): void
  /** While true, nothing should be read. */
  readonly isPaused: boolean
  /** Once true: send what `takeOutput` still gives, then close the socket. */
  readonly hasEnded: boolean
  nextDeadline(): number | undefined
  tick(now: number): void
}

/** Bytes taken from the peer for one write. */
const writeQuantum = 512 * 1024
/** How long the other side may take to read our goodbye and to close its end. */
const lingerMs = 2000

export class SocketDriver {
  /** Resolves when the socket is closed, for whatever reason. */
  readonly finished: Promise<void>
  readonly #socket: Duplex
  readonly #peer: Driven
  readonly #alarm: Alarm
  readonly #copiesWrites: boolean
  #isFlushScheduled = false
  /** The socket holds as much as it wants, until it drains. */
  #isBlocked = false
  #isReadingPaused = false
  #isEndTold = false
  /** `closing`: the peer has ended, and what it said last is on its way. */
  #state: 'open' | 'closing' | 'closed' = 'open'
  #lingerTimer: NodeJS.Timeout | undefined

  constructor(socket: Duplex, peer: Driven, clock: Clock) {
    this.#socket = socket
    this.#peer = peer
    this.#copiesWrites = copiesWrites(socket)
    this.#alarm = new Alarm(
      clock,
      () => peer.nextDeadline(),
      () => {
        peer.tick(clock())
        this.wake()
      },
    )
    // Unlike the event `close`, this also tells of a socket that was closed before anybody listened.
    this.finished = new Promise((resolve) => finished(socket, () => resolve()))
    this.finished.then(() => this.#closed())
  }

  /** Starts reading and sends what the peer has queued so far. */
  start(): void {
    const socket = this.#socket
    const receive = (bytes: Uint8Array) => {
      try {
        this.#peer.receive(bytes)
      } finally {
        this.wake()
      }
    }
    const borrowed = borrowedReadsOf(socket)
    if (borrowed === undefined) socket.on('data', receive)
    else borrowed.listen(receive)
    socket.on('end', () => {
      if (this.#state !== 'open') return
      this.#tellEnd()
      // Ended in turn and not just destroyed: not every stream tells its other side of that.
      this.#close()
    })
    socket.on('error', (error: Error) => this.#closed(error))
    socket.on('drain', () => {
      this.#isBlocked = false
      this.#flush()
    })
    this.wake()
  }

  /** The peer may have output, a new deadline, or have paused or ended: act on it once this tick is over. */
  wake(): void {
    if (this.#isFlushScheduled || this.#state !== 'open') return
    this.#isFlushScheduled = true
    // After every callback of this turn of the event loop, so that all its packets leave in one write.
    setImmediate(() => {
      this.#isFlushScheduled = false
      this.#flush()
    })
  }

  /** Closes the socket without waiting for anything but what it takes at once. */
  destroy(): void {
    if (this.#state === 'open') this.#write(this.#peer.takeOutput(writeQuantum))
    this.#closed()
  }

  #flush(): void {
    if (this.#state !== 'open') return
    while (!this.#isBlocked) {
      const chunks = this.#peer.takeOutput(writeQuantum)
      if (chunks.length === 0) break
      this.#isBlocked = !this.#write(chunks)
    }
    if (this.#peer.hasEnded) return this.#close()
    this.#alarm.update()
    if (this.#peer.isPaused !== this.#isReadingPaused) this.#togglePause()
  }

  #write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    let hasRoom = true
    if (chunks.length > 1) socket.cork()
    for (const chunk of chunks) hasRoom = socket.write(asBuffer(chunk), this.#onWritten(chunk))
    if (chunks.length > 1) socket.uncork()
    return hasRoom
  }

  /** Only the kernel is known to have copied what it was given; another stream may still hand the very memory on. */
  #onWritten(chunk: Uint8Array): ((error?: Error | null) => void) | undefined {
    if (!this.#copiesWrites) return undefined
    return (error) => {
      if (!error) this.#peer.giveBack(chunk)
    }
  }

  #togglePause(): void {
    this.#isReadingPaused = !this.#isReadingPaused
    if (this.#isReadingPaused) this.#socket.pause()
    else this.#socket.resume()
  }

  /** Says the last, and that no more comes; then waits a moment for the other side to do the same. */
  #close(): void {
    this.#state = 'closing'
    this.#alarm.stop()
    this.#write(this.#peer.takeOutput(writeQuantum))
    // A paused socket would never see the end of the other side.
    this.#socket.resume()
    this.#socket.end()
    this.#lingerTimer = setTimeout(() => this.#closed(), lingerMs)
    this.#lingerTimer.unref()
  }

  /** The other side is gone, or has had its time. */
  #closed(error?: Error): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    clearTimeout(this.#lingerTimer)
    this.#alarm.stop()
    this.#tellEnd(error)
    this.#socket.destroy()
  }

  #tellEnd(error?: Error): void {
    if (this.#isEndTold) return
    this.#isEndTold = true
    this.#peer.connectionEnded(error)
  }
}
