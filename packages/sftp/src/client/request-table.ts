/** Requests in flight, by id. */

import { protocolError } from '../errors.js'
import type { Packet } from '../protocol/framing.js'

/** A request that waits for its reply. */
export interface PendingRequest {
  /** Memory for `length` bytes of data that are arriving for it, if it has some. */
  memoryFor?(length: number): Uint8Array | undefined
  /** The reply came: its message number and the whole packet. */
  reply(number: number, packet: Packet): void
  /** No reply will come. */
  fail(error: Error): void
}

interface Place {
  readonly id: number
  readonly request: PendingRequest
}

/** Places to begin with: more than one file has requests in flight. */
const firstLength = 64

/**
 * A request's place follows from its id. No `Map`: V8 copies one that is added to and deleted from every few requests,
 * and once one copy is old, its young collections keep all those that follow, with the requests that waited in them.
 */
export class RequestTable {
  #places = emptyPlaces(firstLength)
  #size = 0
  #lastId = 0

  get size(): number {
    return this.#size
  }

  /** An id whose place is free; ids wrap at 32 bits. */
  nextId(): number {
    if (this.#size * 2 > this.#places.length) this.#grow()
    do this.#lastId = (this.#lastId + 1) >>> 0
    while (this.#places[this.#lastId % this.#places.length] !== undefined)
    return this.#lastId
  }

  /** @param id from {@link nextId}, called just before */
  add(id: number, request: PendingRequest): void {
    this.#places[id % this.#places.length] = { id, request }
    this.#size++
  }

  /**
   * Hands a reply to its request, which is then over.
   * @throws SftpError `ERR_SFTP_PROTOCOL` when nobody waits for `id`: it is made up, or answered twice
   */
  settle(id: number, number: number, packet: Packet): void {
    const request = this.get(id)
    if (request === undefined) throw protocolError(`The server answered request ${id}, which is not in flight`)
    this.#places[id % this.#places.length] = undefined
    this.#size--
    request.reply(number, packet)
  }

  get(id: number): PendingRequest | undefined {
    const place = this.#places[id % this.#places.length]
    return place?.id === id ? place.request : undefined
  }

  failAll(error: Error): void {
    const places = this.#places
    this.#places = emptyPlaces(firstLength)
    this.#size = 0
    for (const place of places) place?.request.fail(error)
  }

  /** Twice as many places: two ids that have places of their own now have them then, too. */
  #grow(): void {
    const places = emptyPlaces(this.#places.length * 2)
    for (const place of this.#places) if (place !== undefined) places[place.id % places.length] = place
    this.#places = places
  }
}

/** Their number is a power of two, so that places go on without a gap where ids wrap. */
function emptyPlaces(length: number): (Place | undefined)[] {
  return new Array<Place | undefined>(length).fill(undefined)
}
