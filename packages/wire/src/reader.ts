/** A bounds-checked cursor over received bytes. Everything it returns is a view into them, never a copy. */

import { WireError } from './errors.js'

export class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset: number

  /** @param bytes what to read; @param offset where to start */
  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#offset = offset
  }

  /** Position of the next byte. */
  get offset(): number {
    return this.#offset
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  readByte(): number {
    return this.#view.getUint8(this.#take(1))
  }

  readUint32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  readUint64(): bigint {
    return this.#view.getBigUint64(this.#take(8))
  }

  /** The next `length` bytes, as a view. */
  readBytes(length: number): Uint8Array {
    const start = this.#take(length)
    return this.#bytes.subarray(start, start + length)
  }

  /** A `string` of RFC 4251 §5: a uint32 length and that many bytes, as a view. */
  readString(): Uint8Array {
    return this.readBytes(this.readUint32())
  }

  /** Everything left, as a view. */
  readRest(): Uint8Array {
    return this.readBytes(this.remaining)
  }

  /** @throws WireError `ERR_SSH_WIRE_TRAILING_BYTES` unless every byte has been read */
  expectEnd(what: string): void {
    if (this.remaining === 0) return
    throw new WireError('ERR_SSH_WIRE_TRAILING_BYTES', `${what} has ${this.remaining} bytes after its last field`, {
      trailing: this.remaining,
    })
  }

  #take(length: number): number {
    const start = this.#offset
    if (length > this.#bytes.length - start) {
      throw new WireError(
        'ERR_SSH_WIRE_TRUNCATED',
        `Expected ${length} bytes at offset ${start}, but only ${this.#bytes.length - start} are left`,
        { expected: length, available: this.#bytes.length - start, offset: start },
      )
    }
    this.#offset = start + length
    return start
  }
}
