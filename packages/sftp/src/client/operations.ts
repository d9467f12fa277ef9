/** The requests as functions: paths and attributes in, values out. Paths are as the server shall see them. */

import { printable } from '@ssh/wire'
import { SftpError } from '../errors.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import { composePaths as composed } from '../protocol/compose-path.js'
import { finishWritePacket } from '../protocol/data-packets.js'
import { framePacket } from '../protocol/framing.js'
import type { NameEntry, RequestFields, RequestLayouts } from '../protocol/model.js'
import type { OpenAccess } from '../protocol/open-access.js'
import { renameFlags } from '../protocol/rename-flags.js'
import { inSymlinkOrder } from '../protocol/symlink-order.js'
import { untilAborted } from './abort.js'
import {
  type Block,
  DataKind,
  emptyBlock,
  expectAttrs,
  expectDone,
  expectHandle,
  expectNames,
  expectPage,
  type NamePage,
  type ReplyKind,
} from './reply-kinds.js'
import type { ClientSession, SftpLimits } from './session.js'
import { type SftpDirent, SftpStats } from './stats.js'

type Signal = AbortSignal | undefined

type RequestName = keyof RequestFields & keyof RequestLayouts

/** What errors say of a request; the operation is the request's name unless told. */
interface AskContext {
  readonly operation?: string
  readonly path?: string
  readonly offset?: number
  readonly signal: Signal
}

/** Sends one request, as the version that was agreed on lays it out. @throws SftpError `ENOTSUP` when it has none */
function ask<T, N extends RequestName>(
  session: ClientSession,
  kind: ReplyKind<T>,
  name: N,
  fields: Omit<RequestFields[N], 'id'>,
  context: AskContext,
): Promise<T> {
  const layout = session.dialect.requests[name]
  if (layout === undefined) return Promise.reject(unknownRequest(session, name, context))
  // The layout's fields are the request's; TypeScript does not follow a union of names this far.
  const encode = layout.encode as (values: object) => Uint8Array
  return session.request(kind, (id) => framePacket(encode({ id, ...fields })), { operation: name, ...context })
}

function unknownRequest(session: ClientSession, name: string, { path, operation = name }: AskContext): SftpError {
  const { version } = session.dialect
  return new SftpError('ENOTSUP', `ENOTSUP: version ${version} of SFTP has no such request, ${operation}`, {
    ...(path !== undefined && { path }),
  })
}

/** @throws SftpError `ENOTSUP` for attributes that the version has no place for: they would be left out unnoticed */
function assertSayable(session: ClientSession, attrs: SftpAttrs, operation: string, path: string): void {
  const names = session.dialect.unsayable(attrs)
  if (names.length === 0) return
  const { version } = session.dialect
  throw new SftpError('ENOTSUP', `ENOTSUP: version ${version} of SFTP cannot set ${names.join(', ')}, ${operation}`, {
    path,
  })
}

async function openHandle(
  session: ClientSession,
  path: string,
  flags: number | OpenAccess,
  attrs: SftpAttrs,
  signal: Signal,
): Promise<Uint8Array> {
  assertSayable(session, attrs, 'open', path)
  return ask(session, expectHandle, 'open', { path, flags, attrs }, { path, signal })
}

export function closeHandle(session: ClientSession, handle: Uint8Array, path: string, signal: Signal): Promise<void> {
  return ask(session, expectDone, 'close', { handle }, { path, signal })
}

/** An open file of the server: what reads and writes need to know. */
export interface OpenHandle {
  readonly session: ClientSession
  readonly handle: Uint8Array
  /** For errors. */
  readonly path: string
}

/** Opens a file, and learns how much of it one request may carry, which was asked for when the session started. */
export async function openFile(
  session: ClientSession,
  path: string,
  flags: number | OpenAccess,
  attrs: SftpAttrs,
  signal: Signal,
): Promise<{ readonly file: OpenHandle; readonly limits: SftpLimits }> {
  const handle = await openHandle(session, path, flags, attrs, signal)
  try {
    return { file: { session, handle, path }, limits: await untilAborted(session.limits, signal) }
  } catch (error) {
    session.closeQuietly(handle)
    throw error
  }
}

/**
 * Reads `length` bytes into `memory()`, which is called once, when the first of them arrive; fewer only at the end of
 * the file. Servers may answer with less than was asked for.
 * @param enough bytes with which it stops asking; default `length`
 * @returns bytes read
 */
export async function readInto(
  file: OpenHandle,
  offset: number,
  length: number,
  memory: () => Uint8Array,
  signal: Signal,
  enough = length,
): Promise<number> {
  const { session, path } = file
  let target: Uint8Array | undefined
  let filled = 0
  while (filled < enough) {
    const position = offset + filled
    const left = length - filled
    const kind = new DataKind(left, () => {
      target ??= memory()
      return target.subarray(filled)
    })
    // Asked for each time: the file may have been closed while the reply was on its way.
    const fields = { handle: file.handle, offset: position, length: left }
    const count = await ask(session, kind, 'read', fields, { path, offset: position, signal })
    filled += count
    if (count === 0 || kind.isLast) break
  }
  return filled
}

/** Reads `length` bytes into new memory; fewer only at the end of the file. */
export async function readFully(file: OpenHandle, offset: number, length: number, signal: Signal): Promise<Block> {
  let memory: Buffer | undefined
  const filled = await readInto(file, offset, length, () => (memory = Buffer.allocUnsafe(length)), signal)
  if (memory === undefined) return emptyBlock
  const bytes = memory.subarray(0, filled)
  // The end of a file may be kept for long: it should not keep a whole block's memory.
  return { chunks: [filled < length / 2 ? Buffer.from(bytes) : bytes], length: filled }
}

/** One WRITE of a packet whose headroom is free; its length is what the server's limits allow. */
export async function writePacket(file: OpenHandle, packet: Buffer, offset: number, signal: Signal): Promise<void> {
  const { session, handle, path } = file
  const build = (id: number): Uint8Array => finishWritePacket(packet, id, handle, offset)
  await session.request(expectDone, build, { operation: 'write', path, offset, signal })
}

/** @param wanted a sum of `attrFlags`; before version 4 all come. Default: what the version has */
export async function statPath(
  session: ClientSession,
  path: string,
  followSymlinks: boolean,
  signal: Signal,
  wanted?: number,
): Promise<SftpStats> {
  const name = followSymlinks ? 'stat' : 'lstat'
  return new SftpStats(await ask(session, expectAttrs, name, { path, wanted }, { path, signal }))
}

/** @param wanted as of {@link statPath} */
export async function statHandle(file: OpenHandle, signal: Signal, wanted?: number): Promise<SftpStats> {
  const { session, handle, path } = file
  return new SftpStats(await ask(session, expectAttrs, 'fstat', { handle, wanted }, { path, signal }))
}

export async function setstatPath(
  session: ClientSession,
  path: string,
  attrs: SftpAttrs,
  followSymlinks: boolean,
  signal: Signal,
): Promise<void> {
  assertSayable(session, attrs, 'setstat', path)
  if (followSymlinks) return ask(session, expectDone, 'setstat', { path, attrs }, { path, signal })
  return session.extended(expectDone, 'lsetstat@openssh.com', { path, attrs }, { operation: 'lsetstat', path, signal })
}

export async function setstatHandle(file: OpenHandle, attrs: SftpAttrs, signal: Signal): Promise<void> {
  const { session, handle, path } = file
  assertSayable(session, attrs, 'fsetstat', path)
  return ask(session, expectDone, 'fsetstat', { handle, attrs }, { path, signal })
}

export async function makeDirectory(
  session: ClientSession,
  path: string,
  attrs: SftpAttrs,
  signal: Signal,
): Promise<void> {
  assertSayable(session, attrs, 'mkdir', path)
  return ask(session, expectDone, 'mkdir', { path, attrs }, { path, signal })
}

export function removeDirectory(session: ClientSession, path: string, signal: Signal): Promise<void> {
  return ask(session, expectDone, 'rmdir', { path }, { path, signal })
}

export function removeFile(session: ClientSession, path: string, signal: Signal): Promise<void> {
  return ask(session, expectDone, 'remove', { path }, { path, signal })
}

/**
 * Renames. Before version 5 what has flags becomes OpenSSH's request, which replaces in one step.
 * @param flags a sum of `renameFlags`; default: nothing is replaced
 * @throws SftpError `ENOTSUP` for flags that the server has no means for
 */
export function renamePath(
  session: ClientSession,
  oldPath: string,
  newPath: string,
  signal: Signal,
  flags = 0,
): Promise<void> {
  const operation = `rename to "${printable(newPath)}"`
  const context = { operation, path: oldPath, signal }
  if (flags === 0 || session.dialect.hasRenameFlags) {
    return ask(session, expectDone, 'rename', { oldPath, newPath, flags }, context)
  }
  return session.extended(expectDone, 'posix-rename@openssh.com', { oldPath, newPath }, context)
}

/** Renames, replacing what is there in one step, with whatever the server has for it. */
export function replacePath(session: ClientSession, oldPath: string, newPath: string, signal: Signal): Promise<void> {
  const isFlagged = !session.supports('posix-rename@openssh.com') && session.dialect.hasRenameFlags
  if (isFlagged) return renamePath(session, oldPath, newPath, signal, renameFlags.overwrite | renameFlags.atomic)
  const operation = `posix-rename to "${printable(newPath)}"`
  const context = { operation, path: oldPath, signal }
  return session.extended(expectDone, 'posix-rename@openssh.com', { oldPath, newPath }, context)
}

export function makeSymlink(
  session: ClientSession,
  targetPath: string,
  linkPath: string,
  signal: Signal,
): Promise<void> {
  const context = { operation: 'symlink', path: linkPath, signal }
  if (session.dialect.requests.link !== undefined) {
    return ask(session, expectDone, 'link', { targetPath, linkPath, isSymbolic: true }, context)
  }
  const paths = inSymlinkOrder(session.symlinkOrder, { targetPath, linkPath })
  return ask(session, expectDone, 'symlink', paths, context)
}

/** Gives a file a second name, with whatever the server has for it. */
export function makeHardLink(session: ClientSession, oldPath: string, newPath: string, signal: Signal): Promise<void> {
  const context = { operation: 'hardlink', path: oldPath, signal }
  if (session.dialect.requests.link === undefined) {
    return session.extended(expectDone, 'hardlink@openssh.com', { oldPath, newPath }, context)
  }
  return ask(session, expectDone, 'link', { targetPath: oldPath, linkPath: newPath, isSymbolic: false }, context)
}

/** Locks bytes of an open file. @param mask a sum of `lockFlags`; @param length 0 reaches to the end, however far */
export function lockRange(file: OpenHandle, offset: number, length: number, mask: number, signal: Signal) {
  const { session, handle, path } = file
  const context = { operation: 'lock', path, offset, signal }
  return ask(session, expectDone, 'block', { handle, offset, length, mask }, context)
}

/** Takes a lock of just these bytes off again. */
export function unlockRange(file: OpenHandle, offset: number, length: number, signal: Signal): Promise<void> {
  const { session, handle, path } = file
  const context = { operation: 'unlock', path, offset, signal }
  return ask(session, expectDone, 'unblock', { handle, offset, length }, context)
}

export async function readSymlink(session: ClientSession, path: string, signal: Signal): Promise<string> {
  return onlyName(await ask(session, expectNames, 'readlink', { path }, { path, signal }), 'readlink', path)
}

/** @param composePaths followed from `path` one after the other; an absolute one starts anew */
export async function canonicalPath(
  session: ClientSession,
  path: string,
  signal: Signal,
  composePaths: readonly string[] = [],
): Promise<string> {
  return (await canonicalEntry(session, path, 'none', signal, composePaths)).path
}

/** Whether `realpath` looks at what it names; see {@link canonicalEntry}. */
export type RealpathCheck = 'none' | 'ifExists' | 'always'

/** SSH_FXP_REALPATH_*. */
const checkBytes: Readonly<Record<RealpathCheck, number>> = { none: 1, ifExists: 2, always: 3 }

/**
 * The canonical path, and the attributes of what is there when asked for them. In version 6 they may come along; else
 * they are asked for with a second request.
 * @param check `none` asks for no attributes, `ifExists` for those of what is there, `always` fails when nothing is
 */
export async function canonicalEntry(
  session: ClientSession,
  path: string,
  check: RealpathCheck,
  signal: Signal,
  composePaths: readonly string[] = [],
): Promise<{ readonly path: string; readonly attrs: SftpStats | undefined }> {
  // Version 6 could send further paths along; ProFTPD 1.3 leaves them out without a word.
  const whole = composed(path, composePaths)
  const fields = { path: whole, check: checkBytes[check] }
  const entries = await ask(session, expectNames, 'realpath', fields, { path: whole, signal })
  const canonical = onlyName(entries, 'realpath', whole)
  if (check === 'none') return { path: canonical, attrs: undefined }
  const told = session.dialect.hasRealpathCheck ? entries[0]?.attrs : undefined
  // Attributes without any mean that nothing is there (draft-ietf-secsh-filexfer-13 §8.9), or that they were left out.
  if (told !== undefined && Object.keys(told).some((name) => name !== 'type')) {
    return { path: canonical, attrs: new SftpStats(told) }
  }
  try {
    return { path: canonical, attrs: await statPath(session, canonical, true, signal) }
  } catch (error) {
    if (check === 'always' || !(error instanceof SftpError) || !isMissing(error)) throw error
    return { path: canonical, attrs: undefined }
  }
}

function isMissing({ code }: SftpError): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP'
}

/** The name in an answer that has one. @throws SftpError `ERR_SFTP_BAD_MESSAGE` */
export function onlyName(entries: readonly NameEntry[], operation: string, path: string): string {
  const [entry] = entries
  if (entry !== undefined && entries.length === 1) return entry.fileName
  throw new SftpError('ERR_SFTP_BAD_MESSAGE', `The server answered ${operation} with ${entries.length} names`, { path })
}

/** READDIRs in flight at most: on a long link a directory of many pages would else take a round trip for each. */
const maximumPagesAhead = 8

const noPage: NamePage = { entries: [], isLast: true }

/** Lists a directory page by page, without `.` and `..`; asks for more only while its caller does. */
export async function* listDirectory(session: ClientSession, path: string, signal: Signal): AsyncGenerator<SftpDirent> {
  const handle = await ask(session, expectHandle, 'opendir', { path }, { path, signal })
  const pages: Promise<NamePage>[] = []
  let pagesAhead = 1
  try {
    for (;;) {
      while (pages.length < pagesAhead) {
        const page = ask(session, expectPage, 'readdir', { handle }, { path, signal })
        // A page nobody waits for any more must not end the process.
        page.catch(() => {})
        pages.push(page)
      }
      const { entries, isLast } = (await pages.shift()) ?? noPage
      // A page without names ends a listing too: OpenSSH takes it so, and asking on would never end.
      if (entries.length === 0) return
      pagesAhead = Math.min(pagesAhead * 2, maximumPagesAhead)
      for (const { fileName, longName, attrs } of entries) {
        if (fileName !== '.' && fileName !== '..') yield { name: fileName, longName, attrs: new SftpStats(attrs) }
      }
      if (isLast) return
    }
  } finally {
    session.closeQuietly(handle)
  }
}
