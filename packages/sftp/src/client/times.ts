/** Times of files: seconds since 1970, and nanoseconds where the version has them. */

import { SftpError } from '../errors.js'
import type { SftpAttrs } from '../protocol/attrs.js'

/** A time: a Date, seconds since 1970 with a fraction or without, or nanoseconds since 1970 as a bigint. */
export type SftpTime = number | Date | bigint

const nanosecondsPerSecond = 1_000_000_000

/** Whole seconds and the nanoseconds after them. @throws SftpError `EINVAL` for what is no time */
export function timeParts(time: SftpTime): { readonly seconds: number; readonly nanoseconds: number } {
  if (typeof time === 'bigint') {
    const nanoseconds = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
    return checked(Number((time - nanoseconds) / 1_000_000_000n), Number(nanoseconds), time)
  }
  if (typeof time === 'number') {
    const seconds = Math.floor(time)
    return checked(
      seconds,
      Math.min(Math.floor((time - seconds) * nanosecondsPerSecond), nanosecondsPerSecond - 1),
      time,
    )
  }
  const milliseconds = time.getTime()
  const seconds = Math.floor(milliseconds / 1000)
  return checked(seconds, (milliseconds - seconds * 1000) * 1_000_000, time)
}

function checked(seconds: number, nanoseconds: number, time: SftpTime) {
  if (Number.isSafeInteger(seconds)) return { seconds, nanoseconds }
  throw new SftpError('EINVAL', `Expected a time, found ${String(time)}`)
}

/** Both times as attributes: a missing access time is now, a missing modification time is the access time. */
export function attrsOfTimes(atime: SftpTime = new Date(), mtime: SftpTime = atime): SftpAttrs {
  const [access, change] = [timeParts(atime), timeParts(mtime)]
  return {
    atime: access.seconds,
    atimeNs: access.nanoseconds,
    mtime: change.seconds,
    mtimeNs: change.nanoseconds,
  }
}
