/** Packets of a tunnel as a Node stream: OpenSSH PROTOCOL §2.3. */

import { Duplex } from 'node:stream'
import { ignoreError } from '@ssh/streams'
import { Fifo } from '@ssh/wire'
import type { Channel } from './connection/channel.js'
import { decodeTunPacket, encodeTunPacket, type TunMode, tunHeaderLength } from './forwarding/tun-packet.js'

/**
 * Why a packet went no further:
 * - `invalid`: it is empty, or in mode `tun` neither IPv4 nor IPv6
 * - `too-large`: for the other side, which says how much it takes at once
 * - `queue-full`: more packets came than are read
 */
export type TunDropReason = 'invalid' | 'too-large' | 'queue-full'

/** Packets that wait to be read; a peer could fill a window with the smallest ones, each of which costs memory. */
const mostWaiting = 4096
/** Packets that Node's own buffers hold. */
const highWaterMark = 64

/**
 * Packets both ways, one per chunk: what is written is one packet, and so is what is read. IP packets in mode `tun`,
 * Ethernet frames in mode `tap`.
 *
 * As on any network a packet may be lost: one that is none or too large is dropped, and counted; the event `drop` tells
 * which and why. What is written belongs to the stream from then on.
 *
 * @example
 * for await (const packet of tun) if (isForUs(packet)) tun.write(answerTo(packet))
 */
export class TunStream extends Duplex {
  /** `tun`: IP packets; `tap`: Ethernet frames. */
  readonly mode: TunMode
  readonly #channel: Channel
  readonly #waiting = new Fifo<Uint8Array>()
  #droppedPackets = 0
  #isWanted = false
  #hasEnded = false
  #onDrain: ((error?: Error) => void) | undefined

  /** @param channel just opened or accepted: what comes before somebody reads it must keep its borders */
  constructor(channel: Channel, mode: TunMode) {
    super({ objectMode: true, highWaterMark })
    this.mode = mode
    this.#channel = channel
    this.on('error', ignoreError)
    channel.attach({
      onData: (data) => this.#received(data),
      onEnd: () => this.#ended(),
      onDrain: () => this.#drained(),
      onClose: (error) => this.#closed(error),
    })
  }

  /** Packets of both directions that went no further. */
  get droppedPackets(): number {
    return this.#droppedPackets
  }

  /** Bytes of the largest packet that the other side takes. */
  get largestPacket(): number {
    return this.#channel.largestPacket - tunHeaderLength(this.mode)
  }

  override [Symbol.asyncIterator](): NodeJS.AsyncIterator<Uint8Array> {
    return super[Symbol.asyncIterator]()
  }

  override _read(): void {
    this.#isWanted = true
    this.#deliver()
  }

  override _write(packet: unknown, _encoding: BufferEncoding, callback: (error?: Error) => void): void {
    if (!(packet instanceof Uint8Array)) {
      callback(new TypeError('A packet must be a Uint8Array'))
      return
    }
    const data = encodeTunPacket(this.mode, packet)
    if (data === undefined) this.#drop(packet, 'invalid')
    else if (data.length > this.#channel.largestPacket) this.#drop(packet, 'too-large')
    else if (!this.#channel.writePacket(data) && !this.#channel.isClosed) {
      this.#onDrain = callback
      return
    }
    callback()
  }

  override _final(callback: (error?: Error) => void): void {
    this.#channel.end()
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#waiting.clear()
    // What was written before a regular end is still on its way.
    if (this.writableFinished) this.#channel.close()
    else this.#channel.abort(error ?? undefined)
    callback(error)
  }

  #received(data: Uint8Array): void {
    if (this.#waiting.length >= mostWaiting) this.#drop(data, 'queue-full')
    else if (!this.destroyed) {
      this.#waiting.push(data)
      this.#deliver()
      return
    }
    this.#channel.release(data.length)
  }

  #deliver(): void {
    while (this.#isWanted) {
      const data = this.#waiting.shift()
      if (data === undefined) break
      this.#channel.release(data.length)
      const packet = decodeTunPacket(this.mode, data)
      if (packet === undefined) this.#drop(data, 'invalid')
      else this.#isWanted = this.push(packet)
    }
    if (this.#hasEnded && this.#waiting.length === 0) this.push(null)
  }

  #ended(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#deliver()
  }

  #drained(): void {
    const done = this.#onDrain
    this.#onDrain = undefined
    done?.()
  }

  #closed(error: Error | undefined): void {
    if (error !== undefined) {
      this.destroy(error)
      return
    }
    this.#drained()
    this.#ended()
    if (this.readableEnded) this.destroy()
    else this.once('end', () => this.destroy())
  }

  #drop(packet: Uint8Array, reason: TunDropReason): void {
    this.#droppedPackets += 1
    // Never from within the delivery of a message: what a listener throws is the program's own affair.
    if (this.listenerCount('drop') > 0) process.nextTick(() => this.emit('drop', packet, reason))
  }
}
