/** What one peer may make a connection hold, and the sizes it offers. */

const KiB = 1024
const MiB = 1024 * KiB

/** Bounds of one connection's channels. Sizes are bytes. */
export interface MuxLimits {
  /** Channels of both directions together, pending ones included; default 1000. */
  readonly channels: number
  /** Channels that the peer may have open at once, by channel type; types that are not listed share `channels`. */
  readonly channelsByType: ReadonlyMap<string, number>
  /** Receive window of a new channel; default 2 MiB, as OpenSSH. Smaller once many channels share the budget. */
  readonly initialWindowSize: number
  /** What a receive window may grow to on a long link; default 32 MiB. */
  readonly maximumWindowSize: number
  /** Receive windows of all channels together; default 256 MiB. Bounds what the peer can make us buffer. */
  readonly windowBudget: number
  /**
   * Largest data message we offer to receive, and the largest we send whatever the peer offers; default 255 KiB.
   *
   * OpenSSH drops packets over 256 KiB, so this is the most that fits one with its header and padding. Sealing is
   * about twice as fast per byte at this size as at the customary 32 KiB; a peer that prefers 32 KiB still gets it.
   */
  readonly maximumPacketSize: number
  /** Bytes a channel holds for its writer before `write` returns false; default 512 KiB. */
  readonly writeBufferSize: number
  /** Requests of the peer that may wait for our answer, per channel and for the connection; default 1024. */
  readonly unansweredRequests: number
}

/** The limits where nothing else is said. */
export const defaultMuxLimits: MuxLimits = {
  channels: 1000,
  channelsByType: new Map(),
  initialWindowSize: 2 * MiB,
  maximumWindowSize: 32 * MiB,
  windowBudget: 256 * MiB,
  maximumPacketSize: 255 * KiB,
  writeBufferSize: 512 * KiB,
  unansweredRequests: 1024,
}

/** Sizes of one channel where they differ from the connection's limits. */
export type ChannelOptions = Partial<Pick<MuxLimits, 'initialWindowSize' | 'maximumWindowSize' | 'maximumPacketSize'>>
