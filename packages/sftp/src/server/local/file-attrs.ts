/** What the file system tells of a file, as attributes; and times the way it takes them. */

import type { BigIntStats, Stats } from 'node:fs'
import { attrFlags, type SftpAttrs } from '../../protocol/attrs.js'

/**
 * Attributes of a file.
 * @param stats as bigints for a client that has nanoseconds, which numbers cannot hold; then with all that is known
 * @param wanted a sum of `attrFlags`: what few can read is told only when asked for
 */
export function fileAttrs(stats: Stats | BigIntStats, wanted = 0): SftpAttrs {
  return isExact(stats) ? exactAttrs(stats, wanted) : plainAttrs(stats)
}

function isExact(stats: Stats | BigIntStats): stats is BigIntStats {
  return typeof stats.size === 'bigint'
}

function plainAttrs({ size, uid, gid, mode, atimeMs, mtimeMs }: Stats): SftpAttrs {
  return { size, uid, gid, permissions: mode, atime: wholeSeconds(atimeMs), mtime: wholeSeconds(mtimeMs) }
}

/** Whole seconds in 32 bits, as version 3 has them. */
function wholeSeconds(timeMs: number): number {
  return Math.min(Math.max(Math.floor(timeMs / 1000), 0), 0xffffffff)
}

const nanosecondsPerSecond = 1_000_000_000n

/** Bytes of a block as stat(2) counts them. */
const blockLength = 512n

function exactAttrs(stats: BigIntStats, wanted: number): SftpAttrs {
  const tellsBlocks = (wanted & attrFlags.allocationSize) !== 0 && process.platform !== 'win32'
  const [atime, atimeNs] = secondsAndRest(stats.atimeNs)
  const [mtime, mtimeNs] = secondsAndRest(stats.mtimeNs)
  const [ctime, ctimeNs] = secondsAndRest(stats.ctimeNs)
  const [createTime, createTimeNs] = secondsAndRest(stats.birthtimeNs)
  return {
    size: Number(stats.size),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    permissions: Number(stats.mode),
    atime,
    atimeNs,
    mtime,
    mtimeNs,
    ctime,
    ctimeNs,
    // A file system that does not know says 0.
    ...(stats.birthtimeNs > 0n && { createTime, createTimeNs }),
    linkCount: Number(stats.nlink),
    // lftp 4.9 has no place for it, and loses its way in what follows; Windows counts no blocks.
    ...(tellsBlocks && { allocationSize: Number(stats.blocks * blockLength) }),
  }
}

function secondsAndRest(timeNs: bigint): [seconds: number, nanoseconds: number] {
  const rest = ((timeNs % nanosecondsPerSecond) + nanosecondsPerSecond) % nanosecondsPerSecond
  return [Number((timeNs - rest) / nanosecondsPerSecond), Number(rest)]
}
