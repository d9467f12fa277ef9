/** Two sources read as one, for instance standard output and standard error of a program. */

import { type ByteHandlers, type ByteSource, Fifo } from '@ssh/wire'

/**
 * Hands on what both sources bring, in the order in which it arrived. It ends when both have ended and closes when both
 * have closed, or at the first error. Credit goes back to the source whose bytes are released; readers release in the
 * order in which they were handed chunks.
 */
export function mergeSources(first: ByteSource, second: ByteSource): ByteSource {
  const owed = new Fifo<{ readonly source: ByteSource; byteLength: number }>()
  let open = 2
  let notClosed = 2
  let isClosed = false

  const handlersFor = (source: ByteSource, handlers: ByteHandlers): ByteHandlers => {
    let hasEnded = false
    const end = () => {
      if (hasEnded) return
      hasEnded = true
      open -= 1
      if (open === 0 && !isClosed) handlers.onEnd?.()
    }
    return {
      ...(handlers.onData && {
        onData(chunk: Uint8Array) {
          if (isClosed) return source.release(chunk.length)
          if (owed.last?.source === source) owed.last.byteLength += chunk.length
          else owed.push({ source, byteLength: chunk.length })
          handlers.onData?.(chunk)
        },
      }),
      onEnd: end,
      onClose(error) {
        notClosed -= 1
        if (error === undefined) end()
        if (isClosed || (error === undefined && notClosed > 0)) return
        isClosed = true
        handlers.onClose?.(error)
      },
    }
  }

  return {
    attach(handlers) {
      first.attach(handlersFor(first, handlers))
      second.attach(handlersFor(second, handlers))
    },
    release(byteCount) {
      let remaining = byteCount
      for (let oldest = owed.first; oldest !== undefined && remaining > 0; oldest = owed.first) {
        const released = Math.min(remaining, oldest.byteLength)
        remaining -= released
        oldest.byteLength -= released
        // Off the queue before the release, which may bring the next chunk at once.
        if (oldest.byteLength === 0) owed.shift()
        oldest.source.release(released)
      }
    },
  }
}
