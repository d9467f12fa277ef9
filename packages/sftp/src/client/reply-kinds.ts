/** What a request may be answered with, and what its caller gets of it. */

import { asBuffer, concatBytes } from '@ssh/wire'
import { protocolError } from '../errors.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import type { Dialect } from '../protocol/dialect.js'
import type { Packet } from '../protocol/framing.js'
import type { NameEntry } from '../protocol/model.js'
import { replies } from '../protocol/packets.js'

/** How a reply becomes a value. A status other than these rules allow is an error. */
export interface ReplyKind<T> {
  /** Number of the message that carries the value, in every version; undefined when only a status is expected. */
  readonly number: number | undefined
  read(packet: Packet, dialect: Dialect): T
  /** Memory for the `length` bytes of a DATA reply that begins to arrive; absent, or undefined: it is read as views. */
  memoryFor?(length: number): Uint8Array | undefined
  /** The value when the server answers SSH_FX_EOF, for requests that can come to an end. */
  readonly atEnd?: T
}

/** Bytes of a file: views, in order, as they arrived. */
export interface Block {
  readonly chunks: readonly Uint8Array[]
  readonly length: number
}

/** The status SSH_FX_OK and nothing else. */
export const expectDone: ReplyKind<void> = { number: undefined, read: () => undefined }

/** A handle, copied: it outlives the chunk it came in. */
export const expectHandle: ReplyKind<Uint8Array> = {
  number: replies.handle.number,
  read: (packet, { replies }) => Buffer.from(replies.handle.decode(concatBytes(packet)).handle),
}

/** What a read at the end of the file gives. */
export const emptyBlock: Block = { chunks: [], length: 0 }

/**
 * Data, 1 to `length` bytes of it, put into the memory that `memory` gives, or nothing at the end of the file. The value
 * is how many bytes were filled. Good for one request.
 */
export class DataKind implements ReplyKind<number> {
  readonly number = replies.data.number
  readonly atEnd = 0
  /** Whether the server said that the file ends with this data; few do. */
  isLast = false
  readonly #length: number
  readonly #memory: () => Uint8Array
  #placed = false

  /** @param memory called at most once, when data arrives: bytes to be filled, `length` or more */
  constructor(length: number, memory: () => Uint8Array) {
    this.#length = length
    this.#memory = memory
  }

  memoryFor(dataLength: number): Uint8Array | undefined {
    if (dataLength === 0 || dataLength > this.#length) return undefined
    this.#placed = true
    return this.#memory().subarray(0, dataLength)
  }

  read(packet: Packet, dialect: Dialect): number {
    const { chunks, length, isLast = false } = dialect.dataOfPacket(packet)
    this.isLast = isLast
    // No data at all would be asked for again, for ever: the end of a file is a status, or said beside the data.
    if ((length === 0 && !isLast) || length > this.#length) {
      throw protocolError(`Expected 1 to ${this.#length} bytes of data, found ${length}`)
    }
    if (!this.#placed && length > 0) copyChunks(chunks, this.#memory())
    return length
  }
}

function copyChunks(chunks: readonly Uint8Array[], target: Uint8Array): void {
  let offset = 0
  for (const chunk of chunks) {
    target.set(chunk, offset)
    offset += chunk.length
  }
}

/** Names, or none where there are no more. */
export const expectNames: ReplyKind<readonly NameEntry[]> = {
  number: replies.name.number,
  read: (packet, { replies }) => replies.name.decode(concatBytes(packet)).entries,
  atEnd: [],
}

/** Part of a listing. */
export interface NamePage {
  readonly entries: readonly NameEntry[]
  /** Whether nothing follows, as far as the server says so. */
  readonly isLast: boolean
}

/** Names of a listing, or none at its end. */
export const expectPage: ReplyKind<NamePage> = {
  number: replies.name.number,
  read(packet, { replies }) {
    const { entries, isLast = false } = replies.name.decode(concatBytes(packet))
    return { entries, isLast }
  },
  atEnd: { entries: [], isLast: true },
}

export const expectAttrs: ReplyKind<SftpAttrs> = {
  number: replies.attrs.number,
  read: (packet, { replies }) => replies.attrs.decode(concatBytes(packet)).attrs,
}

/** The payload of an extended reply. */
export const expectExtended: ReplyKind<Uint8Array> = {
  number: replies.extendedReply.number,
  read: (packet, { replies }) => replies.extendedReply.decode(concatBytes(packet)).payload,
}

/** A block in one piece. */
export function joinBlock(block: Block): Buffer {
  return asBuffer(concatBytes(block.chunks))
}
