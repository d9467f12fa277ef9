/** A session's three streams. */

import type { Readable, Writable } from 'node:stream'
import type { ByteChannel, ByteSource } from '@ssh/wire'
import { mergeSources } from './merge.js'
import { ByteReadable, type ReadableOptions } from './readable.js'
import { ByteWritable } from './writable.js'

/** The streams of a program, seen from outside it. */
export interface Stdio {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
}

export interface StdioOptions extends ReadableOptions {
  /** Standard error comes through `stdout`, in the order of arrival, and `stderr` is empty. Default false. */
  readonly mergeErrors?: boolean
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
export function toStdio(channel: ByteChannel, stderr: ByteSource, options: StdioOptions = {}): Stdio {
  const stdin = new ByteWritable(channel, options)
  const output: ByteSource = {
    attach: (handlers) =>
      channel.attach({
        ...handlers,
        ...stdin.handlers,
        onClose(error) {
          stdin.handlers.onClose(error)
          handlers.onClose?.(error)
        },
      }),
    release: (byteCount) => channel.release(byteCount),
  }
  if (options.mergeErrors === true) {
    return { stdin, stdout: attached(mergeSources(output, stderr), options), stderr: attached(nothing, options) }
  }
  return { stdin, stdout: attached(output, options), stderr: attached(stderr, options) }
}

function attached(source: ByteSource, options: ReadableOptions): Readable {
  const readable = new ByteReadable(source, options)
  source.attach(readable.handlers)
  return readable
}

const nothing: ByteSource = {
  attach: (handlers) => handlers.onClose?.(),
  release() {},
}
