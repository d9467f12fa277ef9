/** A stream of bytes or text, line by line. */

import { StringDecoder } from 'node:string_decoder'
import { StreamError } from './errors.js'

export interface LinesOptions {
  /** How bytes become text; characters split between chunks are put together. Default `'utf8'`. */
  readonly encoding?: BufferEncoding
  /** Characters a line may have before reading fails, since a peer need never end one. Default 16 Mi. */
  readonly maxLength?: number
}

const defaultMaxLength = 16 * 1024 * 1024

/**
 * Iterates over lines without their ending, which is `\n` or `\r\n`. A last line without ending counts; nothing after
 * the last ending does not. Leaving the loop destroys a Readable, as any `for await` over one does.
 *
 * @throws StreamError `ERR_SSH_STREAM_LINE_TOO_LONG`
 */
export async function* lines(
  input: AsyncIterable<Uint8Array | string>,
  options: LinesOptions = {},
): AsyncGenerator<string, void, void> {
  const { encoding = 'utf8', maxLength = defaultMaxLength } = options
  const decoder = new StringDecoder(encoding)
  let unfinished = ''
  for await (const chunk of input) {
    const text = typeof chunk === 'string' ? chunk : decoder.write(chunk)
    let start = 0
    for (let newline = text.indexOf('\n'); newline !== -1; newline = text.indexOf('\n', start)) {
      const line = unfinished + text.slice(start, newline)
      unfinished = ''
      start = newline + 1
      yield line.endsWith('\r') ? line.slice(0, -1) : line
    }
    // Only what is new is searched above, so a long line costs no more than its length.
    unfinished += start === 0 ? text : text.slice(start)
    if (unfinished.length > maxLength) throw lineTooLong(maxLength)
  }
  unfinished += decoder.end()
  if (unfinished !== '') yield unfinished
}

function lineTooLong(maxLength: number): StreamError {
  return new StreamError(
    'ERR_SSH_STREAM_LINE_TOO_LONG',
    `A line is longer than ${maxLength} characters; read the stream itself, or raise maxLength`,
    { details: { maxLength } },
  )
}
