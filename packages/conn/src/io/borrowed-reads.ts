/**
 * What a client's sockets receive lands in one piece of memory that all of them share, instead of in new memory for
 * each read: a connection copies what it keeps, and garbage is what costs most of a transfer.
 */

import type { OnReadOpts } from 'node:net'
import type { Duplex } from 'node:stream'

/** More than the kernel usually has at once. */
const memoryLength = 256 * 1024

type Listener = (bytes: Uint8Array) => void

const readsOf = new WeakMap<Duplex, BorrowedReads>()
let memory: Buffer | undefined

/** The reads of one socket. */
export class BorrowedReads {
  #listener: Listener | undefined
  /** Copies of what came before anybody listened. */
  #early: Buffer[] = []

  /** For `onread` of a socket's options. */
  get options(): OnReadOpts {
    memory ??= Buffer.allocUnsafeSlow(memoryLength)
    return {
      buffer: memory,
      callback: (length, received) => {
        const bytes = Buffer.from(received.buffer, received.byteOffset, length)
        if (this.#listener === undefined) this.#early.push(Buffer.from(bytes))
        else this.#listener(bytes)
        return true
      },
    }
  }

  /** Remembers that `socket` was made with {@link options}. */
  belongTo(socket: Duplex): void {
    readsOf.set(socket, this)
  }

  /** @param listener gets bytes whose memory is used for others as soon as it returns */
  listen(listener: Listener): void {
    this.#listener = listener
    for (const bytes of this.#early.splice(0)) listener(bytes)
  }

  /** Nobody listens until `listen` is called again. @param rest what came and is the next listener's */
  pass(rest: Buffer): void {
    this.#listener = undefined
    if (rest.length > 0) this.#early.unshift(rest)
  }
}

/** The reads of a socket that was made for it; undefined for any other stream. */
export function borrowedReadsOf(stream: Duplex): BorrowedReads | undefined {
  return readsOf.get(stream)
}
