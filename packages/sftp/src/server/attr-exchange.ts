/**
 * Attributes between a client and a handler: what versions of the protocol say in other words is put into those that
 * handlers know, so that they need not care which version a client speaks.
 */

import { SftpError } from '../errors.js'
import { attrFlags, type SftpAttrs } from '../protocol/attrs.js'
import type { Awaitable, SftpHandler } from './handler.js'

/** Attributes that every handler sets. */
export const usuallySettable =
  attrFlags.size |
  attrFlags.permissions |
  attrFlags.accessTime |
  attrFlags.modifyTime |
  attrFlags.ownerGroup |
  attrFlags.subsecondTimes

/** Attributes that only some handlers set, and the flag each has. */
const unusual: readonly (readonly [name: keyof SftpAttrs, flag: number])[] = [
  ['createTime', attrFlags.createTime],
  ['ctime', attrFlags.ctime],
  ['acl', attrFlags.acl],
  ['attribBits', attrFlags.bits],
  ['allocationSize', attrFlags.allocationSize],
  ['textHint', attrFlags.textHint],
  ['mimeType', attrFlags.mimeType],
  ['linkCount', attrFlags.linkCount],
  ['untranslatedName', attrFlags.untranslatedName],
]

type Owners = Pick<SftpHandler<never>, 'formatUser' | 'formatGroup' | 'parseUser' | 'parseGroup' | 'settable'>

/** What a client is told: names beside the numbers of owner and group, where the version has names. */
export async function withOwnerNames(handler: Owners, attrs: SftpAttrs): Promise<SftpAttrs> {
  const { uid, gid, owner, group } = attrs
  const ownerName = owner ?? (uid === undefined ? undefined : await handler.formatUser?.(uid))
  const groupName = group ?? (gid === undefined ? undefined : await handler.formatGroup?.(gid))
  return {
    ...attrs,
    ...(ownerName !== undefined && { owner: ownerName }),
    ...(groupName !== undefined && { group: groupName }),
  }
}

/**
 * What a handler is to set: numbers for names, and both of what goes in pairs in version 3.
 * @param current the attributes the file has now, for the half of a pair that stays as it is
 * @throws SftpError `ENOTSUP` for what the handler does not set; `ERR_SFTP_OWNER_INVALID`, `ERR_SFTP_GROUP_INVALID` for
 *   names nobody knows
 */
export async function attrsToSet(
  handler: Owners,
  attrs: SftpAttrs,
  current: () => Awaitable<SftpAttrs>,
): Promise<SftpAttrs> {
  assertSettable(handler, attrs)
  const named = await withOwnerNumbers(handler, attrs)
  const { uid, gid, atime, mtime } = named
  const lacksOwner = (uid === undefined) !== (gid === undefined)
  const lacksTime = (atime === undefined) !== (mtime === undefined)
  if (!lacksOwner && !lacksTime) return named
  const now = await current()
  return {
    ...named,
    ...(lacksOwner && { uid: uid ?? told(now.uid, 'owner'), gid: gid ?? told(now.gid, 'group') }),
    ...(lacksTime && atime === undefined && timeOf(now, 'atime', 'atimeNs')),
    ...(lacksTime && mtime === undefined && timeOf(now, 'mtime', 'mtimeNs')),
  }
}

/** As {@link attrsToSet}, for a file that is about to be made: what cannot be set is for the server to choose. */
export async function attrsOfNew(handler: Owners, attrs: SftpAttrs): Promise<SftpAttrs> {
  return withOwnerNumbers(handler, attrs)
}

function assertSettable({ settable = usuallySettable }: Owners, attrs: SftpAttrs): void {
  for (const [name, flag] of unusual) {
    if (attrs[name] === undefined || (settable & flag) !== 0) continue
    throw new SftpError('ENOTSUP', `The server does not set ${name}`)
  }
}

async function withOwnerNumbers(handler: Owners, attrs: SftpAttrs): Promise<SftpAttrs> {
  const { owner, group } = attrs
  if (owner === undefined && group === undefined) return attrs
  // What is a number may be a name all the same.
  const uid = owner === undefined ? undefined : ((await handler.parseUser?.(owner)) ?? attrs.uid)
  const gid = group === undefined ? undefined : ((await handler.parseGroup?.(group)) ?? attrs.gid)
  if (owner !== undefined && uid === undefined) throw new SftpError('ERR_SFTP_OWNER_INVALID', 'No such user')
  if (group !== undefined && gid === undefined) throw new SftpError('ERR_SFTP_GROUP_INVALID', 'No such group')
  return { ...attrs, ...(uid !== undefined && { uid }), ...(gid !== undefined && { gid }) }
}

function told(id: number | undefined, what: string): number {
  if (id !== undefined) return id
  throw new SftpError('ENOTSUP', `The ${what} is not known, and cannot be kept as it is`)
}

function timeOf(now: SftpAttrs, name: 'atime' | 'mtime', nsName: 'atimeNs' | 'mtimeNs'): SftpAttrs {
  const { [name]: seconds, [nsName]: nanoseconds } = now
  if (seconds === undefined) throw new SftpError('ENOTSUP', 'The other time is not known, and cannot be kept as it is')
  return { [name]: seconds, ...(nanoseconds !== undefined && { [nsName]: nanoseconds }) }
}
