/**
 * The connection protocol: RFC 4254. Many channels and global requests over one stream of payloads.
 *
 * Sans-I/O and without a role: client and server differ in the handlers they bring. Control messages are pushed out
 * with `send`; channel data, and whatever must stay behind it, is pulled, so that back-pressure, key exchange and
 * fairness between channels meet in one place.
 */

import {
  AbortError,
  channelOpen,
  channelOpenConfirmation,
  channelOpenFailure,
  connectionMessages,
  Fifo,
  type MessageOf,
  openFailureReasons,
  printable,
  reasonName,
} from '@ssh/wire'
import { ChannelError, ChannelOpenError, ProtocolError } from '../errors.js'
import { Channel } from './channel.js'
import { type ChannelContext, localEnd } from './channel-context.js'
import type { ChannelOpener, ChannelOpenHandlers, ChannelOpening, ChannelOpenRequest } from './channel-open.js'
import { type ChannelMessage, type ChannelPhase, channelVerdicts } from './channel-phases.js'
import { ChannelState } from './channel-state.js'
import { ChannelTable, type PendingAccept, type PendingOpen } from './channel-table.js'
import { WindowBudget } from './flow-window.js'
import { type GlobalRequestHandlers, GlobalRequests } from './global-requests.js'
import { type ChannelOptions, defaultMuxLimits, type MuxLimits } from './limits.js'
import type { OnReply } from './replies.js'
import { RoundTrip } from './round-trip.js'

export interface MuxOptions {
  readonly limits?: Partial<MuxLimits>
  /** Monotonic milliseconds, with fractions. */
  readonly clock: () => number
  /** Takes one whole payload, to be sent in the order of the calls and before anything pulled later. */
  send(payload: Uint8Array): void
  /**
   * There is something to {@link Mux.pull}, and there was nothing before. Called from within any other call, so only
   * note it and pull once that call returned.
   */
  wake(): void
}

/** What the peer asks for. */
export interface MuxHandlers extends GlobalRequestHandlers {
  /** The peer wants a channel; absent, every type is unknown. */
  onChannelOpen?(request: ChannelOpenRequest): void
  /**
   * This side asks for a channel.
   * @returns told once what became of it, before whoever asked is: the error if it did not open. Undefined: nobody
   *   wants to know
   */
  onOpening?(channelType: string): ((error?: Error) => void) | undefined
}

export class Mux implements ChannelOpener {
  readonly #handlers: MuxHandlers
  readonly #context: ChannelContext
  readonly #channels: ChannelTable
  readonly #globalRequests: GlobalRequests
  /**
   * Channels with something to pull, the next in turn first, and some that have it no more. No set: V8 copies one that
   * is changed for each packet every few of them, and once one copy is old, its young collections keep all that follow.
   */
  readonly #ready = new Fifo<ChannelState>()
  #asksForMore = true
  #endError: Error | undefined

  constructor(options: MuxOptions, handlers: MuxHandlers = {}) {
    const { clock } = options
    const limits = { ...defaultMuxLimits, ...options.limits }
    const roundTrip = new RoundTrip()
    const send = (payload: Uint8Array): void => {
      if (this.#endError === undefined) options.send(payload)
    }
    this.#handlers = handlers
    this.#channels = new ChannelTable(limits, clock)
    this.#context = {
      limits,
      roundTrip,
      budget: new WindowBudget(limits.windowBudget),
      clock,
      send,
      ready: (channel) => {
        const wasIdle = this.#ready.length === 0
        this.#putInLine(channel)
        if (wasIdle) options.wake()
      },
      forget: (channel) => this.#channels.delete(channel.localId),
    }
    const { unansweredRequests } = limits
    this.#globalRequests = new GlobalRequests({ clock, roundTrip, unansweredRequests, send }, handlers)
  }

  /** Channels in the table, pending and closing ones included. */
  get channelCount(): number {
    return this.#channels.size
  }

  /** Since when there is no channel, in milliseconds of the clock; undefined while there is one. */
  get idleSinceMs(): number | undefined {
    return this.#channels.emptySinceMs
  }

  /** Shortest round trip seen, in milliseconds; infinite until something was measured. */
  get roundTripMs(): number {
    return this.#context.roundTrip.shortestMs
  }

  /** Whether a channel is in line, which may have lost what it had to give. */
  get hasOutput(): boolean {
    return this.#ready.length > 0
  }

  /**
   * Takes one payload with a message number from 80 to 127. The payload's memory must stay as it is from then on: what
   * consumers get are views of it.
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
        break
      case 'channelOpen':
        this.#receiveOpen(message)
        break
      default:
        this.#receiveForChannel(message)
    }
    return true
  }

  /**
   * Gives the next message of the channel whose turn it is. Call it only while there is room for one more, and send
   * what went through `send` before the next call: writers that are told of the room may use both.
   * @param take gets one payload in parts, bulk data as views of what was written, and seals it at once
   * @returns false when there was nothing to give
   */
  pull(take: (parts: readonly Uint8Array[]) => void): boolean {
    for (let channel = this.#ready.shift(); channel !== undefined; channel = this.#ready.shift()) {
      channel.isInLine = false
      const parts = channel.pull()
      if (parts === undefined) continue
      if (channel.isReady) this.#putInLine(channel)
      take(parts)
      if (this.#asksForMore) channel.drain()
      return true
    }
    return false
  }

  /** The connection is about to end: what was written is still given, but writers are not told of room any more. */
  stopAsking(): void {
    this.#asksForMore = false
  }

  openChannel(
    channelType: string,
    typeData: Uint8Array,
    options: ChannelOptions,
    handlers: ChannelOpenHandlers,
  ): ChannelOpening {
    if (this.#endError !== undefined) throw this.#endError
    if (this.#channels.isFull) {
      throw new ChannelOpenError(
        openFailureReasons.resourceShortage,
        `This connection has ${this.#channels.size} channels, which is its limit; close some or raise the limit`,
      )
    }
    const local = localEnd(this.#context, this.#channels.takeId(), options)
    const tell = this.#handlers.onOpening?.(channelType)
    const entry: PendingOpen = {
      phase: 'opening',
      channelType,
      local,
      handlers: tell === undefined ? handlers : alsoTelling(handlers, tell),
      sentAtMs: this.#context.clock(),
    }
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
        if (this.#channels.get(local.channel) !== entry || entry.phase === 'abandoned') return
        entry.phase = 'abandoned'
        tell?.(new AbortError())
      },
    }
  }

  /**
   * Sends a request that concerns no channel (RFC 4254 §4).
   * @param data its request-specific part: `globalRequests.encode` of `@ssh/wire`
   * @param onReply called once with what became of it; absent, no reply is wanted
   */
  globalRequest(requestName: string, data: Uint8Array, onReply?: OnReply): void {
    if (this.#endError === undefined) this.#globalRequests.request(requestName, data, onReply)
    else onReply?.({ outcome: 'closed', error: this.#endError })
  }

  /**
   * The connection is over: whatever is open or pending is told so, once. Nothing is sent afterwards.
   * @throws unknown the first thing that a handler threw, once all the others have been told
   */
  end(error: Error): void {
    if (this.#endError !== undefined) return
    this.#endError = error
    this.#ready.clear()
    const thrown: unknown[] = []
    const tell = (inform: () => void): void => {
      try {
        inform()
      } catch (failure) {
        thrown.push(failure)
      }
    }
    const entries = this.#channels.clear()
    tell(() => this.#globalRequests.end(error))
    for (const entry of entries) {
      if (entry instanceof ChannelState) tell(() => entry.connectionEnded(error))
      else if (entry.phase === 'opening') tell(() => entry.handlers.onFailure(error))
    }
    if (thrown.length > 0) throw thrown[0]
  }

  // Channels the peer asks for

  #putInLine(channel: ChannelState): void {
    if (channel.isInLine) return
    channel.isInLine = true
    this.#ready.push(channel)
  }

  #receiveOpen(message: MessageOf<typeof channelOpen>): void {
    const { channelType, senderChannel } = message
    const refuse = (reasonCode: number, description: string): void =>
      this.#context.send(
        channelOpenFailure.encode({ recipientChannel: senderChannel, reasonCode, description, languageTag: '' }),
      )
    if (!this.#channels.admits(channelType)) {
      refuse(openFailureReasons.resourceShortage, 'no more channels of this type on this connection')
    } else if (message.maximumPacketSize === 0) {
      refuse(openFailureReasons.administrativelyProhibited, 'a maximum packet size of 0 cannot carry data')
    } else if (this.#handlers.onChannelOpen === undefined) {
      refuse(openFailureReasons.unknownChannelType, 'unknown channel type')
    } else {
      this.#handlers.onChannelOpen(this.#openRequest(message, refuse))
    }
  }

  #openRequest(
    message: MessageOf<typeof channelOpen>,
    refuse: (reasonCode: number, description: string) => void,
  ): ChannelOpenRequest {
    const { channelType, typeData } = message
    const id = this.#channels.takeId()
    const entry: PendingAccept = { phase: 'accepting', channelType }
    this.#channels.set(id, entry)
    const isPending = (): boolean => this.#channels.get(id) === entry
    return {
      channelType,
      typeData,
      get isPending() {
        return isPending()
      },
      accept: (options = {}, confirmationData = noData) => {
        if (!isPending()) {
          throw new ChannelError('ERR_SSH_CHANNEL_CLOSED', 'The channel was answered already, or the connection ended')
        }
        return this.#accept(id, message, options, confirmationData)
      },
      reject: (reasonCode, description) => {
        if (!isPending()) return
        this.#channels.delete(id)
        refuse(reasonCode, description)
      },
    }
  }

  #accept(
    id: number,
    message: MessageOf<typeof channelOpen>,
    options: ChannelOptions,
    confirmationData: Uint8Array,
  ): Channel {
    const local = localEnd(this.#context, id, options)
    const state = new ChannelState(this.#context, message.channelType, local, message, this.#context.clock())
    this.#channels.set(id, state)
    this.#context.send(
      channelOpenConfirmation.encode({
        recipientChannel: message.senderChannel,
        senderChannel: id,
        initialWindowSize: local.window.size,
        maximumPacketSize: local.maximumPacketSize,
        typeData: confirmationData,
      }),
    )
    return new Channel(state)
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
    const state = new ChannelState(this.#context, entry.channelType, entry.local, message)
    this.#channels.set(entry.local.channel, state)
    if (entry.phase === 'abandoned') state.abort()
    else entry.handlers.onOpen(new Channel(state), message.typeData)
  }

  #refused(entry: PendingOpen, message: MessageOf<typeof channelOpenFailure>): void {
    this.#channels.delete(entry.local.channel)
    entry.local.window.dispose()
    if (entry.phase === 'abandoned') return
    const { reasonCode, description } = message
    const reason = reasonName(openFailureReasons, reasonCode)
    const said = description === '' ? '' : `: ${printable(description)}`
    entry.handlers.onFailure(
      new ChannelOpenError(reasonCode, `The peer refused to open a ${entry.channelType} channel (${reason})${said}`, {
        details: { channelType: entry.channelType, description },
      }),
    )
  }

  // Channels that have a number

  #receiveForChannel(message: ChannelMessage): void {
    const entry = this.#channels.get(message.recipientChannel)
    if (entry === undefined) {
      // Window for a channel that just closed crosses the close on the wire; it is harmless, and OpenSSH ignores it.
      if (message.type === 'channelWindowAdjust' && this.#channels.wasUsed(message.recipientChannel)) return
      throw unexpected(message, 'not open')
    }
    const verdict = channelVerdicts[entry.phase][message.type]
    if (verdict === undefined) throw unexpected(message, entry.phase)
    if (verdict === 'ignore') return
    if (entry instanceof ChannelState) entry.receive(message)
    else if (entry.phase === 'accepting') throw unexpected(message, entry.phase)
    else if (message.type === 'channelOpenConfirmation') this.#opened(entry, message)
    else if (message.type === 'channelOpenFailure') this.#refused(entry, message)
  }
}

const noData = new Uint8Array(0)

function alsoTelling(handlers: ChannelOpenHandlers, tell: (error?: Error) => void): ChannelOpenHandlers {
  return {
    onOpen: (channel, confirmationData) => {
      tell()
      handlers.onOpen(channel, confirmationData)
    },
    onFailure: (error) => {
      tell(error)
      handlers.onFailure(error)
    },
  }
}

function unexpected(message: ChannelMessage, phase: ChannelPhase | 'not open'): ProtocolError {
  return new ProtocolError(
    'ERR_SSH_CHANNEL_UNEXPECTED_MESSAGE',
    `The peer sent ${message.type} for channel ${message.recipientChannel}, which is ${phase}`,
    { details: { channel: message.recipientChannel, message: message.type, phase } },
  )
}
