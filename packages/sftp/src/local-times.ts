/** Times of this machine's files: as Node's `fs` tells and takes them, and as SFTP has them. */

/** Times as attributes have them. */
interface FileTimes {
  readonly atime?: number | undefined
  readonly atimeNs?: number | undefined
  readonly mtime?: number | undefined
  readonly mtimeNs?: number | undefined
}

/**
 * Both times for `fs.utimes` and its kin, if they are to be set. These take doubles: true to a quarter of a microsecond
 * in this century, not to the nanosecond.
 */
export function timesToSet(times: FileTimes): [atime: number | Date, mtime: number | Date] | undefined {
  const { atime, atimeNs, mtime, mtimeNs } = times
  if (atime === undefined || mtime === undefined) return undefined
  return [timeToSet(atime, atimeNs), timeToSet(mtime, mtimeNs)]
}

function timeToSet(seconds: number, nanoseconds = 0): number | Date {
  // Node takes a negative number for "now".
  if (seconds < 0) return new Date(seconds * 1000 + Math.floor(nanoseconds / 1_000_000))
  return seconds + nanoseconds / 1_000_000_000
}

/** Milliseconds with a fraction, as in `fs.Stats`, as whole seconds and the nanoseconds after them. */
export function partsOfMilliseconds(time: number): { readonly seconds: number; readonly nanoseconds: number } {
  const seconds = Math.floor(time / 1000)
  return { seconds, nanoseconds: Math.min(Math.round((time - seconds * 1000) * 1_000_000), 999_999_999) }
}
