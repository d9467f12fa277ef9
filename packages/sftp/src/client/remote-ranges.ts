/** Where a file of the server has data, if it says so (`ranges@asyncssh.com`). */

import { concatBytes } from '@ssh/wire'
import { protocolError, SftpError } from '../errors.js'
import { type DataRange, leastSparseSize, rangesReply } from '../protocol/data-ranges.js'
import { replies } from '../protocol/packets.js'
import type { OpenHandle } from './operations.js'
import type { ReplyKind } from './reply-kinds.js'

type RangesReply = ReturnType<typeof rangesReply.decode>

/** Whether it is worth asking the server of a file. */
export function mayTellRanges({ session }: OpenHandle, start: number, size: number): boolean {
  return size >= leastSparseSize && start < size && session.supports('ranges@asyncssh.com')
}

/**
 * The ranges from `start` to `size` that may hold something else than zeros. The next ones are asked for while the first
 * are used. A server that refuses is taken to have data everywhere.
 *
 * @returns undefined when the file has no holes
 * @throws SftpError `ERR_SFTP_PROTOCOL` for ranges out of order or out of bounds, AbortError
 */
export async function remoteRanges(
  file: OpenHandle,
  start: number,
  size: number,
  signal: AbortSignal | undefined,
): Promise<AsyncGenerator<DataRange> | undefined> {
  const first = await askRanges(file, start, size, signal)
  const [range, ...others] = first.ranges
  const isDense = range !== undefined && others.length === 0 && range.offset === start && range.length === size - start
  return isDense ? undefined : allRanges(file, first, size, signal)
}

async function* allRanges(
  file: OpenHandle,
  first: RangesReply,
  size: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<DataRange> {
  let reply = first
  for (;;) {
    const last = reply.ranges.at(-1)
    if (last === undefined) return
    const end = last.offset + last.length
    const next = reply.atEnd || end >= size ? undefined : askRanges(file, end, size, signal)
    // Nobody may be left to ask for it.
    next?.catch(() => {})
    yield* reply.ranges
    if (next === undefined) return
    reply = await next
  }
}

async function askRanges(
  file: OpenHandle,
  offset: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<RangesReply> {
  const { session, handle, path } = file
  const length = end - offset
  try {
    return await session.extended(
      expectRanges(offset, end),
      'ranges@asyncssh.com',
      { handle, offset, length },
      { operation: 'ranges', path, offset, signal },
    )
  } catch (error) {
    const isRefused = error instanceof SftpError && error.status !== undefined
    if (!isRefused) throw error
    return { ranges: [{ offset, length }], atEnd: true }
  }
}

/** Ranges within what was asked for, each behind the one before; none at the end of the file. */
function expectRanges(start: number, end: number): ReplyKind<RangesReply> {
  return {
    number: replies.extendedReply.number,
    read(packet) {
      const reply = rangesReply.decode(replies.extendedReply.decode(concatBytes(packet)).payload)
      assertInOrder(reply, start, end)
      return reply
    },
    atEnd: { ranges: [], atEnd: true },
  }
}

/** Whoever believes ranges that go back, or nowhere, copies for ever. */
function assertInOrder({ ranges, atEnd }: RangesReply, start: number, end: number): void {
  if (ranges.length === 0 && !atEnd) throw protocolError('The server says that there is more data, but not where')
  let position = start
  for (const { offset, length } of ranges) {
    if (offset < position || length === 0 || length > end - offset) {
      throw protocolError(
        `The server says that there are ${length} bytes of data at ${offset}, expected some between ${position} and ${end}`,
      )
    }
    position = offset + length
  }
}
