/**
 * The first message of a client to an X display, which brings the cookie, and the display's refusal. X Window System
 * Protocol, chapter 8, Connection Setup. Sans-I/O; knows neither channels nor sockets.
 */

import { concatBytes } from '@ssh/wire'
import { X11Error } from '../errors.js'

/** The client chooses the order of bytes for all it sends and gets. */
export type X11ByteOrder = 'big' | 'little'

/** What an X client says first. */
export interface X11Setup {
  readonly byteOrder: X11ByteOrder
  readonly majorVersion: number
  readonly minorVersion: number
  /** For instance `MIT-MAGIC-COOKIE-1`; empty for none. */
  readonly authorizationProtocol: string
  readonly authorizationData: Uint8Array
}

const prefixLength = 12
const longestProtocol = 256
const longestData = 1024
const orders = new Map<number | undefined, X11ByteOrder>([
  [0x42, 'big'],
  [0x6c, 'little'],
])

/** Reads a setup however it is cut. Holds no more than the longest one. */
export class X11SetupReader {
  #received: Uint8Array = new Uint8Array(0)

  /**
   * @param chunk what came next
   * @returns once it is complete: the setup, how many bytes it had, and what came behind it
   * @throws X11Error `ERR_SSH_X11_MALFORMED_SETUP`
   */
  receive(chunk: Uint8Array): { setup: X11Setup; length: number; rest: Uint8Array } | undefined {
    // A setup is a few dozen bytes: what is copied again for each chunk is bounded by the longest one.
    this.#received = concatBytes([this.#received, chunk])
    const bytes = this.#received
    const byteOrder = orders.get(bytes[0])
    if (bytes.length > 0 && byteOrder === undefined) throw malformed(`its first byte is ${bytes[0]}`)
    if (byteOrder === undefined || bytes.length < prefixLength) return undefined
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const field = (offset: number): number => view.getUint16(offset, byteOrder === 'little')
    const protocolLength = field(6)
    const dataLength = field(8)
    if (protocolLength > longestProtocol) throw malformed(`the name of its authorization has ${protocolLength} bytes`)
    if (dataLength > longestData) throw malformed(`its authorization has ${dataLength} bytes`)
    const dataStart = prefixLength + padded(protocolLength)
    const length = dataStart + padded(dataLength)
    if (bytes.length < length) return undefined
    this.#received = new Uint8Array(0)
    const protocol = bytes.subarray(prefixLength, prefixLength + protocolLength)
    const setup = {
      byteOrder,
      majorVersion: field(2),
      minorVersion: field(4),
      authorizationProtocol: Buffer.from(protocol).toString('latin1'),
      authorizationData: bytes.subarray(dataStart, dataStart + dataLength),
    }
    return { setup, length, rest: bytes.subarray(length) }
  }
}

/** The bytes of a setup. */
export function encodeX11Setup(setup: X11Setup): Uint8Array {
  const protocol = Buffer.from(setup.authorizationProtocol, 'latin1')
  const data = setup.authorizationData
  const bytes = Buffer.alloc(prefixLength + padded(protocol.length) + padded(data.length))
  const field = fieldWriter(bytes, setup.byteOrder)
  bytes[0] = setup.byteOrder === 'big' ? 0x42 : 0x6c
  field(2, setup.majorVersion)
  field(4, setup.minorVersion)
  field(6, protocol.length)
  field(8, data.length)
  bytes.set(protocol, prefixLength)
  bytes.set(data, prefixLength + padded(protocol.length))
  return bytes
}

/**
 * What a display answers that does not let a client in.
 * @param reason ASCII text for whoever started the client, at most 255 characters
 */
export function encodeX11Refusal(byteOrder: X11ByteOrder, reason: string): Uint8Array {
  const text = Buffer.from(reason.slice(0, 255), 'latin1')
  const bytes = Buffer.alloc(8 + padded(text.length))
  const field = fieldWriter(bytes, byteOrder)
  bytes[1] = text.length
  field(2, protocolVersion)
  field(6, padded(text.length) / 4)
  bytes.set(text, 8)
  return bytes
}

/** X11R0, which every display and client speaks. */
const protocolVersion = 11

function fieldWriter(bytes: Buffer, byteOrder: X11ByteOrder): (offset: number, value: number) => void {
  return (offset, value) => {
    if (byteOrder === 'big') bytes.writeUInt16BE(value, offset)
    else bytes.writeUInt16LE(value, offset)
  }
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4
}

function malformed(why: string): X11Error {
  return new X11Error('ERR_SSH_X11_MALFORMED_SETUP', `What came on an X11 channel is no connection setup: ${why}`)
}
