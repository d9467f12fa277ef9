/** The requests of version 3 as functions: paths and attributes in, values out. Paths are as the server shall see them. */

import { type FieldValues, type MessageDefinition, printable } from '@ssh/wire'
import { SftpError } from '../errors.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import { finishWritePacket } from '../protocol/data-packets.js'
import { framePacket } from '../protocol/framing.js'
import { type NameEntry, requests } from '../protocol/packets.js'
import { inSymlinkOrder } from '../protocol/symlink-order.js'
import { untilAborted } from './abort.js'
import {
  type Block,
  emptyBlock,
  expectAttrs,
  expectData,
  expectDone,
  expectHandle,
  expectNames,
  type ReplyKind,
} from './reply-kinds.js'
import type { ClientSession, SftpLimits } from './session.js'
import { type SftpDirent, SftpStats } from './stats.js'

type Signal = AbortSignal | undefined

// biome-ignore lint/suspicious/noExplicitAny: any message's fields; each caller's are checked by inference
type AnyRequest = MessageDefinition<any, any>
type FieldsOf<D> = D extends MessageDefinition<infer _N, infer F> ? Omit<FieldValues<F>, 'id'> : never

/** Sends one request of the message table. */
function ask<T, D extends AnyRequest>(
  session: ClientSession,
  kind: ReplyKind<T>,
  definition: D,
  fields: FieldsOf<D>,
  context: { operation?: string; path?: string; offset?: number; signal: Signal },
): Promise<T> {
  const build = (id: number): Uint8Array => framePacket(definition.encode({ id, ...fields }))
  return session.request(kind, build, { operation: definition.name, ...context })
}

function openHandle(
  session: ClientSession,
  path: string,
  flags: number,
  attrs: SftpAttrs,
  signal: Signal,
): Promise<Uint8Array> {
  return ask(session, expectHandle, requests.open, { path, flags, attrs }, { path, signal })
}

export function closeHandle(session: ClientSession, handle: Uint8Array, path: string, signal: Signal): Promise<void> {
  return ask(session, expectDone, requests.close, { handle }, { path, signal })
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
  flags: number,
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
 * @returns bytes read
 */
export async function readInto(
  file: OpenHandle,
  offset: number,
  length: number,
  memory: () => Uint8Array,
  signal: Signal,
): Promise<number> {
  const { session, handle, path } = file
  let target: Uint8Array | undefined
  let filled = 0
  while (filled < length) {
    const position = offset + filled
    const left = length - filled
    const kind = expectData(left, () => {
      target ??= memory()
      return target.subarray(filled)
    })
    const fields = { handle, offset: position, length: left }
    const count = await ask(session, kind, requests.read, fields, { path, offset: position, signal })
    if (count === 0) break
    filled += count
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

export async function statPath(
  session: ClientSession,
  path: string,
  followSymlinks: boolean,
  signal: Signal,
): Promise<SftpStats> {
  const definition = followSymlinks ? requests.stat : requests.lstat
  return new SftpStats(await ask(session, expectAttrs, definition, { path }, { path, signal }))
}

export async function statHandle(file: OpenHandle, signal: Signal): Promise<SftpStats> {
  const { session, handle, path } = file
  return new SftpStats(await ask(session, expectAttrs, requests.fstat, { handle }, { path, signal }))
}

export function setstatPath(
  session: ClientSession,
  path: string,
  attrs: SftpAttrs,
  followSymlinks: boolean,
  signal: Signal,
): Promise<void> {
  if (followSymlinks) return ask(session, expectDone, requests.setstat, { path, attrs }, { path, signal })
  return session.extended(expectDone, 'lsetstat@openssh.com', { path, attrs }, { operation: 'lsetstat', path, signal })
}

export function setstatHandle(file: OpenHandle, attrs: SftpAttrs, signal: Signal): Promise<void> {
  const { session, handle, path } = file
  return ask(session, expectDone, requests.fsetstat, { handle, attrs }, { path, signal })
}

export function makeDirectory(session: ClientSession, path: string, attrs: SftpAttrs, signal: Signal): Promise<void> {
  return ask(session, expectDone, requests.mkdir, { path, attrs }, { path, signal })
}

export function removeDirectory(session: ClientSession, path: string, signal: Signal): Promise<void> {
  return ask(session, expectDone, requests.rmdir, { path }, { path, signal })
}

export function removeFile(session: ClientSession, path: string, signal: Signal): Promise<void> {
  return ask(session, expectDone, requests.remove, { path }, { path, signal })
}

export function renamePath(session: ClientSession, oldPath: string, newPath: string, signal: Signal): Promise<void> {
  const operation = `rename to "${printable(newPath)}"`
  return ask(session, expectDone, requests.rename, { oldPath, newPath }, { operation, path: oldPath, signal })
}

export function makeSymlink(
  session: ClientSession,
  targetPath: string,
  linkPath: string,
  signal: Signal,
): Promise<void> {
  const paths = inSymlinkOrder(session.symlinkOrder, { targetPath, linkPath })
  return ask(session, expectDone, requests.symlink, paths, { path: linkPath, signal })
}

export async function readSymlink(session: ClientSession, path: string, signal: Signal): Promise<string> {
  return onlyName(await ask(session, expectNames, requests.readlink, { path }, { path, signal }), 'readlink', path)
}

export async function canonicalPath(session: ClientSession, path: string, signal: Signal): Promise<string> {
  return onlyName(await ask(session, expectNames, requests.realpath, { path }, { path, signal }), 'realpath', path)
}

/** The name in an answer that has one. @throws SftpError `ERR_SFTP_BAD_MESSAGE` */
export function onlyName(entries: readonly NameEntry[], operation: string, path: string): string {
  const [entry] = entries
  if (entry !== undefined && entries.length === 1) return entry.fileName
  throw new SftpError('ERR_SFTP_BAD_MESSAGE', `The server answered ${operation} with ${entries.length} names`, { path })
}

/** READDIRs in flight at most: on a long link a directory of many pages would else take a round trip for each. */
const maximumPagesAhead = 8

/** Lists a directory page by page, without `.` and `..`; asks for more only while its caller does. */
export async function* listDirectory(session: ClientSession, path: string, signal: Signal): AsyncGenerator<SftpDirent> {
  const handle = await ask(session, expectHandle, requests.opendir, { path }, { path, signal })
  const pages: Promise<readonly NameEntry[]>[] = []
  let pagesAhead = 1
  try {
    for (;;) {
      while (pages.length < pagesAhead) {
        const page = ask(session, expectNames, requests.readdir, { handle }, { path, signal })
        // A page nobody waits for any more must not end the process.
        page.catch(() => {})
        pages.push(page)
      }
      const entries = (await pages.shift()) ?? []
      // A page without names ends a listing too: OpenSSH takes it so, and asking on would never end.
      if (entries.length === 0) return
      pagesAhead = Math.min(pagesAhead * 2, maximumPagesAhead)
      for (const { fileName, longName, attrs } of entries) {
        if (fileName !== '.' && fileName !== '..') yield { name: fileName, longName, attrs: new SftpStats(attrs) }
      }
    }
  } finally {
    session.closeQuietly(handle)
  }
}
