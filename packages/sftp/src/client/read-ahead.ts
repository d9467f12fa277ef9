/** Reading a remote file from one place to another, in order, with many READs in flight. */

import { type OpenHandle, readFully } from './operations.js'
import type { Block } from './reply-kinds.js'

export interface ReadAheadOptions {
  /** First byte. */
  readonly start: number
  /** Where to stop; the end of the file comes first if the file is shorter. */
  readonly end: number
  readonly blockSize: number
  readonly maxRequests: number
  readonly signal: AbortSignal | undefined
}

interface Read {
  readonly length: number
  readonly block: Promise<Block>
}

/**
 * Blocks in order. The first two are asked for at once, and twice as many each time one arrives whole, so a small file
 * costs two requests and a large one fills the link. What has arrived and waits for the consumer is bounded too, but
 * takes nothing from other files: a consumer that pauses stops only its own file.
 */
export async function* readAhead(file: OpenHandle, options: ReadAheadOptions): AsyncGenerator<Block> {
  const { end, blockSize, maxRequests, signal } = options
  const { budget } = file.session
  const reads: Read[] = []
  let position = options.start
  let depth = Math.min(2, maxRequests)
  while (position < end || reads.length > 0) {
    while (position < end && reads.length < depth) {
      const length = Math.min(blockSize, end - position)
      if (reads.length === 0) await budget.acquire(length, signal)
      else if ((reads.length + 1) * blockSize > budget.limit || !budget.tryAcquire(length)) break
      reads.push({ length, block: readWithin(file, position, length, signal) })
      position += length
    }
    const read = reads.shift()
    if (read === undefined) return
    const block = await read.block
    if (block.length > 0) yield block
    if (block.length < read.length) return
    depth = Math.min(depth * 2, maxRequests)
  }
}

/** One read that was let in by the budget. */
function readWithin(
  file: OpenHandle,
  position: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Block> {
  const { budget } = file.session
  const block = readFully(file, position, length, signal).finally(() => budget.release(length))
  // Whoever takes the block hears of a failure; a block nobody takes any more must not end the process.
  block.then(
    ({ length }) => budget.observeBytes(length, performance.now()),
    () => {},
  )
  return block
}
