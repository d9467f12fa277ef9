/** Names of users and groups by their numbers: `users-groups-by-id@openssh.com` (OpenSSH PROTOCOL §4.12). */

import { protocolError } from '../errors.js'
import { usersGroupsReply } from '../protocol/extensions.js'
import { expectExtended } from './reply-kinds.js'
import type { ClientSession } from './session.js'

/** Names by number. Numbers the server has no name for are left out. */
export interface SftpNamesOfIds {
  readonly users: ReadonlyMap<number, string>
  readonly groups: ReadonlyMap<number, string>
}

/** Numbers in one request: their names fit a reply even where each is as long as names get (256 bytes). */
const idsAtOnce = 500

/** @throws SftpError `ENOTSUP`, what the server answers; `ERR_SFTP_PROTOCOL` for another number of names than asked for */
export async function namesOfIds(
  session: ClientSession,
  uids: readonly number[],
  gids: readonly number[],
  signal: AbortSignal | undefined,
): Promise<SftpNamesOfIds> {
  session.assertSupports('users-groups-by-id@openssh.com', 'usersGroupsById')
  const users = new Map<number, string>()
  const groups = new Map<number, string>()
  for (let start = 0; start < Math.max(uids.length, gids.length); start += idsAtOnce) {
    const asked = { uids: uids.slice(start, start + idsAtOnce), gids: gids.slice(start, start + idsAtOnce) }
    const context = { operation: 'users-groups-by-id', signal }
    const payload = await session.extended(expectExtended, 'users-groups-by-id@openssh.com', asked, context)
    const told = usersGroupsReply.decode(payload)
    addNames(users, asked.uids, told.users)
    addNames(groups, asked.gids, told.groups)
  }
  return { users, groups }
}

function addNames(names: Map<number, string>, ids: readonly number[], told: readonly string[]): void {
  if (told.length !== ids.length) throw protocolError(`Expected ${ids.length} names, found ${told.length}`)
  for (const [index, id] of ids.entries()) {
    const name = told[index] ?? ''
    if (name !== '') names.set(id, name)
  }
}
