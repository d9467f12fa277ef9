/** What one channel still has to send: data, and the messages that must not overtake it. */

import { channelData, channelExtendedData, Fifo } from '@ssh/wire'

/** Data type of a chunk: `undefined` is SSH_MSG_CHANNEL_DATA, a number SSH_MSG_CHANNEL_EXTENDED_DATA. */
export type DataType = number | undefined

type Item =
  | { readonly kind: 'data'; readonly dataType: DataType; readonly chunk: Uint8Array }
  /** Data that is one message, neither split nor joined with other data. */
  | { readonly kind: 'packet'; readonly chunk: Uint8Array }
  | { readonly kind: 'message'; readonly payload: Uint8Array; readonly onSent: () => void }

export class OutgoingQueue {
  readonly #items = new Fifo<Item>()
  #byteCount = 0

  /** Bytes of data that wait. */
  get byteCount(): number {
    return this.#byteCount
  }

  pushData(dataType: DataType, chunk: Uint8Array): void {
    this.#items.push({ kind: 'data', dataType, chunk })
    this.#byteCount += chunk.length
  }

  /** Waits for a window that takes all of it. @param packet no larger than any limit that {@link next} will be given */
  pushPacket(packet: Uint8Array): void {
    this.#items.push({ kind: 'packet', chunk: packet })
    this.#byteCount += packet.length
  }

  /** @param onSent called when the message leaves, before anything behind it does */
  pushMessage(payload: Uint8Array, onSent: () => void): void {
    this.#items.push({ kind: 'message', payload, onSent })
  }

  /** Whether {@link next} would return something: messages need no window. */
  isReady(window: number): boolean {
    const first = this.#items.first
    if (first === undefined || first.kind === 'message') return first !== undefined
    return first.kind === 'packet' ? window >= first.chunk.length : window > 0
  }

  /**
   * Takes the next message off the queue: a message as it is, or as much data of one type as `limit` allows, small
   * chunks gathered and large ones split. Data is never copied.
   *
   * @param recipientChannel the peer's number of the channel
   * @param limit most bytes of data to take, at least 1
   * @returns payload parts, and how many of their bytes count against the window
   */
  next(recipientChannel: number, limit: number): { parts: Uint8Array[]; dataLength: number } | undefined {
    const first = this.#items.first
    if (first === undefined) return undefined
    if (first.kind === 'message') {
      this.#items.shift()
      first.onSent()
      return { parts: [first.payload], dataLength: 0 }
    }
    if (first.kind === 'packet') {
      this.#items.shift()
      const dataLength = first.chunk.length
      this.#byteCount -= dataLength
      return { parts: [dataHeader(recipientChannel, undefined, dataLength), first.chunk], dataLength }
    }
    const parts: Uint8Array[] = [emptyHeader]
    let dataLength = 0
    for (let item: Item | undefined = first; dataLength < limit; item = this.#items.first) {
      if (item?.kind !== 'data' || item.dataType !== first.dataType) break
      const room = limit - dataLength
      if (item.chunk.length <= room) {
        this.#items.shift()
        parts.push(item.chunk)
        dataLength += item.chunk.length
      } else {
        parts.push(item.chunk.subarray(0, room))
        this.#items.replaceFirst({ ...item, chunk: item.chunk.subarray(room) })
        dataLength += room
      }
    }
    this.#byteCount -= dataLength
    parts[0] = dataHeader(recipientChannel, first.dataType, dataLength)
    return { parts, dataLength }
  }

  clear(): void {
    this.#items.clear()
    this.#byteCount = 0
  }
}

const emptyHeader = new Uint8Array(0)

/** Everything of a channelData or channelExtendedData payload but the data itself (RFC 4254 §5.2). */
function dataHeader(recipientChannel: number, dataType: DataType, dataLength: number): Uint8Array {
  const header = Buffer.allocUnsafe(dataType === undefined ? 9 : 13)
  header[0] = dataType === undefined ? channelData.number : channelExtendedData.number
  let offset = header.writeUInt32BE(recipientChannel, 1)
  if (dataType !== undefined) offset = header.writeUInt32BE(dataType, offset)
  header.writeUInt32BE(dataLength, offset)
  return header
}
