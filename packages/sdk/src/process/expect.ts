/** Waits for text in the output of a program, as one who sits in front of it would. */

import type { Readable } from 'node:stream'
import { abortSignal, duration, parseOptions, size, TimeoutError } from '@ssh/conn'
import { AbortError, SshError } from '@ssh/wire'
import { z } from 'zod'
import { Deadline } from './deadline.js'

export const expectOptionsSchema = z.strictObject({
  /** Limit for the wait. Default: none, as is 0. */
  timeout: duration.optional(),
  /** Characters of output that are searched and kept; what is further back is forgotten. Default 64 Ki. */
  maxLength: size.optional(),
  /** Gives up waiting. */
  signal: abortSignal.optional(),
})

export type ExpectOptions = z.input<typeof expectOptionsSchema>

/** Text that was waited for. */
export interface Expected {
  /** What came before it, as far as it was kept. */
  readonly before: string
  /** The text itself. */
  readonly match: string
  /** Groups of a regular expression, from 1 on; empty for a string. */
  readonly groups: readonly (string | undefined)[]
}

/** The output ended, or broke off, before the text came. `cause` is the error that broke it off. */
export class ExpectError extends SshError {
  /** The output since the last match, as far as it was kept. */
  readonly output: string

  constructor(pattern: string | RegExp, output: string, cause?: unknown) {
    super('ERR_SSH_PROCESS_EXPECT_ENDED', `The output ended before ${describe(pattern)} came`, { cause })
    this.output = output
  }
}

const defaultMaxLength = 64 * 1024

/**
 * Reads the standard output of `source` up to and including the first match of `pattern`; what follows is left for the
 * next reader. When waiting is given up, what was read is put back. Nothing else may read the stream meanwhile.
 *
 * @param pattern text, or an expression, which is tried again on all that was kept whenever output comes
 * @throws ExpectError when the output ends first
 * @throws TimeoutError `ERR_SSH_PROCESS_EXPECT_TIMEOUT`
 * @throws AbortError when `signal` fires
 */
export async function expect(
  source: { readonly stdout: Readable },
  pattern: string | RegExp,
  options: ExpectOptions = {},
): Promise<Expected> {
  const { timeout, maxLength = defaultMaxLength, signal } = parseOptions('expect', expectOptionsSchema, options)
  const deadline = new Deadline(timeout, signal)
  const reader = new TextReader(source.stdout, maxLength)
  try {
    for (let match = reader.take(pattern); ; match = reader.take(pattern)) {
      if (match !== undefined) return match
      if (deadline.signal.aborted) {
        reader.putBack()
        if (!deadline.hasExpired) throw new AbortError(deadline.signal.reason)
        throw new TimeoutError(
          'ERR_SSH_PROCESS_EXPECT_TIMEOUT',
          `${describe(pattern)} did not come within ${timeout} ms`,
          {
            details: { timeoutMs: timeout },
          },
        )
      }
      if (reader.hasEnded) throw new ExpectError(pattern, reader.text, reader.error)
      await reader.more(deadline.signal)
    }
  } finally {
    deadline.clear()
  }
}

class TextReader {
  readonly #stream: Readable
  readonly #maxLength: number
  /** The first bytes of a character that has not come in full. */
  #partial = Buffer.alloc(0)
  /** What was read and not matched. */
  text = ''

  constructor(stream: Readable, maxLength: number) {
    this.#stream = stream
    this.#maxLength = maxLength
  }

  get hasEnded(): boolean {
    return this.#stream.readableEnded || this.#stream.destroyed
  }

  get error(): Error | undefined {
    return this.#stream.errored ?? undefined
  }

  /** Reads what is there and looks for the pattern; puts back what follows it. */
  take(pattern: string | RegExp): Expected | undefined {
    for (let chunk = this.#stream.read(); chunk !== null; chunk = this.#stream.read()) {
      const searchedTo = this.text.length
      this.text += typeof chunk === 'string' ? chunk : this.#decode(chunk)
      const match = find(this.text, pattern, searchedTo)
      if (match !== undefined) {
        const end = match.before.length + match.match.length
        this.text = this.text.slice(end)
        this.putBack()
        return match
      }
      if (this.text.length > this.#maxLength) this.text = this.text.slice(this.text.length - this.#maxLength)
    }
    return undefined
  }

  /** Gives the stream what was read and not matched, also the part of a last character. */
  putBack(): void {
    const bytes = Buffer.concat([Buffer.from(this.text), this.#partial])
    if (bytes.length > 0 && !this.hasEnded) {
      const encoding = this.#stream.readableEncoding
      this.#stream.unshift(encoding === null ? bytes : bytes.toString(), encoding ?? undefined)
    }
  }

  #decode(chunk: Buffer): string {
    const bytes = Buffer.concat([this.#partial, chunk])
    const length = completeLength(bytes)
    this.#partial = bytes.subarray(length)
    return bytes.toString('utf8', 0, length)
  }

  /** Resolves when there may be more to read, or nothing will come, or `signal` fires. */
  more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const stream = this.#stream
      const events = ['readable', 'end', 'close', 'error']
      const done = () => {
        for (const event of events) stream.off(event, done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      for (const event of events) stream.on(event, done)
      signal.addEventListener('abort', done, { once: true })
    })
  }
}

/** Bytes up to a last UTF-8 character that is cut off. */
function completeLength(bytes: Buffer): number {
  for (let back = 1; back <= 3; back++) {
    const byte = bytes[bytes.length - back] ?? 0
    const isContinuation = byte >= 0x80 && byte < 0xc0
    if (isContinuation) continue
    const characterLength = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return characterLength > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

/** @param searchedTo characters in which a text was looked for already */
function find(text: string, pattern: string | RegExp, searchedTo: number): Expected | undefined {
  if (typeof pattern === 'string') {
    const index = text.indexOf(pattern, Math.max(0, searchedTo - pattern.length))
    return index === -1 ? undefined : { before: text.slice(0, index), match: pattern, groups: [] }
  }
  // A global or sticky expression would start where its last match ended.
  const found = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec(text)
  if (found === null) return undefined
  const [match, ...groups] = found
  return { before: text.slice(0, found.index), match, groups }
}

function describe(pattern: string | RegExp): string {
  return typeof pattern === 'string' ? JSON.stringify(pattern) : String(pattern)
}
