/** Where copying goes on in a file that an earlier transfer left. */

import { firstPossibleHole, type SourceFile } from '../file-tree.js'
import { type ContentOptions, firstDifference } from './content.js'

/** Bytes in front of the stretch that may have holes, which must be the source's: else the file is another one. */
const identityLength = 64 * 1024

/** A file that is there already. */
export interface Existing {
  readonly file: SourceFile
  readonly size: number
  /** How far behind a hole writes to it may have reached. */
  readonly maximumSpread: number
  /** Whether a stretch of it is the source's by its hash; false also when that cannot be told. */
  hasSame?(start: number, end: number): Promise<boolean>
}

/**
 * How many bytes from the start of `existing` can be kept.
 *
 * Whatever wrote it may have been killed with its last blocks written in any order. So all of the stretch that they can
 * lie in is compared, with a piece in front of it that must be there; a difference in that piece says that the file is
 * not the beginning of the source. Nothing is trusted to be a hole because it is empty, or to be data because it is not.
 */
export async function resumePosition(source: SourceFile, existing: Existing, options: ContentOptions): Promise<number> {
  const { file, size, maximumSpread } = existing
  if (size === 0 || (source.size !== undefined && size > source.size)) return 0
  const doubtful = firstPossibleHole(size, maximumSpread)
  const start = Math.max(0, doubtful - identityLength)
  if (await existing.hasSame?.(start, size)) return size
  const difference = await firstDifference(source, file, { start, end: size }, options)
  if (difference === undefined) return size
  return difference < doubtful ? 0 : difference
}
