/** The last part of a path. Looked for by hand: a regular expression takes seconds for a client's path of many slashes. */

/** The last part of a path, and what is in front of it. */
export interface LastPart {
  /** Empty when the path has no part but the directory it starts in. */
  readonly name: string
  /** Ends in a slash, or is empty. */
  readonly parent: string
}

/** Slashes at the end, and `.` there, name nothing of their own. */
export function lastPart(path: string): LastPart {
  let end = path.length
  for (;;) {
    while (end > 0 && path[end - 1] === '/') end--
    if (path[end - 1] !== '.' || (end > 1 && path[end - 2] !== '/')) break
    end--
  }
  const start = path.lastIndexOf('/', end - 1) + 1
  return end === 0 ? { parent: path, name: '' } : { parent: path.slice(0, start), name: path.slice(start, end) }
}
