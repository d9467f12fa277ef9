/** One stream into another, with an end that can be told apart: done, failed here, failed there, or called off. */

import { finished, type Readable, type Writable } from 'node:stream'
import { ignoreError } from '@ssh/streams'

export interface PumpOptions {
  /** End the target after the source; destroy it when the source fails. Default true. */
  readonly endTarget?: boolean
  /** Destroy the source when the target fails or closes. Default true. */
  readonly destroySource?: boolean
}

export interface Pump {
  /**
   * Settles when all of the source is in the target, or when either failed. `ERR_STREAM_PREMATURE_CLOSE` says that one
   * was closed before its end. A rejection nobody handles is not reported as one.
   */
  readonly done: Promise<void>
  /** Parts the two; neither is ended and `done` resolves. */
  stop(): void
}

/** Copies `source` to `target` and holds back-pressure, as `stream.pipeline` does, but leaves alone what it is told to. */
export function pump(source: Readable, target: Writable, options: PumpOptions = {}): Pump {
  const { endTarget = true, destroySource = true } = options
  let stop = () => {}
  const done = new Promise<void>((resolve, reject) => {
    const part = (error?: Error | null) => {
      source.unpipe(target)
      forgetSource()
      forgetTarget()
      if (error) reject(error)
      else resolve()
    }
    const forgetSource = finished(source, { writable: false }, (error) => {
      if (error && endTarget) destroyQuietly(target, error)
      if (error || !endTarget) part(error)
    })
    const forgetTarget = finished(target, { readable: false }, (error) => {
      if (destroySource && !source.readableEnded) destroyQuietly(source)
      part(error)
    })
    stop = part
    source.pipe(target, { end: endTarget })
  })
  done.catch(ignoreError)
  return { done, stop }
}

/** Whether the error only says that a stream was closed before its end. */
export function isPrematureClose(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE'
}

/** The error is reported by the pump; the stream's own event for it has no listener to find. */
function destroyQuietly(stream: Readable | Writable, error?: Error): void {
  stream.on('error', ignoreError)
  stream.destroy(error)
}
