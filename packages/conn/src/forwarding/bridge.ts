/** A tunnel from its first moment: one end is there, the other one is still to be opened. */

import type { ByteChannel } from '@ssh/wire'
import { HeldStream } from './held-stream.js'
import { pipe } from './pipe.js'

/**
 * Opens the far end for a stream that was accepted, and joins the two as {@link pipe} does.
 *
 * A stream that closes meanwhile takes the far end with it: the opening is given up, and what opens all the same is
 * closed. A far end that cannot be opened takes the stream with it.
 *
 * @param near nobody has attached to it, unless it is a {@link HeldStream}
 * @param open makes the far end; its signal aborts when `near` is closed
 * @param ended takes `near` with it when it aborts before there is a far end, which has an end of its own
 * @returns resolves when both are closed, and when `near` was closed before there was a far end
 * @throws Error what `open` rejects with, or the first error of either end
 */
export async function bridge(
  near: ByteChannel,
  open: (signal: AbortSignal) => ByteChannel | Promise<ByteChannel>,
  ended?: AbortSignal,
): Promise<void> {
  const held = near instanceof HeldStream ? near : new HeldStream(near)
  const giveUp = () => held.abort()
  ended?.addEventListener('abort', giveUp, { once: true })
  if (ended?.aborted) giveUp()
  let far: ByteChannel
  try {
    far = await open(held.gone)
  } catch (error) {
    const wasGone = held.gone.aborted
    // Not aborted: what was written to it may say why.
    held.close()
    if (wasGone) return
    throw error
  } finally {
    ended?.removeEventListener('abort', giveUp)
  }
  await pipe(held, far)
}
