/**
 * The rules of one channel: RFC 4254 §5. What may arrive when, windows, end and close, requests and their replies.
 * The face that users see is channel.ts; which channel a message belongs to is the mux's business.
 */

import {
  channelClose,
  channelEof,
  channelFailure,
  type channelOpen,
  channelRequest,
  channelSuccess,
  channelWindowAdjust,
  type MessageOf,
} from '@ssh/wire'
import { ChannelError, ProtocolError } from '../errors.js'
import type { ChannelContext, LocalEnd } from './channel-context.js'
import type { ChannelMessage } from './channel-phases.js'
import type { ChannelHandlers, ChannelRequestOptions } from './channel-request.js'
import { Consumer } from './consumer.js'
import { type ReceiveWindow, SendWindow } from './flow-window.js'
import { type DataType, OutgoingQueue } from './outgoing-queue.js'
import { type OnReply, OwedReplies, PendingReplies } from './replies.js'

export class ChannelState {
  phase: 'open' | 'closing' = 'open'
  readonly channelType: string
  readonly localId: number
  readonly remoteId: number
  /** The channel's main stream; extended data has consumers of its own. */
  readonly input: Consumer
  handlers: ChannelHandlers | undefined
  /** Whether it waits for its turn to be pulled. */
  isInLine = false

  readonly #context: ChannelContext
  readonly #receiveWindow: ReceiveWindow
  readonly #sendWindow: SendWindow
  readonly #largestReceived: number
  readonly #largestSent: number
  readonly #queue = new OutgoingQueue()
  readonly #pending: PendingReplies
  readonly #owed: OwedReplies
  readonly #extended = new Map<number, Consumer>()
  /** Streams whose writer was told to wait. */
  readonly #full = new Set<DataType>()
  /** Requests that want a reply and are still in the queue. */
  readonly #unsent = new Set<{ readonly onReply: OnReply }>()
  /** We confirmed the channel and the peer has not reacted to it yet. */
  #confirmedAtMs: number | undefined
  #sending: 'open' | 'ended' | 'closed' = 'open'
  #remoteEnded = false
  /** Most that the window of a channel for packets may hold; undefined until there was one. */
  #packetWindow: number | undefined
  #isOver = false
  #endError: Error | undefined

  /** @param confirmedAtMs when we confirmed it, if the peer asked for it */
  constructor(
    context: ChannelContext,
    channelType: string,
    local: LocalEnd,
    remote: Pick<MessageOf<typeof channelOpen>, 'senderChannel' | 'initialWindowSize' | 'maximumPacketSize'>,
    confirmedAtMs?: number,
  ) {
    this.#context = context
    this.channelType = channelType
    this.localId = local.channel
    this.#receiveWindow = local.window
    this.#largestReceived = local.maximumPacketSize
    this.remoteId = remote.senderChannel
    this.#sendWindow = new SendWindow(remote.initialWindowSize, context.roundTrip, context.clock)
    this.#largestSent = Math.min(remote.maximumPacketSize, context.limits.maximumPacketSize)
    this.#confirmedAtMs = confirmedAtMs
    this.#pending = new PendingReplies(context.clock, context.roundTrip)
    this.#owed = new OwedReplies(context.limits.unansweredRequests, (payload) => context.send(payload))
    this.input = new Consumer((byteCount) => this.#release(byteCount))
  }

  /** Whether the consumers were told that the channel is over. */
  get isOver(): boolean {
    return this.#isOver
  }

  get receiveWindowSize(): number {
    return this.#receiveWindow.size
  }

  get isWindowLimited(): boolean {
    return this.#sendWindow.isLimit
  }

  get bufferedBytes(): number {
    return this.#queue.byteCount
  }

  /** Bytes of data that one message may hold. */
  get largestSent(): number {
    return this.#largestSent
  }

  /** Whether {@link pull} would return something. */
  get isReady(): boolean {
    return this.#queue.isReady(this.#sendWindow.remaining)
  }

  // What arrives

  /** Takes a message that `channelVerdicts` lets through. */
  receive(message: ChannelMessage): void {
    if (this.#confirmedAtMs !== undefined) {
      this.#context.roundTrip.sample(this.#context.clock() - this.#confirmedAtMs)
      this.#confirmedAtMs = undefined
    }
    switch (message.type) {
      case 'channelWindowAdjust':
        if (this.#packetWindow === undefined) this.#sendWindow.add(message.bytesToAdd)
        else this.#sendWindow.addUpTo(message.bytesToAdd, this.#packetWindow)
        if (this.isReady) this.#context.ready(this)
        break
      case 'channelData':
        this.#receiveData(this.input, message.data)
        break
      case 'channelExtendedData':
        this.#receiveData(this.#extended.get(message.dataTypeCode), message.data)
        break
      case 'channelEof':
        this.#remoteEnded = true
        this.#endInput()
        break
      case 'channelClose':
        this.#receiveClose()
        break
      case 'channelRequest':
        this.#receiveRequest(message.requestType, message.wantReply, message.requestData)
        break
      case 'channelSuccess':
        this.#pending.settle({ outcome: 'success', data: noData })
        break
      case 'channelFailure':
        this.#pending.settle({ outcome: 'failure' })
        break
    }
  }

  #receiveData(consumer: Consumer | undefined, data: Uint8Array): void {
    if (this.#remoteEnded) {
      throw new ProtocolError(
        'ERR_SSH_CHANNEL_DATA_AFTER_EOF',
        `The peer sent ${data.length} bytes on channel ${this.localId} after it ended that direction`,
      )
    }
    if (data.length > this.#largestReceived) {
      throw new ProtocolError(
        'ERR_SSH_CHANNEL_PACKET_TOO_LARGE',
        `The peer sent ${data.length} bytes in one message where ${this.#largestReceived} are allowed`,
        { details: { received: data.length, maximumPacketSize: this.#largestReceived } },
      )
    }
    if (data.length === 0) return
    this.#grant(this.#receiveWindow.receive(data.length))
    // Extended data that nobody asked for must not use up the window that the main stream needs.
    if (consumer === undefined) this.#release(data.length)
    else consumer.data(data)
  }

  #receiveRequest(requestType: string, wantReply: boolean, data: Uint8Array): void {
    const answer = wantReply ? this.#owed.owe() : undefined
    const reply = (success: boolean): void =>
      answer?.((success ? channelSuccess : channelFailure).encode({ recipientChannel: this.remoteId }))
    if (requestType === 'keepalive@openssh.com') reply(true)
    else if (this.handlers?.onRequest === undefined) reply(false)
    else this.handlers.onRequest({ requestType, data, wantReply, reply })
  }

  /** A close must be answered with a close (RFC 4254 §5.3); what we still wanted to send has nobody to read it. */
  #receiveClose(): void {
    if (this.phase === 'open') {
      this.#endInput()
      // A consumer that was told the end may have aborted the channel.
      if (this.phase === 'open') this.#sendClose()
    }
    this.#context.forget(this)
    this.#receiveWindow.dispose()
    this.#finish(undefined)
  }

  #endInput(): void {
    this.input.end()
    for (const consumer of this.#extended.values()) consumer.end()
  }

  // What the face asks for

  /** Stream of an extended data type; from the first call on, what arrives of it is kept unless that call discards. */
  extended(dataType: number, discards: boolean): Consumer {
    const known = this.#extended.get(dataType)
    if (known !== undefined) return known
    const consumer = new Consumer((byteCount) => this.#release(byteCount), discards)
    this.#extended.set(dataType, consumer)
    if (this.#remoteEnded) consumer.end()
    if (this.#isOver) consumer.close(this.#endError)
    return consumer
  }

  write(dataType: DataType, chunk: Uint8Array): boolean {
    if (this.#sending !== 'open') return false
    if (chunk.length > 0) {
      this.#queue.pushData(dataType, chunk)
      if (this.isReady) this.#context.ready(this)
      else if (this.#sendWindow.remaining === 0) this.#sendWindow.markShort()
    }
    return this.#hasRoomFor(dataType)
  }

  /** Data that is one message whatever else is written. */
  writePacket(packet: Uint8Array): boolean {
    if (this.#sending !== 'open') return false
    if (packet.length > this.#largestSent) {
      throw new RangeError(`A packet of ${packet.length} bytes, where one message takes ${this.#largestSent}`)
    }
    // OpenSSH gives back four bytes more for each packet than the packet took (channels.c, 9.2), so that in time the
    // window would overflow. More than this never is a packet's to wait for.
    this.#packetWindow ??= Math.max(this.#sendWindow.remaining, this.#context.limits.initialWindowSize)
    if (packet.length > 0) {
      this.#queue.pushPacket(packet)
      if (this.isReady) this.#context.ready(this)
    }
    return this.#hasRoomFor(undefined)
  }

  #hasRoomFor(dataType: DataType): boolean {
    if (this.#queue.byteCount < this.#context.limits.writeBufferSize) return true
    this.#full.add(dataType)
    return false
  }

  request(requestType: string, data: Uint8Array, options: ChannelRequestOptions, onReply?: OnReply): void {
    if (this.#sending === 'closed') {
      onReply?.({ outcome: 'closed', error: channelClosed(this.channelType) })
      return
    }
    const payload = channelRequest.encode({
      recipientChannel: this.remoteId,
      requestType,
      wantReply: onReply !== undefined,
      requestData: data,
    })
    const sent = (): void => {
      if (onReply !== undefined) this.#pending.expect(onReply)
    }
    if (options.afterData !== true) {
      sent()
      this.#context.send(payload)
      return
    }
    const unsent = { onReply: onReply ?? ignoreReply }
    this.#unsent.add(unsent)
    this.#enqueue(payload, () => {
      this.#unsent.delete(unsent)
      sent()
    })
  }

  /** SSH_MSG_CHANNEL_EOF behind the data. */
  end(): void {
    if (this.#sending !== 'open') return
    this.#sending = 'ended'
    this.#enqueue(channelEof.encode({ recipientChannel: this.remoteId }), () => {})
  }

  /** SSH_MSG_CHANNEL_CLOSE behind the data. */
  close(): void {
    if (this.#sending === 'closed') return
    this.end()
    this.#sending = 'closed'
    this.#enqueue(channelClose.encode({ recipientChannel: this.remoteId }), () => this.#closeSent())
  }

  /** SSH_MSG_CHANNEL_CLOSE at once. */
  abort(error?: Error): void {
    if (this.#isOver) return
    if (this.phase === 'open') this.#sendClose()
    this.input.abort(error)
    for (const consumer of this.#extended.values()) consumer.abort(error)
    this.#finish(error)
  }

  // What leaves

  /** The next message as payload parts; only data counts against the window. */
  pull(): readonly Uint8Array[] | undefined {
    if (!this.isReady) return undefined
    const next = this.#queue.next(this.remoteId, Math.min(this.#sendWindow.remaining, this.#largestSent))
    if (next === undefined) return undefined
    this.#sendWindow.take(next.dataLength)
    if (this.#sendWindow.remaining === 0 && this.#queue.byteCount > 0) this.#sendWindow.markShort()
    return next.parts
  }

  /** Tells writers that wait for room, once half of the buffer is free. */
  drain(): void {
    if (this.#full.size === 0 || this.#queue.byteCount > this.#context.limits.writeBufferSize / 2) return
    const waiting = [...this.#full]
    this.#full.clear()
    for (const dataType of waiting) {
      if (dataType === undefined) this.input.drain()
      else this.#extended.get(dataType)?.drain()
    }
  }

  /** The connection is over. */
  connectionEnded(error: Error): void {
    this.#sending = 'closed'
    this.phase = 'closing'
    this.#queue.clear()
    this.#finish(error)
  }

  #enqueue(payload: Uint8Array, onSent: () => void): void {
    this.#queue.pushMessage(payload, onSent)
    if (this.isReady) this.#context.ready(this)
  }

  #sendClose(): void {
    this.#context.send(channelClose.encode({ recipientChannel: this.remoteId }))
    this.#closeSent()
  }

  #closeSent(): void {
    this.#sending = 'closed'
    this.phase = 'closing'
    this.#queue.clear()
    this.#full.clear()
    this.#owed.end()
  }

  #release(byteCount: number): void {
    this.#grant(this.#receiveWindow.release(byteCount))
  }

  #grant(bytesToAdd: number): void {
    // A peer that ended its direction needs no more window, and one that we closed must not get a message.
    if (bytesToAdd === 0 || this.#remoteEnded || this.phase !== 'open') return
    this.#context.send(channelWindowAdjust.encode({ recipientChannel: this.remoteId, bytesToAdd }))
  }

  #finish(error: Error | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#endError = error
    const reason = error ?? channelClosed(this.channelType)
    this.#pending.end(reason)
    for (const { onReply } of this.#unsent) onReply({ outcome: 'closed', error: reason })
    this.#unsent.clear()
    this.#owed.end()
    this.input.close(error)
    for (const consumer of this.#extended.values()) consumer.close(error)
    this.handlers?.onClose?.(error)
  }
}

const noData = new Uint8Array(0)

function ignoreReply(): void {}

function channelClosed(channelType: string): ChannelError {
  return new ChannelError('ERR_SSH_CHANNEL_CLOSED', `The ${channelType} channel is closed`)
}
