/** What a channel needs of its connection. */

import type { ChannelState } from './channel-state.js'
import { ReceiveWindow, type WindowBudget } from './flow-window.js'
import type { ChannelOptions, MuxLimits } from './limits.js'
import type { RoundTrip } from './round-trip.js'

/** What the channels of one connection share. */
export interface ChannelContext {
  readonly limits: MuxLimits
  readonly budget: WindowBudget
  readonly roundTrip: RoundTrip
  readonly clock: () => number
  /** Sends a message that waits for no data. */
  send(payload: Uint8Array): void
  /** The channel has something to pull. */
  ready(channel: ChannelState): void
  /** Both sides closed: the number is free. */
  forget(channel: ChannelState): void
}

/** Our end of a channel that is about to be: its number is taken, its window is reserved. */
export interface LocalEnd {
  readonly channel: number
  readonly window: ReceiveWindow
  readonly maximumPacketSize: number
}

/** Reserves what a new channel takes. */
export function localEnd(context: ChannelContext, channel: number, options: ChannelOptions): LocalEnd {
  const sizes = { ...context.limits, ...options }
  return {
    channel,
    maximumPacketSize: sizes.maximumPacketSize,
    window: new ReceiveWindow({
      initialSize: sizes.initialWindowSize,
      maximumSize: sizes.maximumWindowSize,
      budget: context.budget,
      roundTrip: context.roundTrip,
      clock: context.clock,
    }),
  }
}
