/** ByteSource → async iterator: the pull form, without Node's streams in between. */

import type { ByteSource } from '@ssh/wire'
import { Intake } from './intake.js'

/**
 * Iterates over the chunks of `source`, giving each back to the sender when it is handed out. Leaving the loop discards
 * what still comes. Throws the channel's error if it breaks.
 *
 * @throws Error when a consumer is attached to the source already
 */
export function iterate(source: ByteSource): AsyncGenerator<Uint8Array, void, void> {
  let arrived: Uint8Array | undefined
  let failure: Error | undefined
  let isOver = false
  let wake = () => {}
  const intake = new Intake(source, {
    push: (chunk) => {
      arrived = chunk
      wake()
      return false
    },
    end: () => {
      isOver = true
      wake()
    },
    fail: (error) => {
      isOver = true
      failure = error
      wake()
    },
  })
  // Attached now, not at the first step: a source has one consumer, and the second must hear of it at once.
  source.attach(intake.handlers)

  async function* chunks(): AsyncGenerator<Uint8Array, void, void> {
    try {
      while (true) {
        if (!isOver) intake.pull()
        if (arrived === undefined && !isOver) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
        const chunk = arrived
        arrived = undefined
        if (chunk !== undefined) yield chunk
        else if (failure !== undefined) throw failure
        else return
      }
    } finally {
      intake.discard()
    }
  }
  return chunks()
}
