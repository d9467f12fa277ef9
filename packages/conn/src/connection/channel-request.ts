/** Requests about one channel (RFC 4254 §5.4), and who is told of them. */

/** A request of the peer about one channel (RFC 4254 §5.4). */
export interface ChannelRequest {
  readonly requestType: string
  /** Layout by type: `channelRequests` of `@ssh/wire`. A view. */
  readonly data: Uint8Array
  readonly wantReply: boolean
  /**
   * Answers it, now or later; replies leave in the order of the requests whichever is answered first. Without
   * `wantReply` nothing is sent. Must be called for every request, or the replies behind it wait for ever.
   */
  reply(success: boolean): void
}

/** What the owner of a channel is told, beside its bytes. */
export interface ChannelHandlers {
  /**
   * A request; absent, every request is refused. Called synchronously, before anything behind the request is read.
   * `keepalive@openssh.com` is answered without asking.
   */
  onRequest?(request: ChannelRequest): void
  /** The channel is over, with an error if that was not a normal end. Called once. */
  onClose?(error?: Error): void
}

export interface ChannelRequestOptions {
  /** Send it behind the data that was written before, as `exit-status` needs; default false: at once. */
  readonly afterData?: boolean
}
