/** The face of a channel: a `ByteChannel`, further streams beside it, and requests. Calls and callbacks only. */

import type { ByteChannel, ByteHandlers } from '@ssh/wire'
import { ChannelError } from '../errors.js'
import type { ChannelHandlers, ChannelRequestOptions } from './channel-request.js'
import type { ChannelState } from './channel-state.js'
import { ExtendedStream } from './extended-stream.js'
import type { OnReply } from './replies.js'

/**
 * One channel of a connection.
 *
 * The bytes are SSH_MSG_CHANNEL_DATA; `end` is SSH_MSG_CHANNEL_EOF, and `close` SSH_MSG_CHANNEL_CLOSE. A close of the
 * peer without an end before it is legal: `onEnd` is called then too.
 */
export class Channel implements ByteChannel {
  readonly #state: ChannelState
  readonly #extended = new Map<number, ExtendedStream>()

  /** Made by the mux. */
  constructor(state: ChannelState) {
    this.#state = state
  }

  /** Sealing a packet copies what is in it. */
  get copiesChunks(): boolean {
    return true
  }

  /** Whether the peer's window is what limits how fast data leaves. */
  get isWindowLimited(): boolean {
    return this.#state.isWindowLimited
  }

  get channelType(): string {
    return this.#state.channelType
  }

  /** Our number of the channel. */
  get localId(): number {
    return this.#state.localId
  }

  /** The peer's number of the channel. */
  get remoteId(): number {
    return this.#state.remoteId
  }

  /** Whether the channel is over: nothing can be sent, and nothing more arrives. */
  get isClosed(): boolean {
    return this.#state.isOver
  }

  /** Bytes written to any stream of the channel and not sent yet. */
  get bufferedBytes(): number {
    return this.#state.bufferedBytes
  }

  /** Bytes of the largest packet that {@link writePacket} can send: what the peer takes in one message. */
  get largestPacket(): number {
    return this.#state.largestSent
  }

  /** Bytes that the peer may have on their way or that consumers hold; grows on long links. 0 once it is closed. */
  get receiveWindowSize(): number {
    return this.#state.receiveWindowSize
  }

  /** Names who is told of requests and of the close. @throws ChannelError `ERR_SSH_CHANNEL_ATTACHED` when somebody is already */
  handle(handlers: ChannelHandlers): void {
    if (this.#state.handlers !== undefined) {
      throw new ChannelError('ERR_SSH_CHANNEL_ATTACHED', 'This channel has an owner already; it can have one only')
    }
    this.#state.handlers = handlers
  }

  attach(handlers: ByteHandlers): void {
    this.#state.input.attach(handlers)
  }

  release(byteCount: number): void {
    this.#state.input.release(byteCount)
  }

  write(chunk: Uint8Array): boolean {
    return this.#state.write(undefined, chunk)
  }

  /**
   * Sends a packet whose borders count, as on channels of type tun@openssh.com: as the data of one message, which is
   * neither split nor joined with other data, once the peer's window takes all of it.
   * @returns as `write` does
   * @throws RangeError when it is larger than {@link largestPacket}
   */
  writePacket(packet: Uint8Array): boolean {
    return this.#state.writePacket(packet)
  }

  end(): void {
    this.#state.end()
  }

  close(): void {
    this.#state.close()
  }

  abort(error?: Error): void {
    this.#state.abort(error)
  }

  /**
   * The stream of one extended data type (RFC 4254 §5.2): 1 is standard error.
   *
   * From the first call on, data of that type is kept for `attach`, within the channel's one window; so a stream that
   * is asked for and never read stops the channel. `attach({})` discards it. Types that nobody asked for are discarded.
   *
   * What is written keeps its place among the data of the other streams. `close` and `abort` end this stream only.
   *
   * @param options.discard only write: what arrives is discarded, attached or not. Counts at the first call
   */
  extendedData(dataType: number, options: { readonly discard?: boolean } = {}): ByteChannel {
    const known = this.#extended.get(dataType)
    if (known !== undefined) return known
    const stream = new ExtendedStream(this.#state, dataType, options.discard === true)
    this.#extended.set(dataType, stream)
    return stream
  }

  /**
   * Sends a request.
   * @param requestType its name
   * @param data its type-specific part: `channelRequests.encode` of `@ssh/wire`
   * @param onReply called once with what became of it; absent, no reply is wanted
   */
  request(requestType: string, data: Uint8Array, options: ChannelRequestOptions = {}, onReply?: OnReply): void {
    this.#state.request(requestType, data, options, onReply)
  }
}
