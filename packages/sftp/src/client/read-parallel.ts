/** Reading a part of a file in whatever order its blocks arrive. */

import { throwIfAborted } from './abort.js'
import { type OpenHandle, readFully } from './operations.js'
import type { ReadAheadOptions } from './read-ahead.js'
import { joinBlock } from './reply-kinds.js'

/** Bytes of a file and where they start. */
export interface SftpPart {
  readonly position: number
  readonly data: Buffer
}

/**
 * Blocks as they arrive. As many are asked for as the bytes in flight allow, and none while the consumer has some that
 * it has not taken. A block that ends the file early is the last but for those that were asked for already.
 */
export async function* readParallel(file: OpenHandle, options: ReadAheadOptions): AsyncGenerator<SftpPart> {
  const { start, blockSize, maxRequests, signal } = options
  const { budget } = file.session
  let { end } = options
  let position = start
  let inFlight = 0
  const arrived: SftpPart[] = []
  let failure: { readonly error: unknown } | undefined
  let wake = (): void => {}
  const read = async (from: number, length: number): Promise<void> => {
    try {
      const block = await readFully(file, from, length, signal)
      if (block.length < length) end = Math.min(end, from + block.length)
      if (block.length > 0) arrived.push({ position: from, data: joinBlock(block) })
      budget.observeBytes(block.length, performance.now())
    } catch (error) {
      failure ??= { error }
    } finally {
      budget.release(length)
      inFlight--
      wake()
    }
  }
  for (;;) {
    while (failure === undefined && arrived.length === 0 && position < end && inFlight < maxRequests) {
      const length = Math.min(blockSize, end - position)
      if (inFlight === 0) await budget.acquire(length, signal)
      else if (!budget.tryAcquire(length)) break
      inFlight++
      read(position, length)
      position += length
    }
    if (failure !== undefined) throw failure.error
    throwIfAborted(signal)
    const part = arrived.shift()
    if (part !== undefined) yield part
    else if (inFlight === 0) return
    else {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
}
