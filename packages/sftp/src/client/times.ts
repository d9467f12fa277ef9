/** Times of files: version 3 has whole seconds since 1970 in 32 bits. */

import type { SftpAttrs } from '../protocol/attrs.js'

const latest = 0xffffffff

/** Seconds for a Date or a number of seconds; what 32 bits cannot say becomes the nearest time they can. */
export function toSeconds(time: number | Date): number {
  const seconds = Math.floor(typeof time === 'number' ? time : time.getTime() / 1000)
  return Math.min(Math.max(seconds, 0), latest)
}

/** Both times as attributes: a missing access time is now, a missing modification time is the access time. */
export function attrsOfTimes(atime: number | Date = new Date(), mtime: number | Date = atime): SftpAttrs {
  return { atime: toSeconds(atime), mtime: toSeconds(mtime) }
}
