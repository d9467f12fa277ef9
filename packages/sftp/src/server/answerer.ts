/** Answers requests: each becomes a call to the handler, and its outcome a reply. Knows handles, but no channel. */

import { SftpError } from '../errors.js'
import type { ExtensionPair, SftpAttrs } from '../protocol/attrs.js'
import { composePaths as composed } from '../protocol/compose-path.js'
import { dataHeadroom } from '../protocol/data-packets.js'
import { rangesReply } from '../protocol/data-ranges.js'
import { type Dialect, firstDialect } from '../protocol/dialect.js'
import {
  type ExtendedFields,
  type ExtendedRequestName,
  extensionVersions,
  limitsReply,
  type SftpStatVfs,
  statVfsReply,
  usersGroupsReply,
} from '../protocol/extensions.js'
import { defaultDataLength, framePacket, maximumDataLength, maximumPacketLength } from '../protocol/framing.js'
import { lockFlags } from '../protocol/lock-flags.js'
import type { NameEntry, Request } from '../protocol/model.js'
import { type OpenAccess, textFlag, toOpenFlags } from '../protocol/open-access.js'
import { inSymlinkOrder, type SymlinkOrder } from '../protocol/symlink-order.js'
import { ownAnnouncements } from './announcing.js'
import { attrsOfNew, attrsToSet, withOwnerNames } from './attr-exchange.js'
import { checkFile } from './check-file.js'
import { copyData } from './copy-data.js'
import { expandPath, homeDirectory } from './expand-path.js'
import { HandleTable, runOnBoth } from './handle-table.js'
import type { Awaitable, SftpDirEntry, SftpHandler } from './handler.js'
import { Listing } from './listing.js'
import { longName } from './long-name.js'
import {
  attrsPacket,
  endOfFilePacket,
  extendedReplyPacket,
  handlePacket,
  namePacket,
  okPacket,
} from './reply-packets.js'
import type { RequestGate } from './request-gate.js'
import { type Concern, concernOf, concernOfPaths, mustPrecede, RequestOrder } from './request-order.js'

/** Bytes of names per reply: what every client must take (draft-ietf-secsh-filexfer-02 §3). */
const listingPageLength = defaultDataLength

/** Extended requests, and the method of the handler that each needs. */
const neededMethods = new Map<string, keyof SftpHandler>([
  ['posix-rename@openssh.com', 'posixRename'],
  ['statvfs@openssh.com', 'statvfs'],
  ['fstatvfs@openssh.com', 'fstatvfs'],
  ['hardlink@openssh.com', 'link'],
  ['fsync@openssh.com', 'fsync'],
  ['lsetstat@openssh.com', 'lsetstat'],
  ['ranges@asyncssh.com', 'dataRanges'],
  ['home-directory', 'homeDirectory'],
  ['users-groups-by-id@openssh.com', 'formatUser'],
])

/** Extended requests that need no more than what every handler has. */
const alwaysOffered = new Set(['limits@openssh.com', 'expand-path@openssh.com', 'copy-data', 'check-file-handle'])

/** SSH_FXP_REALPATH_* (draft-ietf-secsh-filexfer-13 §8.9). */
const realpathChecks = { none: 1, ifExists: 2, always: 3 } as const

export interface AnswererOptions {
  readonly gate: RequestGate
  readonly symlinkOrder: SymlinkOrder
  readonly maximumHandles: number
}

/** What is behind a handle. */
type Open<F> =
  | { readonly kind: 'file'; readonly file: F; readonly path: string; readonly concern: Concern }
  | { readonly kind: 'listing'; readonly listing: Listing }

type RequestOf<N extends Request['type']> = Extract<Request, { type: N }>

export class Answerer<F> {
  /** Extended requests that are answered: name and version. */
  readonly #extensions: ReadonlyMap<string, string>
  #dialect = firstDialect
  readonly #handler: SftpHandler<F>
  readonly #options: AnswererOptions
  readonly #handles: HandleTable<Open<F>>
  readonly #order = new RequestOrder()
  #isOver = false

  constructor(handler: SftpHandler<F>, options: AnswererOptions) {
    this.#handler = handler
    this.#options = options
    this.#handles = new HandleTable(options.maximumHandles)
    const isOffered = (name: string): boolean => {
      const method = neededMethods.get(name)
      const isThere = method !== undefined && handler[method as keyof typeof handler] !== undefined
      return (alwaysOffered.has(name) || isThere) && options.gate.announces(name)
    }
    this.#extensions = new Map(Object.entries(extensionVersions).filter(([name]) => isOffered(name)))
  }

  /** Speaks another version from now on. @returns what VERSION shall announce */
  speak(dialect: Dialect): ExtensionPair[] {
    this.#dialect = dialect
    const requests = [...this.#extensions].map(([name, version]) => ({ name, data: Buffer.from(version) }))
    return [...dialect.announcements(ownAnnouncements(this.#handler, [...this.#extensions.keys()])), ...requests]
  }

  /**
   * The whole reply packet. What finds a handle does so before the first wait, so in order of arrival.
   * @throws what the handler throws, or SftpError
   */
  async answer(id: number, request: Request): Promise<Uint8Array> {
    this.#options.gate.check(request)
    assertNoNul(request)
    const concern = concernOf(request)
    if (concern === undefined) return thatFits(await this.#carryOut(id, request))
    return this.#order.run(concern, this.#busyWith(concern), async () => {
      if (this.#isOver) throw new SftpError('ERR_SFTP_CLOSED', 'The channel closed before this request had its turn')
      return thatFits(await this.#carryOut(id, request))
    })
  }

  /** What is under way in open files that a request by path is about. */
  #busyWith(concern: Concern): Promise<unknown>[] {
    const busy: Promise<unknown>[] = []
    for (const { value, idle } of this.#handles.open()) {
      if (idle !== undefined && value.kind === 'file' && mustPrecede(value.concern, concern)) busy.push(idle)
    }
    return busy
  }

  async #carryOut(id: number, request: Request): Promise<Uint8Array> {
    const handler = this.#handler
    switch (request.type) {
      case 'open':
        return handlePacket(id, await this.#open(request))
      case 'opendir':
        return handlePacket(id, await this.#openListing(request.path))
      case 'close':
        await this.#close(request.handle)
        return okPacket(id)
      case 'read':
        return this.#read(id, request)
      case 'write':
        await this.#withFile(request.handle, (file) => handler.write(file, request.data, request.offset))
        return okPacket(id)
      case 'readdir':
        return this.#readPage(id, request.handle)
      case 'fstat':
        return this.#attrs(id, await this.#withFile(request.handle, (file) => handler.fstat(file, request.wanted)))
      case 'fsetstat':
        await this.#fsetstat(request)
        return okPacket(id)
      case 'stat':
        return this.#attrs(id, await handler.stat(request.path, request.wanted))
      case 'lstat':
        return this.#attrs(id, await handler.lstat(request.path, request.wanted))
      case 'setstat':
        await this.#setstat(request.path, request.attrs)
        return okPacket(id)
      case 'remove':
        await handler.remove(request.path)
        return okPacket(id)
      case 'mkdir':
        await handler.mkdir(request.path, await attrsOfNew(handler, request.attrs))
        return okPacket(id)
      case 'rmdir':
        await handler.rmdir(request.path)
        return okPacket(id)
      case 'rename':
        await this.#rename(request)
        return okPacket(id)
      case 'symlink':
        await this.#symlink(request)
        return okPacket(id)
      case 'link':
        await this.#link(request)
        return okPacket(id)
      case 'block':
        await this.#lock(request)
        return okPacket(id)
      case 'unblock':
        await this.#unlock(request)
        return okPacket(id)
      case 'realpath':
        return this.#realpath(id, request)
      case 'readlink':
        return namePacket(this.#dialect, id, await handler.readlink(request.path))
      case 'extended':
        return this.#answerExtended(id, request)
      case 'init':
        throw new SftpError('ERR_SFTP_BAD_MESSAGE', 'INIT is answered before there are requests')
    }
  }

  async #symlink(request: RequestOf<'symlink'>): Promise<void> {
    const { targetPath, linkPath } = inSymlinkOrder(this.#options.symlinkOrder, request)
    await this.#handler.symlink(targetPath, linkPath)
  }

  async #link({ targetPath, linkPath, isSymbolic }: RequestOf<'link'>): Promise<void> {
    if (isSymbolic) await this.#handler.symlink(targetPath, linkPath)
    else await orUnsupported(this.#handler.link?.bind(this.#handler))(targetPath, linkPath)
  }

  /** Flags ask for what is there to be replaced, in one way or another. */
  async #rename({ oldPath, newPath, flags = 0 }: RequestOf<'rename'>): Promise<void> {
    const handler = this.#handler
    if (flags === 0) await handler.rename(oldPath, newPath)
    else await orUnsupported(handler.posixRename?.bind(handler))(oldPath, newPath)
  }

  async #lock({ handle, offset, length, mask }: RequestOf<'block'>): Promise<void> {
    const { read, write, delete: remove, advisory } = lockFlags
    if ((mask & ~(read | write | remove | advisory)) !== 0) throw new SftpError('EINVAL', 'Unknown bits of a lock')
    const lock = orUnsupported(this.#handler.lock?.bind(this.#handler))
    await this.#withFile(handle, (file) => lock(file, offset, length, mask))
  }

  async #unlock({ handle, offset, length }: RequestOf<'unblock'>): Promise<void> {
    const unlock = orUnsupported(this.#handler.unlock?.bind(this.#handler))
    await this.#withFile(handle, (file) => unlock(file, offset, length))
  }

  async #realpath(id: number, { path, check = realpathChecks.none, composePaths = [] }: RequestOf<'realpath'>) {
    const { none, ifExists, always } = realpathChecks
    if (check !== none && check !== ifExists && check !== always) throw new SftpError('EINVAL', 'Unknown check')
    const canonical = await this.#handler.realpath(composed(path, composePaths))
    if (check === none) return namePacket(this.#dialect, id, canonical)
    try {
      const attrs = await this.#told(await this.#handler.stat(canonical, this.#dialect.listedAttrs))
      return namePacket(this.#dialect, id, canonical, attrs)
    } catch (error) {
      if (check === always) throw error
      return namePacket(this.#dialect, id, canonical)
    }
  }

  async #setstat(path: string, attrs: SftpAttrs): Promise<void> {
    const handler = this.#handler
    const current = () => handler.stat(path, this.#dialect.listedAttrs)
    await handler.setstat(path, await attrsToSet(handler, attrs, current))
  }

  async #lsetstat(path: string, attrs: SftpAttrs): Promise<void> {
    const handler = this.#handler
    const current = () => handler.lstat(path, this.#dialect.listedAttrs)
    await handler.lsetstat?.(path, await attrsToSet(handler, attrs, current))
  }

  #fsetstat({ handle, attrs }: RequestOf<'fsetstat'>): Promise<void> {
    const handler = this.#handler
    return this.#withFile(handle, async (file) => {
      const current = () => handler.fstat(file, this.#dialect.listedAttrs)
      await handler.fsetstat(file, await attrsToSet(handler, attrs, current))
    })
  }

  async #attrs(id: number, attrs: SftpAttrs): Promise<Uint8Array> {
    return attrsPacket(this.#dialect, id, await this.#told(attrs))
  }

  /** What a client is told of a file. */
  async #told(attrs: SftpAttrs): Promise<SftpAttrs> {
    return this.#dialect.hasOwnerNames ? withOwnerNames(this.#handler, attrs) : attrs
  }

  /** The channel is over: closes everything once it is idle, and lets the handler go. Never rejects. */
  async end(): Promise<void> {
    this.#isOver = true
    const closing = this.#handles.takeAll().map((handle) => handle.run(() => this.#letGo(handle.value)))
    await Promise.allSettled(closing)
    await this.#handles.settled()
    try {
      await this.#handler.end?.()
    } catch {
      // There is nobody left to be told.
    }
  }

  #open({ path, flags, attrs }: RequestOf<'open'>): Promise<Uint8Array> {
    return this.#handles.add(
      async () => {
        const file = await this.#openFile(path, flags, await attrsOfNew(this.#handler, attrs))
        return { kind: 'file', file, path, concern: concernOfPaths([path], true) }
      },
      (open) => this.#letGo(open),
    )
  }

  #openFile(path: string, flags: number | OpenAccess, attrs: SftpAttrs): Awaitable<F> {
    const handler = this.#handler
    if (typeof flags === 'object' && handler.openAccess !== undefined) return handler.openAccess(path, flags, attrs)
    const classic = toOpenFlags(flags)
    if ((classic & textFlag) !== 0) throw new SftpError('ENOTSUP', 'Line ends are not translated')
    return handler.open(path, classic, attrs)
  }

  #openListing(path: string): Promise<Uint8Array> {
    return this.#handles.add(
      async () => ({
        kind: 'listing',
        listing: await Listing.open(this.#handler.scandir(path, this.#dialect.listedAttrs)),
      }),
      (open) => this.#letGo(open),
    )
  }

  async #close(bytes: Uint8Array): Promise<void> {
    const handle = this.#handles.take(bytes)
    const { value } = handle
    const closing = handle.run(() => this.#letGo(value))
    if (value.kind === 'file') this.#order.add(value.concern, closing)
    await closing
  }

  async #letGo(open: Open<F>): Promise<void> {
    if (open.kind === 'file') await this.#handler.close(open.file)
    else await open.listing.close()
  }

  /** Runs `task` on an open file, after what was asked of it before. */
  #withFile<R>(bytes: Uint8Array, task: (file: F) => R | PromiseLike<R>): Promise<R> {
    const handle = this.#handles.get(bytes)
    const { value } = handle
    if (value.kind !== 'file') throw new SftpError('EBADF', 'The handle is of a directory')
    return handle.run(() => task(value.file))
  }

  /** Reads straight into the packet that carries the data; only what the handler filled goes out. */
  #read(id: number, { handle, offset, length }: RequestOf<'read'>): Promise<Uint8Array> {
    const dialect = this.#dialect
    return this.#withFile(handle, async (file) => {
      const wanted = Math.min(length, maximumDataLength)
      const packet = Buffer.allocUnsafe(dataHeadroom + wanted + dialect.dataTailroom)
      const into = packet.subarray(dataHeadroom, dataHeadroom + wanted)
      const count = wanted === 0 ? 0 : await this.#handler.read(file, into, offset)
      if (!Number.isInteger(count) || count < 0 || count > wanted) {
        throw new SftpError('ERR_SFTP_FAILURE', `The handler read ${count} bytes into ${wanted}`)
      }
      if (count === 0) return endOfFilePacket(id)
      // What is shorter than asked for is the end as a rule. Where the client can be told, it is made sure of.
      const isLast = dialect.dataTailroom > 0 && count < wanted && (await this.#endsAt(file, offset + count))
      const end = dataHeadroom + count + (isLast ? dialect.dataTailroom : 0)
      return dialect.finishDataPacket(packet.subarray(0, end), id, isLast)
    })
  }

  async #endsAt(file: F, position: number): Promise<boolean> {
    try {
      return (await this.#handler.fstat(file)).size === position
    } catch {
      return false
    }
  }

  #readPage(id: number, bytes: Uint8Array): Promise<Uint8Array> {
    const handle = this.#handles.get(bytes)
    const { value } = handle
    if (value.kind !== 'listing') throw new SftpError('EBADF', 'The handle is of a file')
    return handle.run(async () => {
      const entries = await (this.#dialect.hasOwnerNames
        ? this.#laterPage(value.listing)
        : longNamedPage(value.listing))
      if (entries.length === 0) return endOfFilePacket(id)
      const isLast = value.listing.isAtEnd
      return framePacket(this.#dialect.replies.name.encode({ id, entries, ...(isLast && { isLast }) }))
    })
  }

  /** A page of a listing from version 4 on: owners have names, and no line of `ls` goes along. */
  async #laterPage(listing: Listing): Promise<NameEntry[]> {
    const entries = await listing.page(listingPageLength, ({ fileName, attrs }) => {
      const { owner = '', group = '', mimeType = '', acl, untranslatedName } = attrs
      const texts = fileName.length + owner.length + group.length + mimeType.length
      // Lengths, numbers, and names of owners that are not known yet.
      return 3 * texts + (acl?.length ?? 0) + (untranslatedName?.length ?? 0) + 256
    })
    return Promise.all(
      entries.map(async ({ fileName, attrs }) => ({ fileName, attrs: await withOwnerNames(this.#handler, attrs) })),
    )
  }

  async #answerExtended(id: number, { request: name, payload }: RequestOf<'extended'>): Promise<Uint8Array> {
    const handler = this.#handler
    const { extendedRequests } = this.#dialect
    if (!this.#extensions.has(name)) throw new SftpError('ENOTSUP', 'Unknown extended request')
    switch (name as ExtendedRequestName) {
      case 'posix-rename@openssh.com': {
        const { oldPath, newPath } = withoutNul(extendedRequests.decode('posix-rename@openssh.com', payload))
        await handler.posixRename?.(oldPath, newPath)
        return okPacket(id)
      }
      case 'hardlink@openssh.com': {
        const { oldPath, newPath } = withoutNul(extendedRequests.decode('hardlink@openssh.com', payload))
        await handler.link?.(oldPath, newPath)
        return okPacket(id)
      }
      case 'lsetstat@openssh.com': {
        const { path, attrs } = withoutNul(extendedRequests.decode('lsetstat@openssh.com', payload))
        await this.#lsetstat(path, attrs)
        return okPacket(id)
      }
      case 'fsync@openssh.com': {
        const { handle } = extendedRequests.decode('fsync@openssh.com', payload)
        await this.#withFile(handle, (file) => handler.fsync?.(file))
        return okPacket(id)
      }
      case 'statvfs@openssh.com': {
        const { path } = withoutNul(extendedRequests.decode('statvfs@openssh.com', payload))
        return statVfsPacket(id, await handler.statvfs?.(path))
      }
      case 'fstatvfs@openssh.com': {
        const { handle } = extendedRequests.decode('fstatvfs@openssh.com', payload)
        return statVfsPacket(id, await this.#withFile(handle, (file) => handler.fstatvfs?.(file)))
      }
      case 'ranges@asyncssh.com': {
        const { handle, offset, length } = extendedRequests.decode('ranges@asyncssh.com', payload)
        const places = await this.#withFile(handle, (file) => handler.dataRanges?.(file, offset, length))
        if (places === undefined || places.ranges.length === 0) return endOfFilePacket(id)
        return extendedReplyPacket(id, rangesReply.encode({ ...places, ranges: [...places.ranges] }))
      }
      case 'limits@openssh.com':
        return extendedReplyPacket(id, this.#limits())
      case 'copy-data':
        await this.#copyData(extendedRequests.decode('copy-data', payload))
        return okPacket(id)
      case 'check-file-handle': {
        const request = extendedRequests.decode('check-file-handle', payload)
        const isOver = () => this.#isOver
        const reply = await this.#withFile(request.handle, (file) => checkFile(handler, file, request, isOver))
        return extendedReplyPacket(id, reply)
      }
      case 'expand-path@openssh.com': {
        const { path } = withoutNul(extendedRequests.decode('expand-path@openssh.com', payload))
        return namePacket(this.#dialect, id, await expandPath(handler, path))
      }
      case 'home-directory': {
        const { username } = withoutNul(extendedRequests.decode('home-directory', payload))
        return namePacket(this.#dialect, id, await homeDirectory(handler, username))
      }
      case 'users-groups-by-id@openssh.com': {
        const { uids, gids } = extendedRequests.decode('users-groups-by-id@openssh.com', payload)
        const users = await ownerNames(uids, async (uid) => handler.formatUser?.(uid))
        const groups = await ownerNames(gids, async (gid) => handler.formatGroup?.(gid))
        return extendedReplyPacket(id, usersGroupsReply.encode({ users, groups }))
      }
    }
  }

  async #copyData(request: ExtendedFields<'copy-data'>): Promise<void> {
    const handler = this.#handler
    const [from, to] = [this.#handles.get(request.readHandle), this.#handles.get(request.writeHandle)]
    const [source, target] = [from.value, to.value]
    if (source.kind !== 'file' || target.kind !== 'file') throw new SftpError('EBADF', 'The handle is of a directory')
    if (from === to) throw copiesOntoItself()
    await runOnBoth<Open<F>, void>(from, to, async () => {
      if (await isSameFile(handler, source, target)) throw copiesOntoItself()
      const [start, end] = [request.readOffset, request.writeOffset]
      const isOver = () => this.#isOver
      await copyData(handler, { ...source, position: start }, { ...target, position: end }, request.length, isOver)
    })
  }

  #limits(): Uint8Array {
    return limitsReply.encode({
      maxPacketLength: maximumPacketLength,
      maxReadLength: maximumDataLength,
      maxWriteLength: maximumDataLength,
      maxOpenHandles: this.#options.maximumHandles,
    })
  }
}

/** A page of a listing of version 3, which has the line `ls -l` prints for each name. */
async function longNamedPage(listing: Listing): Promise<NameEntry[]> {
  const now = Date.now()
  const longNameOf = (entry: SftpDirEntry): string => entry.longName ?? longName(entry.fileName, entry.attrs, now)
  // A name takes at most 3 bytes per UTF-16 unit; 64 covers the lengths and the attributes.
  const sizeOf = (entry: SftpDirEntry): number => 3 * (entry.fileName.length + longNameOf(entry).length) + 64
  const entries = await listing.page(listingPageLength, sizeOf)
  return entries.map((entry) => ({ ...entry, longName: longNameOf(entry) }))
}

function statVfsPacket(id: number, answer: SftpStatVfs | undefined): Uint8Array {
  if (answer === undefined) throw new SftpError('ENOTSUP', 'Unknown extended request')
  return extendedReplyPacket(id, statVfsReply.encode(answer))
}

/** The same. @throws SftpError `EMSGSIZE` for what no client takes: a handler may have names of any length */
function thatFits(reply: Uint8Array): Uint8Array {
  if (reply.length <= 4 + maximumPacketLength) return reply
  throw new SftpError('EMSGSIZE', 'The answer is longer than a packet may be')
}

interface OpenFile<F> {
  readonly file: F
  readonly path: string
}

async function isSameFile<F>(handler: SftpHandler<F>, first: OpenFile<F>, second: OpenFile<F>): Promise<boolean> {
  if (handler.isSameFile !== undefined) return handler.isSameFile(first.file, second.file)
  return first.file === second.file || first.path === second.path
}

/** As OpenSSH: parts of one file could overlap, and a file that is copied behind its own end would have none. */
function copiesOntoItself(): SftpError {
  return new SftpError('ERR_SFTP_FAILURE', 'A file cannot be copied onto itself')
}

/** Names for numbers, empty where there is none. @throws SftpError `EMSGSIZE` for more than fit into a reply */
async function ownerNames(
  ids: readonly number[],
  nameOf: (id: number) => Promise<string | undefined>,
): Promise<string[]> {
  const known = new Map<number, string>()
  let length = 0
  const names: string[] = []
  for (const id of ids) {
    const name = known.get(id) ?? (await nameOf(id)) ?? ''
    known.set(id, name)
    names.push(name === String(id) ? '' : name)
    // A name takes at most 3 bytes per UTF-16 unit, and its length 4; users and groups share a packet.
    length += 4 + 3 * name.length
    if (length > maximumDataLength / 2) throw new SftpError('EMSGSIZE', 'More names were asked for than a packet holds')
  }
  return names
}

function assertNoNul(request: Request): void {
  withoutNul(request)
}

/** @returns what the handler does. @throws SftpError `ENOTSUP` when it does not */
function orUnsupported<T>(method: T | undefined): T {
  if (method !== undefined) return method
  throw new SftpError('ENOTSUP', 'The handler lacks this operation')
}

/**
 * The same fields.
 * @throws SftpError `ENOENT` when a path holds NUL, where other programs would cut it off; `ENAMETOOLONG`
 */
function withoutNul<T extends object>(fields: T): T {
  for (const value of Object.values(fields)) {
    if (typeof value === 'string') assertPath(value)
    else if (Array.isArray(value)) withoutNul(value)
  }
  return fields
}

/** Characters of a path at most: no system takes longer ones, Windows the longest. */
const maximumPathLength = 32 * 1024

function assertPath(path: string): void {
  if (path.length > maximumPathLength) throw new SftpError('ENAMETOOLONG', 'The path is too long')
  if (path.includes('\0')) throw new SftpError('ENOENT', 'A path holds a NUL character')
}
