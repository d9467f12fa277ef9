/**
 * The connection protocol: RFC 4254. Many channels and global requests over one stream of payloads.
 *
 * Sans-I/O and without a role: client and server differ in the handlers they bring. Control messages are pushed out
 * with `send`; channel data, and whatever must stay behind it, is pulled, so that back-pressure, key exchange and
 * fairness between channels meet in one place.
 */

import {
  channelOpen,
  channelOpenConfirmation,
  channelOpenFailure,
  connectionMessages,
  type MessageOf,
  openFailureReasons,
  printable,
  reasonName,
} from '@ssh/wire'
import { ChannelError, ChannelOpenError, ProtocolError } from '../errors.js'
import { Channel } from './channel.js'
import type { ChannelOpener, ChannelOpenHandlers, ChannelOpening, ChannelOpenRequest } from './channel-open.js'
import {
  type ChannelContext,
  type ChannelMessage,
  type ChannelPhase,
  ChannelState,
  channelTable,
  type LocalEnd,
  localEnd,
} from './channel-state.js'
import { WindowBudget } from './flow-window.js'
import { type GlobalRequest, GlobalRequests } from './global-requests.js'
import { type ChannelOptions, defaultMuxLimits, type MuxLimits } from './limits.js'
import type { OnReply } from './replies.js'
import { RoundTrip } from './round-trip.js'

export interface MuxOptions {
  readonly limits?: Partial<MuxLimits>
  /** Monotonic milliseconds, with fractions. */
  readonly clock: () => number
  /** Takes one whole payload, to be sent in order of the calls and before anything pulled later. */
  send(payload: Uint8Array): void
  /** {@link Mux.pull} has something. Called from within any other call, so only note it and pull afterwards. */
  wake(): void
}

/** What the peer asks for. */
export interface MuxHandlers {
  /** The peer wants a channel; absent, every type is unknown. */
  onChannelOpen?(request: ChannelOpenRequest): void
  /** Absent: every request is refused. */
  onGlobalRequest?(request: GlobalRequest): void
}

interface PendingOpen {
  phase: 'opening' | 'abandoned'
  readonly channelType: string
  readonly local: LocalEnd
  readonly handlers: ChannelOpenHandlers
  readonly sentAtMs: number
}

interface PendingAccept {
  readonly phase: 'accepting'
  readonly channelType: string
}

type ChannelEntry = PendingOpen | PendingAccept | ChannelState

export class Mux implements ChannelOpener {
  readonly #handlers: MuxHandlers
  readonly #wake: () => void
  readonly #context: ChannelContext
  readonly #globalRequests: GlobalRequests
  readonly #channels = new Map<number, ChannelEntry>()
  /** Numbers of the peer's channels by type, for the limits by type. */
  readonly #remoteCounts = new Map<string, number>()
  readonly #remoteOpened = new Set<number>()
  readonly #freeIds: number[] = []
  #nextId = 0
  /** Channels with something to pull, the next in turn first. */
  readonly #ready = new Set<ChannelState>()
  #endError: Error | undefined

  constructor(options: MuxOptions, handlers: MuxHandlers = {}) {
    const limits = { ...defaultMuxLimits, ...options.limits }
    const roundTrip = new RoundTrip()
    const send = (payload: Uint8Array): void => {
      if (this.#endError === undefined) options.send(payload)
    }
    this.#handlers = handlers
    this.#wake = () => options.wake()
    this.#context = {
      limits,
      roundTrip,
      budget: new WindowBudget(limits.windowBudget),
      clock: options.clock,
      send,
      ready: (channel) => this.#addReady(channel),
      forget: (channel) => this.#forget(channel.localId, channel.channelType),
    }
    this.#globalRequests = new GlobalRequests({
      clock: options.clock,
      roundTrip,
      unansweredRequests: limits.unansweredRequests,
      send,
      onRequest: handlers.onGlobalRequest && ((request) => handlers.onGlobalRequest?.(request)),
    })
  }

  /** Channels in the table, pending and closing ones included. */
  get channelCount(): number {
    return this.#channels.size
  }

  /** Shortest round trip seen, in milliseconds; infinite until something was measured. */
  get roundTripMs(): number {
    return this.#context.roundTrip.shortestMs
  }

  /** Whether {@link pull} would return something. */
  get hasOutput(): boolean {
    return this.#ready.size > 0
  }

  /**
   * Takes one payload with a message number from 80 to 127.
   * @returns false for a number that RFC 4254 does not define: answer it with SSH_MSG_UNIMPLEMENTED
   * @throws ProtocolError, WireError when the peer broke the protocol: disconnect, and call {@link end}
   */
  receive(payload: Uint8Array): boolean {
    const [number] = payload
    if (number === undefined || !connectionMessages.has(number)) return false
    if (this.#endError !== undefined) return true
    const message = connectionMessages.decode(payload)
    switch (message.type) {
      case 'globalRequest':
      case 'requestSuccess':
      case 'requestFailure':
        this.#globalRequests.receive(message)
        return true
      case 'channelOpen':
        this.#receiveOpen(message)
        return true
      default:
        this.#receiveForChannel(message)
        return true
    }
  }

  /**
   * Takes the next message of the channel whose turn it is. Call it only when the message can be sealed and sent now.
   * @returns one payload in parts, bulk data as views of what was written; undefined when there is nothing to send
   */
  pull(): readonly Uint8Array[] | undefined {
    for (const channel of this.#ready) {
      this.#ready.delete(channel)
      const parts = channel.pull()
      if (channel.isReady) this.#ready.add(channel)
      if (parts === undefined) continue
      channel.drain()
      return parts
    }
    return undefined
  }

  openChannel(
    channelType: string,
    typeData: Uint8Array,
    options: ChannelOptions,
    handlers: ChannelOpenHandlers,
  ): ChannelOpening {
    if (this.#endError !== undefined) throw this.#endError
    if (this.#isFull) {
      throw new ChannelOpenError(
        openFailureReasons.resourceShortage,
        `This connection has ${this.#channels.size} channels, which is its limit; close some or raise the limit`,
      )
    }
    const local = localEnd(this.#context, this.#takeId(), options)
    const entry: PendingOpen = { phase: 'opening', channelType, local, handlers, sentAtMs: this.#context.clock() }
    this.#channels.set(local.channel, entry)
    this.#context.send(
      channelOpen.encode({
        channelType,
        senderChannel: local.channel,
        initialWindowSize: local.window.size,
        maximumPacketSize: local.maximumPacketSize,
        typeData,
      }),
    )
    return {
      cancel: () => {
        entry.phase = 'abandoned'
      },
    }
  }

  /**
   * Sends a request that concerns no channel (RFC 4254 §4).
   * @param data its request-specific part: `globalRequests.encode` of `@ssh/wire`
   * @param onReply called once with what became of it; absent, no reply is wanted
   */
  globalRequest(requestName: string, data: Uint8Array, onReply?: OnReply): void {
    if (this.#endError !== undefined) onReply?.({ outcome: 'closed', error: this.#endError })
    else this.#globalRequests.request(requestName, data, onReply)
  }

  /** The connection is over: whatever is open or pending is told so, once. Nothing is sent afterwards. */
  end(error: Error): void {
    if (this.#endError !== undefined) return
    this.#endError = error
    this.#ready.clear()
    const entries = [...this.#channels.values()]
    this.#channels.clear()
    this.#globalRequests.end(error)
    for (const entry of entries) {
      if (entry instanceof ChannelState) entry.connectionEnded(error)
      else if (entry.phase === 'opening') entry.handlers.onFailure(error)
    }
  }

  // Channels the peer asks for

  #receiveOpen(message: MessageOf<typeof channelOpen>): void {
    const { channelType, senderChannel, initialWindowSize, maximumPacketSize, typeData } = message
    const refuse = (reasonCode: number, description: string): void =>
      this.#context.send(
        channelOpenFailure.encode({ recipientChannel: senderChannel, reasonCode, description, languageTag: '' }),
      )
    const ofType = this.#remoteCounts.get(channelType) ?? 0
    if (this.#isFull || ofType >= (this.#context.limits.channelsByType.get(channelType) ?? Number.POSITIVE_INFINITY)) {
      return refuse(openFailureReasons.resourceShortage, 'no more channels of this type on this connection')
    }
    if (maximumPacketSize === 0) {
      return refuse(openFailureReasons.administrativelyProhibited, 'a maximum packet size of 0 cannot carry data')
    }
    const open = this.#handlers.onChannelOpen
    if (open === undefined) return refuse(openFailureReasons.unknownChannelType, 'unknown channel type')

    const id = this.#takeId()
    const entry: PendingAccept = { phase: 'accepting', channelType }
    this.#channels.set(id, entry)
    this.#remoteOpened.add(id)
    this.#remoteCounts.set(channelType, ofType + 1)
    const isPending = (): boolean => this.#channels.get(id) === entry
    const accept = (options: ChannelOptions = {}, confirmationData = noData): Channel => {
      if (!isPending()) {
        throw new ChannelError('ERR_SSH_CHANNEL_CLOSED', 'The channel was answered already, or the connection ended')
      }
      const local = localEnd(this.#context, id, options)
      const channel = this.#addChannel(channelType, local, {
        channel: senderChannel,
        windowSize: initialWindowSize,
        maximumPacketSize,
      })
      this.#context.send(
        channelOpenConfirmation.encode({
          recipientChannel: senderChannel,
          senderChannel: id,
          initialWindowSize: local.window.size,
          maximumPacketSize: local.maximumPacketSize,
          typeData: confirmationData,
        }),
      )
      return new Channel(channel)
    }
    const reject = (reasonCode: number, description: string): void => {
      if (!isPending()) return
      this.#forget(id, channelType)
      refuse(reasonCode, description)
    }
    open.call(this.#handlers, {
      channelType,
      typeData,
      get isPending() {
        return isPending()
      },
      accept,
      reject,
    })
  }

  // Channels we ask for

  #opened(entry: PendingOpen, message: MessageOf<typeof channelOpenConfirmation>): void {
    if (message.maximumPacketSize === 0) {
      throw new ProtocolError(
        'ERR_SSH_CHANNEL_PACKET_SIZE_ZERO',
        'The peer confirmed a channel with a maximum packet size of 0, which cannot carry data',
      )
    }
    this.#context.roundTrip.sample(this.#context.clock() - entry.sentAtMs)
    const state = this.#addChannel(entry.channelType, entry.local, {
      channel: message.senderChannel,
      windowSize: message.initialWindowSize,
      maximumPacketSize: message.maximumPacketSize,
    })
    if (entry.phase === 'abandoned') state.abort()
    else entry.handlers.onOpen(new Channel(state), message.typeData)
  }

  #refused(entry: PendingOpen, message: MessageOf<typeof channelOpenFailure>): void {
    this.#forget(entry.local.channel, entry.channelType)
    entry.local.window.dispose()
    if (entry.phase === 'abandoned') return
    const { reasonCode, description } = message
    const said = description === '' ? '' : `: ${printable(description)}`
    entry.handlers.onFailure(
      new ChannelOpenError(
        reasonCode,
        `The peer refused to open a ${entry.channelType} channel (${reasonName(openFailureReasons, reasonCode)})${said}`,
        { details: { channelType: entry.channelType, description } },
      ),
    )
  }

  // Routing

  #receiveForChannel(message: ChannelMessage): void {
    const id = message.recipientChannel
    const entry = this.#channels.get(id)
    if (entry === undefined) {
      // Window for a channel that just closed crosses the close on the wire; it is harmless, and OpenSSH ignores it.
      if (message.type === 'channelWindowAdjust' && id < this.#nextId) return
      throw new ProtocolError(
        'ERR_SSH_CHANNEL_UNKNOWN',
        `The peer sent ${message.type} for channel ${id}, which is not open`,
        {
          details: { channel: id, message: message.type },
        },
      )
    }
    const verdict = channelTable[entry.phase][message.type]
    if (verdict === undefined) throw unexpected(message, entry.phase)
    if (verdict === 'ignore') return
    if (entry instanceof ChannelState) entry.receive(message)
    else if (entry.phase === 'accepting') throw unexpected(message, entry.phase)
    else if (message.type === 'channelOpenConfirmation') this.#opened(entry, message)
    else if (message.type === 'channelOpenFailure') this.#refused(entry, message)
  }

  #addChannel(
    channelType: string,
    local: LocalEnd,
    remote: { channel: number; windowSize: number; maximumPacketSize: number },
  ): ChannelState {
    const state = new ChannelState(this.#context, channelType, local, remote)
    this.#channels.set(local.channel, state)
    return state
  }

  #addReady(channel: ChannelState): void {
    const wasIdle = this.#ready.size === 0
    this.#ready.add(channel)
    if (wasIdle) this.#wake()
  }

  #forget(id: number, channelType: string): void {
    const entry = this.#channels.get(id)
    if (!this.#channels.delete(id)) return
    if (entry instanceof ChannelState) this.#ready.delete(entry)
    this.#freeIds.push(id)
    if (!this.#remoteOpened.delete(id)) return
    const remaining = (this.#remoteCounts.get(channelType) ?? 1) - 1
    if (remaining === 0) this.#remoteCounts.delete(channelType)
    else this.#remoteCounts.set(channelType, remaining)
  }

  get #isFull(): boolean {
    return this.#channels.size >= this.#context.limits.channels
  }

  #takeId(): number {
    return this.#freeIds.pop() ?? this.#nextId++
  }
}

const noData = new Uint8Array(0)

function unexpected(message: ChannelMessage, phase: ChannelPhase): ProtocolError {
  return new ProtocolError(
    'ERR_SSH_CHANNEL_UNEXPECTED_MESSAGE',
    `The peer sent ${message.type} for channel ${message.recipientChannel}, which is ${phase}`,
    { details: { channel: message.recipientChannel, message: message.type, phase } },
  )
}
