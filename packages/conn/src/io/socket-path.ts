/** Paths of Unix sockets: what the system would cut short or take for another name is refused. */

/** Bytes of a path that `sockaddr_un` holds, without the zero at its end. */
const longestPath = process.platform === 'linux' ? 107 : 103

/** @throws Error when no socket can have this path */
export function checkSocketPath(path: string): void {
  if (path === '') throw new Error('the path is empty')
  if (path.includes('\0')) throw new Error('the path contains a zero byte')
  const length = Buffer.byteLength(path)
  if (process.platform !== 'win32' && length > longestPath) {
    throw new Error(`the path has ${length} bytes, and a socket's may have ${longestPath} at most`)
  }
}
