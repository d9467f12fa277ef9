/** A growable buffer for the data types of RFC 4251 §5. */

import { WireError } from './errors.js'

export class Writer {
  #buffer: Buffer
  #length = 0

  /** @param capacity bytes to reserve at first; it grows as needed */
  constructor(capacity = 128) {
    this.#buffer = Buffer.allocUnsafe(capacity)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length
  }

  writeByte(value: number): this {
    checkInteger('byte', value, 0xff)
    const offset = this.#reserve(1)
    this.#buffer[offset] = value
    return this
  }

  writeUint32(value: number): this {
    checkInteger('uint32', value, 0xffffffff)
    // Reserving may replace the buffer, so it comes first.
    const offset = this.#reserve(4)
    this.#buffer.writeUInt32BE(value, offset)
    return this
  }

  writeUint64(value: bigint): this {
    if (value < 0n || value > 0xffffffffffffffffn) throw invalid(`${value} does not fit a uint64`)
    const offset = this.#reserve(8)
    this.#buffer.writeBigUInt64BE(value, offset)
    return this
  }

  writeBytes(bytes: Uint8Array): this {
    const offset = this.#reserve(bytes.length)
    this.#buffer.set(bytes, offset)
    return this
  }

  /** A `string` of RFC 4251 §5: length, then the bytes. */
  writeString(bytes: Uint8Array): this {
    return this.writeUint32(bytes.length).writeBytes(bytes)
  }

  /** A `string` holding UTF-8. */
  writeUtf8(text: string): this {
    const length = Buffer.byteLength(text)
    this.writeUint32(length)
    const offset = this.#reserve(length)
    this.#buffer.write(text, offset, 'utf8')
    return this
  }

  /** What has been written, as a view that stays valid; do not write afterwards. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  #reserve(byteCount: number): number {
    const offset = this.#length
    const needed = offset + byteCount
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
      grown.set(this.#buffer.subarray(0, offset))
      this.#buffer = grown
    }
    this.#length = needed
    return offset
  }
}

function checkInteger(type: string, value: number, maximum: number): void {
  if (!Number.isInteger(value) || value < 0 || value > maximum) throw invalid(`${value} does not fit a ${type}`)
}

function invalid(message: string): WireError {
  return new WireError('ERR_SSH_WIRE_INVALID_VALUE', message)
}
