/** Writing a remote file from one place on, in order, with many WRITEs in flight. */

import { writeHeadroom } from '../protocol/data-packets.js'
import { type OpenHandle, writePacket } from './operations.js'

export interface WriteBehindOptions {
  /** Where the first byte goes. */
  readonly start: number
  readonly blockSize: number
  /** 1 for a file opened for appending: servers that work in parallel would mix up the order. */
  readonly maxRequests: number
  readonly signal: AbortSignal | undefined
  /** So many more bytes are written, as the server has confirmed. */
  readonly onBytes?: ((byteCount: number) => void) | undefined
}

/** Gathers what is written into packets of the greatest size. The first WRITE that fails fails everything after it. */
export class WriteBehind {
  readonly #file: OpenHandle
  readonly #options: WriteBehindOptions
  readonly #headroom: number
  readonly #inFlight = new Set<Promise<void>>()
  #packet: Buffer | undefined
  #filled = 0
  #position: number
  #error: unknown

  constructor(file: OpenHandle, options: WriteBehindOptions) {
    this.#file = file
    this.#options = options
    this.#headroom = writeHeadroom(file.handle)
    this.#position = options.start
  }

  /** Where the next byte goes. */
  get position(): number {
    return this.#position + this.#filled
  }

  /** Takes a copy of `data`; resolves when there is room for more. @throws what an earlier WRITE failed with */
  async write(data: Uint8Array): Promise<void> {
    const { blockSize } = this.#options
    let offset = 0
    while (offset < data.length) {
      this.#packet ??= this.#file.session.memory.take(this.#headroom + blockSize)
      const piece = data.subarray(offset, offset + blockSize - this.#filled)
      this.#packet.set(piece, this.#headroom + this.#filled)
      this.#filled += piece.length
      offset += piece.length
      if (this.#filled === blockSize) await this.#send()
    }
    this.#throwIfFailed()
  }

  /** Sends what is gathered, and resolves when all of it is written. */
  async finish(): Promise<void> {
    if (this.#filled > 0) await this.#send()
    await Promise.all(this.#inFlight)
    this.#throwIfFailed()
  }

  async #send(): Promise<void> {
    const { maxRequests, signal } = this.#options
    const { budget } = this.#file.session
    const length = this.#filled
    const packet = this.#packet
    if (packet === undefined) return
    this.#packet = undefined
    this.#filled = 0
    const position = this.#position
    this.#position += length
    while (this.#inFlight.size >= maxRequests) await Promise.race(this.#inFlight)
    await budget.acquire(length, signal)
    if (this.#error !== undefined) {
      budget.release(length)
      this.#throwIfFailed()
    }
    const written = this.#track(this.#writePacket(packet, length, position), length)
    this.#inFlight.add(written)
    written.finally(() => this.#inFlight.delete(written))
  }

  async #writePacket(packet: Buffer, length: number, position: number): Promise<void> {
    const { session } = this.#file
    await writePacket(this.#file, packet.subarray(0, this.#headroom + length), position, this.#options.signal)
    // Only once it is answered: a packet that was given up may still be on its way.
    if (session.copiesChunks) session.memory.giveBack(packet)
  }

  /** Never rejects: the error is kept for the next call. */
  async #track(written: Promise<void>, length: number): Promise<void> {
    const { budget } = this.#file.session
    try {
      await written
      budget.observeBytes(length, performance.now())
      this.#options.onBytes?.(length)
    } catch (error) {
      this.#error ??= error
    } finally {
      budget.release(length)
    }
  }

  #throwIfFailed(): void {
    if (this.#error !== undefined) throw this.#error
  }
}
