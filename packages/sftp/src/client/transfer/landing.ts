/** Where a file is written before it has its name: besides it, and put in its place in one step. */

import { createHash, randomBytes } from 'node:crypto'
import { isOver, SftpError } from '../../errors.js'
import type { FileTree, TargetFile } from '../file-tree.js'
import { attrsOfOwner } from '../owners.js'
import type { SftpStats } from '../stats.js'
import { forAWhile } from './patience.js'

/** The place of a file that is being written. */
export interface Landing {
  /** Where it is written. */
  readonly path: string
  /** Permissions that the file it replaces has, if it keeps them. */
  readonly permissions: number | undefined
  /** All is written, and the file still open: makes it what the file is that it replaces. */
  resemble(target: TargetFile): Promise<void>
  /** The file is closed: gives it its name. */
  commit(): Promise<void>
}

/** Places with a name that is not random, of transfers under way. */
const claimed = new WeakMap<FileTree, Set<string>>()

/**
 * Keeps others of this client off a place: two that went on with one file would mix what they write, and one would give
 * it its name while the other still writes.
 * @returns what ends that
 * @throws SftpError `EBUSY`
 */
export function claim(to: FileTree, path: string): () => void {
  const places = claimed.get(to) ?? new Set()
  claimed.set(to, places)
  if (places.has(path)) {
    throw new SftpError('EBUSY', 'EBUSY: another transfer writes this file; wait until it is done', { path })
  }
  places.add(path)
  return () => places.delete(path)
}

export interface LandingOptions {
  /** Whether the caller named this very path. */
  readonly isGiven: boolean
  readonly preserve: boolean
  /** Whether a later transfer shall find it. */
  readonly resume: boolean
  readonly signal: AbortSignal | undefined
}

/** Under its own name. */
export function landingOn(path: string): Landing {
  return { path, permissions: undefined, resemble: async () => {}, commit: async () => {} }
}

/**
 * Besides `path`, in the same directory, since only within a file system can a name be given in one step. A link that
 * the caller named is followed, as it is without this.
 *
 * @throws SftpError `ENOTSUP` when the server cannot replace the file that is there: to remove it first, or to move it
 *   away, would leave a moment without either; `EISDIR`, `EINVAL` for what is no file, `ELOOP`
 */
export async function landingBeside(to: FileTree, path: string, options: LandingOptions): Promise<Landing> {
  const { isGiven, preserve, resume, signal } = options
  const link = await statIfThere(to, path, signal)
  const isLink = link?.isSymbolicLink() ?? false
  if (isLink && to.kind === 'local' && !isGiven) throw linkInTheWay(path)
  const final = isLink ? await to.realPath(path, signal) : path
  const there = isLink ? await statIfThere(to, final, signal) : link
  if (there !== undefined) assertReplaceable(to, there, path)
  const name = to.baseName(final)
  const beside = final.slice(0, final.length - name.length) + (resume ? partName(name) : randomName(name))
  const permissions = preserve || there?.permissions === undefined ? undefined : there.permissions & 0o7777
  return {
    path: beside,
    permissions,
    resemble: async (target) => {
      const without = there === undefined ? 0 : await keepOwner(target, there, signal)
      // By the open file, not by its name: whoever may change the directory could have put a link to another one there.
      if (permissions !== undefined) await target.setAttrs({ permissions: permissions & ~without }, signal)
    },
    commit: () => to.move(beside, final, there !== undefined, signal),
  }
}

/** Let a program run as the owner, or the group, of its file. */
const setUserId = 0o4000
const setGroupId = 0o2000

/**
 * Gives a file that takes the place of another its owner and group, or the group alone. Mostly only a superuser may do
 * that, and whoever may not has a new file as good as any: a refusal is no error.
 * @returns bits of the mode of the old file that mean something else with the owner and group that the new one has
 */
async function keepOwner(target: TargetFile, former: SftpStats, signal: AbortSignal | undefined): Promise<number> {
  const wanted = ownerOf(former)
  if (wanted === undefined) return 0
  const own = await target.attrs(signal)
  const found = own && ownerOf(own)
  if (found === undefined) return 0
  const hasOwner = found.owner === wanted.owner
  const hasGroup = found.group === wanted.group
  if (hasOwner && hasGroup) return 0
  if (await isAllowed(target.setAttrs(attrsOfOwner(wanted.owner, wanted.group), signal))) return 0
  const getsGroup =
    hasGroup || (!hasOwner && (await isAllowed(target.setAttrs(attrsOfOwner(found.owner, wanted.group), signal))))
  return (hasOwner ? 0 : setUserId) | (getsGroup ? 0 : setGroupId)
}

/** By number where the version has numbers, else by name. */
function ownerOf({
  uid,
  gid,
  owner,
  group,
}: SftpStats): { readonly owner: number | string; readonly group: number | string } | undefined {
  if (uid !== undefined && gid !== undefined) return { owner: uid, group: gid }
  return owner === undefined || group === undefined ? undefined : { owner, group }
}

/** @throws what ends the transfer */
async function isAllowed(change: Promise<void>): Promise<boolean> {
  try {
    await change
    return true
  } catch (error) {
    if (error instanceof SftpError && !isOver(error)) return false
    throw error
  }
}

/** Removes a file that must not be taken for a whole one; devices and pipes stay. Never rejects, and gives up in time. */
export async function removeFailed(to: FileTree, path: string, isGiven: boolean): Promise<void> {
  const remove = async (): Promise<void> => {
    const there = await to.stat(path, false, undefined)
    if (there.isFile()) return to.remove(path, undefined)
    if (!isGiven || !there.isSymbolicLink()) return
    const real = await to.realPath(path, undefined)
    if ((await to.stat(real, false, undefined)).isFile()) await to.remove(real, undefined)
  }
  await forAWhile(remove())
}

/** Attributes of what is there, of a link itself; undefined when nothing is. */
export async function statIfThere(
  to: FileTree,
  path: string,
  signal: AbortSignal | undefined,
  followSymlinks = false,
): Promise<SftpStats | undefined> {
  try {
    return await to.stat(path, followSymlinks, signal)
  } catch (error) {
    if (error instanceof SftpError && error.code === 'ENOENT') return undefined
    throw error
  }
}

function assertReplaceable(to: FileTree, there: SftpStats, path: string): void {
  if (there.isDirectory()) throw new SftpError('EISDIR', 'EISDIR: a directory is there', { path })
  if (!there.isFile() && there.type !== 'unknown') {
    throw new SftpError('EINVAL', `EINVAL: only files can be replaced in one step, found one of type ${there.type}`, {
      path,
    })
  }
  if (to.canReplace) return
  throw new SftpError(
    'ENOTSUP',
    'ENOTSUP: the server cannot replace a file in one step; remove it first, or copy without the option atomic',
    { path },
  )
}

export function linkInTheWay(path: string): SftpError {
  return new SftpError('ELOOP', 'ELOOP: a symbolic link stands where a name from the server is to be written', { path })
}

/** Bytes of a name that most file systems take. */
const longestName = 255

const partEnding = '.sftp-part'

/** The name that a transfer which goes on later finds again. */
function partName(name: string): string {
  return withinLimit(name, partEnding)
}

/**
 * A tree may hold what an earlier transfer left. Were it copied, it would be written where another file of the tree is
 * written before that has its name, and one would become the other.
 * @throws SftpError `EEXIST` for a name that unfinished files have
 */
export function assertNoPart(to: FileTree, path: string): void {
  // Some file systems take names in capitals for the same.
  if (!to.baseName(path).toLowerCase().endsWith(partEnding)) return
  throw new SftpError(
    'EEXIST',
    'EEXIST: files that are not whole yet have such names; copy it under another name, or not with both atomic and resume',
    { path },
  )
}

/** A name that nobody can have made before. */
function randomName(name: string): string {
  return withinLimit(name, `.${randomBytes(16).toString('hex')}.tmp`)
}

function withinLimit(name: string, ending: string): string {
  const hidden = `.${name}${ending}`
  if (Buffer.byteLength(hidden) <= longestName) return hidden
  return `.${createHash('sha256').update(name).digest('hex')}${ending}`
}
