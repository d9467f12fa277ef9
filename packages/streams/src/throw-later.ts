/** Keeps a listener's exception away from the connection. */

/**
 * Throws `error` where nobody of ours is on the stack. A Readable calls `data` listeners, and a Writable its
 * callbacks, within the delivery of a packet; what they throw is an uncaught exception of the program, as with a
 * socket, and must not look like a fault of the connection, which others share.
 */
export function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
