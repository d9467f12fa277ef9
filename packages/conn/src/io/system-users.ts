/** Users of this machine, from /etc/passwd and /etc/group. Those of a network's directory are not among them. */

import { lookup, reverse } from 'node:dns/promises'
import { readFile, realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { printable } from '@ssh/wire'
import { ConfigParseError } from '../errors.js'
import { openForReading, readAtMost } from './files.js'

/** What the files say of a user. */
export interface SystemUserFacts {
  readonly homeDirectory: string
  readonly uid: number
  /** The first group and all others. */
  readonly groups: readonly string[]
}

/** @returns undefined when there is no such user, or no such files */
export async function findSystemUser(name: string): Promise<SystemUserFacts | undefined> {
  const [users, groups] = await Promise.all([records('/etc/passwd'), records('/etc/group')])
  const user = users.find(([each]) => each === name)
  if (user === undefined) return undefined
  const [, , uid = '', gid = '', , homeDirectory = ''] = user
  if (!/^\d+$/.test(uid) || homeDirectory === '') return undefined
  const isMember = ([, , id, members = '']: readonly string[]) => id === gid || members.split(',').includes(name)
  return { homeDirectory, uid: Number(uid), groups: groups.filter(isMember).flatMap(([group]) => group ?? []) }
}

async function records(path: string): Promise<readonly (readonly string[])[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.split('\n').map((line) => line.split(':'))
}

/** The host name of an address, when that name has this address as well: otherwise anybody could take any name. */
export async function verifiedHostName(address: string): Promise<string | undefined> {
  const names = await reverse(address).catch(() => [])
  // Whoever has the address chooses how many names it has.
  for (const name of names.slice(0, maximumHostNames)) {
    const addresses = await lookup(name, { all: true }).catch(() => [])
    if (addresses.some((each) => each.address === address)) return name.toLowerCase()
  }
  return undefined
}

/** Names of one address that are looked up. */
const maximumHostNames = 8

/** Largest file of keys that is read, in bytes. */
const maximumKeysSize = 1024 * 1024

/**
 * Content of a file that belongs to a user who logs in.
 * @param owner number of the user; undefined: it is not known, and whose the file is does not matter
 * @param isStrict refuses a file that somebody else owns or may write to, and one in a folder like that (StrictModes)
 * @param home the folders above it do not matter; undefined: all do
 * @returns undefined when there is no such file
 * @throws ConfigParseError when it is no regular file, too large, not readable, or not the user's
 */
export async function readUserFile(
  file: string,
  owner: number | undefined,
  isStrict: boolean,
  home?: string,
): Promise<string | undefined> {
  const refuse = (why: string, cause?: unknown): never => {
    const options = { details: { file }, ...(cause !== undefined && { cause }) }
    throw new ConfigParseError(`Cannot read ${printable(file, 1024)}: ${why}`, options)
  }
  try {
    const handle = await openForReading(file)
    try {
      const found = await handle.stat()
      if (!found.isFile()) return refuse('it is not a regular file')
      if (found.size > maximumKeysSize) {
        return refuse(`it has ${found.size} bytes, and at most ${maximumKeysSize} are read`)
      }
      const fault = isStrict ? (foreignHand(found, owner) ?? (await faultOfFolders(file, owner, home))) : undefined
      if (fault !== undefined) return refuse(`${fault} (StrictModes)`)
      // It may have grown since.
      const content = await readAtMost(handle, found.size, maximumKeysSize)
      return content === undefined ? refuse(`it has more than ${maximumKeysSize} bytes`) : content.toString('utf8')
    } finally {
      await handle.close()
    }
  } catch (cause) {
    const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    if (cause instanceof ConfigParseError) throw cause
    return refuse(cause instanceof Error ? cause.message : String(cause), cause)
  }
}

/** Who else could change something; undefined: nobody. */
function foreignHand({ uid, mode }: { uid: number; mode: number }, owner: number | undefined): string | undefined {
  if ((mode & 0o022) !== 0) return 'its mode lets others write to it'
  return owner === undefined || uid === 0 || uid === owner ? undefined : `it belongs to user ${uid}`
}

/** As sshd: whoever may write to a folder on the way puts a file of their choice in place of this one. */
async function faultOfFolders(file: string, owner: number | undefined, home?: string): Promise<string | undefined> {
  // Where there are no such numbers there are no such rights either.
  if (process.getuid === undefined) return undefined
  const top = home === undefined ? undefined : await realpath(home).catch(() => undefined)
  for (let path = await realpath(file), above = dirname(path); above !== path; above = dirname(path)) {
    path = above
    const fault = foreignHand(await stat(path), owner)
    if (fault !== undefined) return `${printable(path, 1024)} is a folder on the way, and ${fault}`
    if (path === top) return undefined
  }
  return undefined
}
