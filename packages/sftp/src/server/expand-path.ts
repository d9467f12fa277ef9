/** Paths as a shell has them: `~` and `~user` in front (OpenSSH PROTOCOL §4.9). */

import { SftpError } from '../errors.js'
import type { SftpHandler } from './handler.js'

/**
 * The canonical path of `path`, where a leading `~` is the home directory of this session's user, and `~user` of another.
 * @throws what the handler throws; SftpError `ENOENT` for a user nobody knows
 */
export async function expandPath<F>(handler: SftpHandler<F>, path: string): Promise<string> {
  const [, username, rest = ''] = /^~([^/]*)(\/.*)?$/s.exec(path) ?? []
  if (username === undefined) return handler.realpath(path === '' ? '.' : path)
  return handler.realpath(`${await homeDirectory(handler, username)}${rest}`)
}

/**
 * The home directory of a user, as the client sees it.
 * @param username empty: the user of this session
 * @throws what the handler throws; SftpError `ENOENT` for a user nobody knows
 */
export async function homeDirectory<F>(handler: SftpHandler<F>, username: string): Promise<string> {
  const home = await handler.homeDirectory?.(username)
  if (home !== undefined) return home
  // Relative paths start where the session does: what a user without a name of his own calls home.
  if (username === '') return handler.realpath('.')
  throw new SftpError('ENOENT', 'No such user', { serverText: 'no such user' })
}
