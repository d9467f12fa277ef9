/** Where a sparse file has data: what `ranges@asyncssh.com` answers (AsyncSSH 2.22, sftp.py). */

import { boolean, list, struct } from '@ssh/wire'
import { uint53 } from './attrs.js'

const dataRange = struct('data range', { offset: uint53, length: uint53 })

/** A stretch of a file that may hold something else than zeros: where it starts, and how many bytes it has. */
export type DataRange = ReturnType<typeof dataRange.decode>

/** Where a stretch of a file has data. */
export interface DataPlaces {
  /** In order, each behind the one before, none empty. */
  readonly ranges: readonly DataRange[]
  /** Whether there is no more data in the stretch. */
  readonly atEnd: boolean
}

/**
 * Ranges in order, and whether there are no more of them; if there are, they are asked for from the end of the last one
 * on. Where there is no data at all the server answers SSH_FX_EOF.
 */
export const rangesReply = struct('ranges reply', { ranges: list(dataRange, 16), atEnd: boolean })

/** Ranges in one reply at most, as AsyncSSH has it. */
export const maximumRanges = 128

/** Files below are copied whole: their holes save less than it costs to ask for them. */
export const leastSparseSize = 64 * 1024
