/** A forwarded connection whose other end is a function of this process. */

import { type Duplex, finished } from 'node:stream'
import { toDuplex } from '@ssh/streams'
import type { Channel } from './connection/channel.js'

/**
 * Is the other end of one connection; may be async. What it throws or rejects with resets the connection. When it is done
 * and has ended its direction, what the other side still sends is discarded unless somebody reads it: a program over there
 * that waits for its own end to be noticed is not kept waiting.
 */
export type StreamHandler<I> = (stream: Duplex, info: I) => unknown

/**
 * Hands a channel that was just accepted to `handler`.
 * @param onError is told what it threw
 * @returns settles when the channel is closed, whatever becomes of the handler; never rejects
 */
export function handOver<I>(
  channel: Channel,
  handler: StreamHandler<I>,
  info: I,
  onError: (error: unknown) => void,
): Promise<void> {
  const closed = new Promise<void>((resolve) => channel.handle({ onClose: () => resolve() }))
  const stream = toDuplex(channel)
  const work = new Promise((resolve) => resolve(handler(stream, info)))
  work.then(
    () => finished(stream, { readable: false }, () => discardUnread(stream)),
    (error: unknown) => {
      stream.destroy(error instanceof Error ? error : new Error(String(error)))
      onError(error)
    },
  )
  return closed
}

function discardUnread(stream: Duplex): void {
  if (stream.readableFlowing === null && stream.listenerCount('readable') === 0) stream.resume()
}
