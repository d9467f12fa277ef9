/** What may arrive for a channel number, and when: RFC 4254 §5, as one table. */

import type { ConnectionMessage } from '@ssh/wire'

/** Messages that name a channel of ours. */
export type ChannelMessage = Extract<ConnectionMessage, { recipientChannel: number }>

/**
 * Where a channel number is in its life. It is free again only after `closing`.
 * - `opening`: we asked, the peer has not answered; `abandoned`: nobody here wants the answer any more
 * - `accepting`: the peer asked, the application has not answered; the peer does not know the number yet
 * - `open`: both directions may carry messages; `closing`: we sent SSH_MSG_CHANNEL_CLOSE, the peer did not yet
 */
export type ChannelPhase = 'opening' | 'abandoned' | 'accepting' | 'open' | 'closing'

type Verdicts = Partial<Record<ChannelMessage['type'], 'take' | 'ignore'>>

const whileOpening: Verdicts = { channelOpenConfirmation: 'take', channelOpenFailure: 'take' }

/** What to do with a message about a channel. A missing entry is a protocol error. */
export const channelVerdicts: Readonly<Record<ChannelPhase, Verdicts>> = {
  opening: whileOpening,
  abandoned: whileOpening,
  accepting: {},
  open: {
    channelWindowAdjust: 'take',
    channelData: 'take',
    channelExtendedData: 'take',
    channelEof: 'take',
    channelClose: 'take',
    channelRequest: 'take',
    channelSuccess: 'take',
    channelFailure: 'take',
  },
  // The peer may not have seen our close yet, so it may still send anything. Replies still say what became of a request.
  closing: {
    channelWindowAdjust: 'ignore',
    channelData: 'ignore',
    channelExtendedData: 'ignore',
    channelEof: 'ignore',
    channelClose: 'take',
    channelRequest: 'ignore',
    channelSuccess: 'take',
    channelFailure: 'take',
  },
}
