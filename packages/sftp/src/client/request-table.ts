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

export class RequestTable {
  readonly #pending = new Map<number, PendingRequest>()
  #lastId = 0

  get size(): number {
    return this.#pending.size
  }

  /** An id that no request in flight has; ids wrap at 32 bits. */
  nextId(): number {
    do this.#lastId = (this.#lastId + 1) >>> 0
    while (this.#pending.has(this.#lastId))
    return this.#lastId
  }

  add(id: number, request: PendingRequest): void {
    this.#pending.set(id, request)
  }

  /**
   * Hands a reply to its request, which is then over.
   * @throws SftpError `ERR_SFTP_PROTOCOL` when nobody waits for `id`: it is made up, or answered twice
   */
  settle(id: number, number: number, packet: Packet): void {
    const request = this.#pending.get(id)
    if (request === undefined) throw protocolError(`The server answered request ${id}, which is not in flight`)
    this.#pending.delete(id)
    request.reply(number, packet)
  }

  get(id: number): PendingRequest | undefined {
    return this.#pending.get(id)
  }

  failAll(error: Error): void {
    const requests = [...this.#pending.values()]
    this.#pending.clear()
    for (const request of requests) request.fail(error)
  }
}
