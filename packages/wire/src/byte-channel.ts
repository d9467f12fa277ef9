/**
 * The three interfaces on which the packages meet: a channel, a socket, a child process and a test pipe all look
 * like this, so SFTP, agents and forwarding never know what carries them. Types and contract text only.
 *
 * The contract:
 * - **One consumer.** `attach` is called once. What arrived before it is kept (the peer's window bounds it) and
 *   delivered, in order, during `attach`. Handlers are called synchronously and must not throw.
 * - **Credit.** Every byte handed to `onData` stays charged to the sender until `release` gives it back. A consumer
 *   that does not release stops its sender, and nobody else. A chunk is a view; it is the consumer's from then on.
 * - **Order.** `onData`* then at most one `onEnd`, then exactly one `onClose`; after `onClose` nothing is called.
 * - **Writing.** `write` takes the whole chunk, always; ownership goes with it, so the caller must not change it
 *   afterwards. `false` means the sink holds more than it wants: wait for `onDrain` before writing more. After the
 *   channel closed, `write` drops the chunk and returns false.
 * - **Ending.** `end` promises that nothing more will be written; what was written before is still sent. `close`
 *   sends what is buffered, then ends both directions. `abort` drops what is buffered. All may be called repeatedly.
 */

/** What a consumer is told. Every handler is optional; an absent `onData` releases what arrives. */
export interface ByteHandlers {
  /** Bytes arrived; give them back with {@link ByteSource.release} once used. */
  onData?(chunk: Uint8Array): void
  /** The peer will send no more bytes. The other direction stays open. */
  onEnd?(): void
  /** After `write` returned false: there is room again. */
  onDrain?(): void
  /** Both directions are over; with an error if that was not a normal end. */
  onClose?(error?: Error): void
}

/** The receiving direction. */
export interface ByteSource {
  /**
   * Starts delivery to the one consumer.
   * @throws Error when a consumer is attached already
   */
  attach(handlers: ByteHandlers): void
  /** `byteCount` bytes handed to `onData` are used up: the peer may send that many more. */
  release(byteCount: number): void
}

/** The sending direction. */
export interface ByteSink {
  /**
   * Whether chunks are copied on their way to the peer, so that their memory may be used again once the peer has
   * answered to what they hold. Absent: they may be handed on as they are, and must never be changed.
   */
  readonly copiesChunks?: boolean
  /**
   * Whether it is the peer's window that limits how fast bytes leave: it ran out lately with more to send, though the
   * peer used up what it had as soon as the way there and back allows. Another channel beside would then carry more.
   * Absent: not known.
   */
  readonly isWindowLimited?: boolean
  /**
   * Bytes written and not on their way yet. Where chunks are copied, the memory of bytes that are counted no more may be
   * used again at once. Absent: not known.
   */
  readonly bufferedBytes?: number
  /** Queues `chunk`; false asks the caller to wait for `onDrain`. */
  write(chunk: Uint8Array): boolean
  /** Nothing more will be written (SSH_MSG_CHANNEL_EOF, a half-closed socket, the end of a pipe). */
  end(): void
}

/** Both directions, with an end. */
export interface ByteChannel extends ByteSource, ByteSink {
  /** Sends what is buffered, then closes both directions. */
  close(): void
  /** Closes at once, dropping what is buffered; `onClose` gets the error. */
  abort(error?: Error): void
}
