/**
 * Joins a socket (or any duplex stream) to a peer: bytes in, bytes out, time, and pressure both ways.
 * Knows nothing of messages.
 */

import type { Duplex } from 'node:stream'
import { asBuffer, concatBytes } from '@ssh/wire'
import { Alarm, type Clock } from './clock.js'

/** The side of a peer that the driver sees. */
export interface Driven {
  /** Bytes from the socket. */
  receive(bytes: Uint8Array): void
  /** The socket ended, with an error if it failed. */
  connectionEnded(error?: Error): void
  /** Up to about `maximumLength` bytes of sealed packets to send now. */
  takeOutput(maximumLength: number): readonly Uint8Array[]
  /** While true, nothing should be read. */
  readonly isPaused: boolean
  /** Once true: send what `takeOutput` still gives, then close the socket. */
  readonly isFinished: boolean
  nextDeadline(): number | undefined
  tick(now: number): void
}

/** Bytes taken from the peer for one write. */
const writeQuantum = 512 * 1024
/** Below this, the packets of a write are joined: one small copy is cheaper than a vectored write. */
const joinBelow = 32 * 1024
/** How long a peer that does not close its side may keep a finished connection's socket. */
const lingerMs = 2000

export class SocketDriver {
  /** Resolves when the socket is closed, for whatever reason. */
  readonly finished: Promise<void>
  readonly #socket: Duplex
  readonly #peer: Driven
  readonly #alarm: Alarm
  #flushScheduled = false
  #isBlocked = false
  #isClosing = false
  #isReadingPaused = false
  #hasEnded = false
  #lingerTimer: NodeJS.Timeout | undefined

  constructor(socket: Duplex, peer: Driven, clock: Clock) {
    this.#socket = socket
    this.#peer = peer
    this.finished = new Promise((resolve) => socket.once('close', resolve))
    this.#alarm = new Alarm(
      clock,
      () => peer.nextDeadline(),
      () => {
        peer.tick(clock())
        this.wake()
      },
    )
  }

  /** Starts reading and sends what the peer has queued so far. */
  start(): void {
    const socket = this.#socket
    socket.on('data', (chunk: Uint8Array) => {
      this.#peer.receive(chunk)
      this.wake()
    })
    socket.on('end', () => this.#ended())
    socket.on('error', (error: Error) => this.#ended(error))
    socket.on('close', () => {
      clearTimeout(this.#lingerTimer)
      this.#ended()
    })
    socket.on('drain', () => {
      this.#isBlocked = false
      this.#flush()
    })
    this.wake()
  }

  /** The peer may have output, a new deadline, or have paused or finished: act on it once this tick is over. */
  wake(): void {
    if (this.#flushScheduled || this.#hasEnded) return
    this.#flushScheduled = true
    // After every callback of this turn of the event loop, so that all its packets leave in one write.
    setImmediate(() => {
      this.#flushScheduled = false
      this.#flush()
    })
  }

  /** Closes the socket without waiting for anything. */
  destroy(): void {
    this.#socket.destroy()
    this.#ended()
  }

  #flush(): void {
    if (this.#hasEnded) return
    while (!this.#isBlocked && !this.#isClosing) {
      const chunks = this.#peer.takeOutput(writeQuantum)
      if (chunks.length === 0) break
      this.#isBlocked = !this.#write(chunks)
    }
    this.#alarm.update()
    if (this.#peer.isFinished && !this.#isBlocked) return this.#close()
    if (this.#peer.isPaused !== this.#isReadingPaused) this.#togglePause()
  }

  #write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    const [first] = chunks
    if (first === undefined) return true
    if (chunks.length === 1) return socket.write(asBuffer(first))
    let length = 0
    for (const chunk of chunks) length += chunk.length
    if (length < joinBelow) return socket.write(asBuffer(concatBytes(chunks)))
    socket.cork()
    let hasRoom = true
    for (const chunk of chunks) hasRoom = socket.write(asBuffer(chunk))
    socket.uncork()
    return hasRoom
  }

  #togglePause(): void {
    this.#isReadingPaused = !this.#isReadingPaused
    if (this.#isReadingPaused) this.#socket.pause()
    else this.#socket.resume()
  }

  /** Everything is sent: say that no more comes, and wait a moment for the other side to do the same. */
  #close(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#alarm.stop()
    // A paused socket would never see the end of the other side.
    this.#socket.resume()
    this.#socket.end()
    this.#lingerTimer = setTimeout(() => this.#socket.destroy(), lingerMs)
    this.#lingerTimer.unref()
  }

  #ended(error?: Error): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#alarm.stop()
    this.#peer.connectionEnded(error)
    if (this.#isClosing) this.#socket.destroy()
    else this.#socket.end(() => this.#socket.destroy())
  }
}
