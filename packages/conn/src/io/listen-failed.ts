/** What is said when nothing can listen at some place. */

import { printable } from '@ssh/wire'
import { ConnectError } from '../errors.js'
import type { ListenPath, ListenPort } from './stream-listener.js'

const portHints = new Map([
  ['EADDRINUSE', 'something listens there already'],
  ['EADDRNOTAVAIL', 'this machine has no such address'],
  ['EACCES', 'it takes more rights; ports below 1024 are for root on most systems'],
  ['ENOTFOUND', 'the name is not known'],
])

const pathHints = new Map([
  ['EADDRINUSE', 'there is such a file already; the option `unlink` removes a socket that nobody listens on'],
  ['EACCES', 'this user may not write to the folder'],
  ['ENOENT', 'there is no such folder'],
])

/**
 * Says where it was and what the system's code means.
 * @param cause a ConnectError is returned as it is
 */
export function listenFailed(where: ListenPort | ListenPath, cause: unknown): Error {
  if (cause instanceof ConnectError) return cause
  const code = codeOf(cause) ?? 'failed'
  const hints = 'path' in where ? pathHints : portHints
  const why = hints.get(code) ?? (cause instanceof Error ? cause.message : String(cause))
  const place = 'path' in where ? where.path : `${where.host === '' ? 'every address' : where.host} port ${where.port}`
  return new ConnectError('ERR_SSH_CONNECT_LISTEN_FAILED', `Cannot listen on ${printable(place)}: ${code}, ${why}`, {
    cause,
    details: { ...where, systemCode: code },
  })
}

/** What the system calls it, `EADDRINUSE` for one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
