/** A session's three streams. */

import type { Readable, Writable } from 'node:stream'
import type { ByteChannel, ByteSource } from '@ssh/wire'
import { ByteReadable, type ReadableOptions } from './readable.js'
import { ByteWritable } from './writable.js'

/** The streams of a program, seen from outside it. */
export interface Stdio {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
}

/**
 * Splits a session into the program's standard streams. Each is a pipe of its own: ending or destroying one leaves the
 * others and the channel as they are, though SSH has one window for both outputs, so a reader of one must also read or
 * destroy the other.
 *
 * @param channel standard input and output
 * @param stderr the extended data of the same channel (RFC 4254 §5.2)
 * @throws Error when a consumer is attached to either already
 */
export function toStdio(channel: ByteChannel, stderr: ByteSource, options: ReadableOptions = {}): Stdio {
  const input = new ByteWritable(channel, options)
  const output = new ByteReadable(channel, options)
  const errors = new ByteReadable(stderr, options)
  channel.attach({
    ...output.handlers,
    ...input.handlers,
    onClose: (error) => {
      input.handlers.onClose(error)
      output.handlers.onClose(error)
    },
  })
  stderr.attach(errors.handlers)
  return { stdin: input, stdout: output, stderr: errors }
}
