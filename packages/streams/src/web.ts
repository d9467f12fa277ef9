/** ByteChannel → web streams. */

import { ReadableStream, WritableStream } from 'node:stream/web'
import type { ByteChannel, ByteSource } from '@ssh/wire'
import { Intake } from './intake.js'
import { Outlet } from './outlet.js'
import { defaultHighWaterMark, type ReadableOptions } from './readable.js'

/** Both directions of a channel as web streams, as `TransformStream` and `WebSocketStream` name them. */
export interface WebStreams {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

/**
 * Web streams over `channel`. Closing `writable` ends that direction; cancelling `readable` discards what still comes;
 * aborting `writable` closes the channel at once. A channel error errors both.
 *
 * @throws Error when a consumer is attached to the channel already
 */
export function toWebStreams(channel: ByteChannel, options: ReadableOptions = {}): WebStreams {
  let openDirections = 2
  const onDirectionOver = () => {
    openDirections -= 1
    if (openDirections === 0) channel.close()
  }
  const { intake, readable } = receiving(channel, options, onDirectionOver)
  const outlet = new Outlet(channel)
  let controller: WritableStreamDefaultController | undefined
  const writable = new WritableStream<Uint8Array>(
    {
      start(started) {
        controller = started
      },
      write: (chunk) =>
        new Promise((resolve, reject) => {
          outlet.write([chunk], (error) => (error === undefined ? resolve() : reject(error)))
        }),
      close() {
        outlet.end()
        onDirectionOver()
      },
      abort: (reason) => channel.abort(reason instanceof Error ? reason : undefined),
    },
    byteLengthStrategy(options),
  )
  channel.attach({
    ...intake.handlers,
    onDrain: () => outlet.drained(),
    onClose: (error) => {
      const lost = outlet.closed(error)
      if (lost !== undefined) controller?.error(lost)
      intake.handlers.onClose(error)
    },
  })
  return { readable, writable }
}

/**
 * A web stream over one direction; cancelling it discards what still comes.
 * @throws Error when a consumer is attached to the source already
 */
export function toReadableStream(source: ByteSource, options: ReadableOptions = {}): ReadableStream<Uint8Array> {
  const { intake, readable } = receiving(source, options)
  source.attach(intake.handlers)
  return readable
}

function receiving(source: ByteSource, options: ReadableOptions, onOver?: () => void) {
  let controller: ReadableStreamDefaultController<Uint8Array>
  const intake = new Intake(source, {
    push: (chunk) => {
      controller.enqueue(chunk)
      return (controller.desiredSize ?? 0) > 0
    },
    end() {
      controller.close()
      onOver?.()
    },
    fail: (error) => controller.error(error),
  })
  // Not a byte stream: that would take over the buffer behind each chunk, which other chunks are views of as well.
  const readable = new ReadableStream<Uint8Array>(
    {
      start(started) {
        controller = started
      },
      pull: () => intake.pull(),
      cancel() {
        intake.discard()
        onOver?.()
      },
    },
    byteLengthStrategy(options),
  )
  return { intake, readable }
}

function byteLengthStrategy(options: ReadableOptions) {
  return {
    highWaterMark: options.highWaterMark ?? defaultHighWaterMark,
    size: (chunk: Uint8Array) => chunk.byteLength,
  }
}
