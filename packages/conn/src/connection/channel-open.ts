/** What is said about a channel before it is open: RFC 4254 §5.1. */

import type { Channel } from './channel.js'
import type { ChannelOptions } from './limits.js'

/** A channel that the peer wants. Holds its number until one of `accept` and `reject` is called, now or later. */
export interface ChannelOpenRequest {
  readonly channelType: string
  /** Layout by type: `channelTypes` of `@ssh/wire`. A view. */
  readonly typeData: Uint8Array
  /** False once it was answered or the connection ended. */
  readonly isPending: boolean
  /**
   * Opens the channel. Before anything else arrives for it, and so before returning to the caller of
   * `onChannelOpen` or in the same turn, name its owner with `handle` and ask for its extended streams.
   * @param confirmationData type-specific part of the confirmation, empty for every known type
   * @throws ChannelError `ERR_SSH_CHANNEL_CLOSED` when it is not pending
   */
  accept(options?: ChannelOptions, confirmationData?: Uint8Array): Channel
  /** Refuses it; does nothing when it is not pending. @param reasonCode one of `openFailureReasons` */
  reject(reasonCode: number, description: string): void
}

/** What became of a channel we asked for. Exactly one is called, unless the opening was cancelled. */
export interface ChannelOpenHandlers {
  /** Name the channel's owner with `handle` and ask for its extended streams before returning. */
  onOpen(channel: Channel, confirmationData: Uint8Array): void
  /** A `ChannelOpenError` if the peer refused, otherwise the error that ended the connection. */
  onFailure(error: Error): void
}

/** A channel we asked for. */
export interface ChannelOpening {
  /**
   * The channel is not wanted any more: no handler is called, and if the peer confirms, it is closed at once.
   * Does nothing once a handler was called.
   */
  cancel(): void
}

/** Whoever can open channels: a mux, or a connection that has one. */
export interface ChannelOpener {
  /**
   * Asks the peer for a channel.
   * @param typeData its type-specific part: `channelTypes.encode` of `@ssh/wire`
   * @throws ChannelOpenError when this connection has all the channels it may have
   * @throws Error the error that ended the connection, if it is over
   */
  openChannel(
    channelType: string,
    typeData: Uint8Array,
    options: ChannelOptions,
    handlers: ChannelOpenHandlers,
  ): ChannelOpening
}
