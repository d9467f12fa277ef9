/** Reading open files in order, and telling where two of them differ. */

import { createHash } from 'node:crypto'
import type { SourceBlock, SourceFile } from '../file-tree.js'
import type { InFlightBudget } from '../in-flight-budget.js'

export interface ContentOptions {
  readonly budget: InFlightBudget
  readonly signal: AbortSignal | undefined
}

/** A stretch of a file, up to before `end`. */
export interface Stretch {
  readonly start: number
  readonly end: number
}

/** Bytes read ahead of whoever looks at them. */
const readAheadLength = 4 * 1024 * 1024
const greatestBlock = 256 * 1024

/**
 * Where two files first differ within a stretch; undefined when they do not. One that ends while the other has more
 * differs there.
 */
export async function firstDifference(
  one: SourceFile,
  other: SourceFile,
  stretch: Stretch,
  options: ContentOptions,
): Promise<number | undefined> {
  const blockLength = Math.min(greatestBlock, one.maximumLength, other.maximumLength)
  const others = blocksOf(other, stretch, blockLength, options)
  let position = stretch.start
  try {
    for await (const block of blocksOf(one, stretch, blockLength, options)) {
      const { value = Buffer.alloc(0) } = await others.next()
      const same = equalLength(block, value)
      if (same < block.length || same < value.length) return position + same
      position += same
    }
    const { value } = await others.next()
    return value === undefined ? undefined : position
  } finally {
    await others.return(undefined)
  }
}

/**
 * Hashes of the blocks of a stretch, one behind the other. What lies behind the end of the file has none.
 * @param blockLength Infinity for one hash of all
 */
export async function hashesOf(
  file: SourceFile,
  stretch: Stretch,
  algorithm: string,
  blockLength: number,
  options: ContentOptions,
): Promise<Buffer> {
  const digests: Buffer[] = []
  const length = Math.min(greatestBlock, file.maximumLength, blockLength)
  let hash = createHash(algorithm)
  let hashed = 0
  for await (const block of blocksOf(file, stretch, length, options)) {
    let rest = block
    while (rest.length > 0) {
      const piece = rest.subarray(0, blockLength - hashed)
      hash.update(piece)
      hashed += piece.length
      rest = rest.subarray(piece.length)
      if (hashed < blockLength) continue
      digests.push(hash.digest())
      hash = createHash(algorithm)
      hashed = 0
    }
  }
  if (hashed > 0 || blockLength === Number.POSITIVE_INFINITY) digests.push(hash.digest())
  return Buffer.concat(digests)
}

/** Blocks in order, the last one shorter. Each is good until the next is asked for. */
async function* blocksOf(
  file: SourceFile,
  { start, end }: Stretch,
  blockLength: number,
  { budget, signal }: ContentOptions,
): AsyncGenerator<Buffer> {
  const read = async (position: number, length: number): Promise<SourceBlock> => {
    await budget.acquire(length, signal)
    try {
      return await file.read(position, length, 0, signal)
    } finally {
      // Not held until somebody looks: two files that are read side by side would wait for each other.
      budget.release(length)
    }
  }
  const pending: { readonly length: number; readonly block: Promise<SourceBlock> }[] = []
  const most = Math.max(1, Math.floor(readAheadLength / blockLength))
  let next = start
  for (;;) {
    while (pending.length < most && next < end) {
      const length = Math.min(blockLength, end - next)
      const block = read(next, length)
      // One that nobody waits for any more must not end the process.
      block.catch(() => {})
      pending.push({ length, block })
      next += length
    }
    const first = pending.shift()
    if (first === undefined) return
    const block = await first.block
    if (block.length > 0) yield bytesOf(block)
    block.release?.()
    if (block.length < first.length) return
  }
}

function bytesOf({ chunks, length }: SourceBlock): Buffer {
  const [only] = chunks
  if (only !== undefined && chunks.length === 1) return Buffer.from(only.buffer, only.byteOffset, only.byteLength)
  return Buffer.concat(chunks, length)
}

/** Bytes from the start that two blocks have in common. */
function equalLength(one: Buffer, other: Buffer): number {
  const length = Math.min(one.length, other.length)
  if (one.compare(other, 0, length, 0, length) === 0) return length
  let same = 0
  while (one[same] === other[same]) same++
  return same
}
