/** Answers requests: each becomes a call to the handler, and its outcome a reply. Knows handles, but no channel. */

import { SftpError } from '../errors.js'
import { dataHeadroom, finishDataPacket } from '../protocol/data-packets.js'
import {
  type ExtendedRequestName,
  extendedRequests,
  extensionVersions,
  limitsReply,
  type SftpStatVfs,
  statVfsReply,
} from '../protocol/extensions.js'
import { defaultDataLength, framePacket, maximumDataLength, maximumPacketLength } from '../protocol/framing.js'
import { toOpenFlags } from '../protocol/open-access.js'
import { openFlags } from '../protocol/open-flags.js'
import { type Request, replies } from '../protocol/packets.js'
import { inSymlinkOrder, type SymlinkOrder } from '../protocol/symlink-order.js'
import { HandleTable } from './handle-table.js'
import type { SftpDirEntry, SftpHandler } from './handler.js'
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
])

/** Requests that change files. */
const changes = new Set<string>([
  'write',
  'setstat',
  'fsetstat',
  'remove',
  'mkdir',
  'rmdir',
  'rename',
  'symlink',
  'posix-rename@openssh.com',
  'hardlink@openssh.com',
  'lsetstat@openssh.com',
])

export interface AnswererOptions {
  readonly readOnly: boolean
  readonly symlinkOrder: SymlinkOrder
  readonly maximumHandles: number
}

/** What is behind a handle. */
type Open<F> = { readonly kind: 'file'; readonly file: F } | { readonly kind: 'listing'; readonly listing: Listing }

type RequestOf<N extends Request['type']> = Extract<Request, { type: N }>

export class Answerer<F> {
  /** Extended requests to announce: name and version. */
  readonly extensions: ReadonlyMap<string, string>
  readonly #handler: SftpHandler<F>
  readonly #options: AnswererOptions
  readonly #handles: HandleTable<Open<F>>

  constructor(handler: SftpHandler<F>, options: AnswererOptions) {
    this.#handler = handler
    this.#options = options
    this.#handles = new HandleTable(options.maximumHandles)
    const isOffered = (name: string): boolean => {
      const method = neededMethods.get(name)
      return (
        name === 'limits@openssh.com' || (method !== undefined && handler[method as keyof typeof handler] !== undefined)
      )
    }
    this.extensions = new Map(Object.entries(extensionVersions).filter(([name]) => isOffered(name)))
  }

  /**
   * The whole reply packet. What finds a handle does so before the first wait, so in order of arrival.
   * @throws what the handler throws, or SftpError
   */
  async answer(id: number, request: Request): Promise<Uint8Array> {
    const handler = this.#handler
    if (this.#options.readOnly) assertNoChange(request)
    assertNoNul(request)
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
        return attrsPacket(id, await this.#withFile(request.handle, (file) => handler.fstat(file)))
      case 'fsetstat':
        await this.#withFile(request.handle, (file) => handler.fsetstat(file, request.attrs))
        return okPacket(id)
      case 'stat':
        return attrsPacket(id, await handler.stat(request.path))
      case 'lstat':
        return attrsPacket(id, await handler.lstat(request.path))
      case 'setstat':
        await handler.setstat(request.path, request.attrs)
        return okPacket(id)
      case 'remove':
        await handler.remove(request.path)
        return okPacket(id)
      case 'mkdir':
        await handler.mkdir(request.path, request.attrs)
        return okPacket(id)
      case 'rmdir':
        await handler.rmdir(request.path)
        return okPacket(id)
      case 'rename':
        await handler.rename(request.oldPath, request.newPath)
        return okPacket(id)
      case 'symlink':
        await this.#symlink(request)
        return okPacket(id)
      case 'realpath':
        return namePacket(id, await handler.realpath(request.path))
      case 'readlink':
        return namePacket(id, await handler.readlink(request.path))
      case 'extended':
        return this.#answerExtended(id, request)
      case 'link':
      case 'block':
      case 'unblock':
        throw new SftpError('ENOTSUP', 'Unknown request')
      case 'init':
        throw new SftpError('ERR_SFTP_BAD_MESSAGE', 'INIT is answered before there are requests')
    }
  }

  async #symlink(request: RequestOf<'symlink'>): Promise<void> {
    const { targetPath, linkPath } = inSymlinkOrder(this.#options.symlinkOrder, request)
    await this.#handler.symlink(targetPath, linkPath)
  }

  /** The channel is over: closes everything once it is idle, and lets the handler go. Never rejects. */
  async end(): Promise<void> {
    const closing = this.#handles.takeAll().map((handle) => handle.run(() => this.#letGo(handle.value)))
    await Promise.allSettled(closing)
    await Promise.resolve(this.#handler.end?.()).catch(() => {})
  }

  #open({ path, flags, attrs }: RequestOf<'open'>): Promise<Uint8Array> {
    return this.#handles.add(
      async () => ({ kind: 'file', file: await this.#handler.open(path, toOpenFlags(flags), attrs) }),
      (open) => this.#letGo(open),
    )
  }

  #openListing(path: string): Promise<Uint8Array> {
    return this.#handles.add(
      async () => ({ kind: 'listing', listing: await Listing.open(this.#handler.scandir(path)) }),
      (open) => this.#letGo(open),
    )
  }

  async #close(bytes: Uint8Array): Promise<void> {
    const handle = this.#handles.take(bytes)
    await handle.run(() => this.#letGo(handle.value))
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
    return this.#withFile(handle, async (file) => {
      const packet = Buffer.allocUnsafe(dataHeadroom + Math.min(length, maximumDataLength))
      const into = packet.subarray(dataHeadroom)
      const count = into.length === 0 ? 0 : await this.#handler.read(file, into, offset)
      if (!Number.isInteger(count) || count < 0 || count > into.length) {
        throw new SftpError('ERR_SFTP_FAILURE', `The handler read ${count} bytes into ${into.length}`)
      }
      return count === 0 ? endOfFilePacket(id) : finishDataPacket(packet.subarray(0, dataHeadroom + count), id)
    })
  }

  #readPage(id: number, bytes: Uint8Array): Promise<Uint8Array> {
    const handle = this.#handles.get(bytes)
    const { value } = handle
    if (value.kind !== 'listing') throw new SftpError('EBADF', 'The handle is of a file')
    return handle.run(async () => {
      const now = Date.now()
      const longNameOf = (entry: SftpDirEntry): string => entry.longName ?? longName(entry.fileName, entry.attrs, now)
      // A name takes at most 3 bytes per UTF-16 unit; 64 covers the lengths and the attributes.
      const sizeOf = (entry: SftpDirEntry): number => 3 * (entry.fileName.length + longNameOf(entry).length) + 64
      const entries = await value.listing.page(listingPageLength, sizeOf)
      if (entries.length === 0) return endOfFilePacket(id)
      const named = entries.map((entry) => ({ ...entry, longName: longNameOf(entry) }))
      return framePacket(replies.name.encode({ id, entries: named }))
    })
  }

  async #answerExtended(id: number, { request: name, payload }: RequestOf<'extended'>): Promise<Uint8Array> {
    const handler = this.#handler
    if (!this.extensions.has(name)) throw new SftpError('ENOTSUP', 'Unknown extended request')
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
        await handler.lsetstat?.(path, attrs)
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
      case 'limits@openssh.com':
        return extendedReplyPacket(id, this.#limits())
      case 'copy-data':
      case 'expand-path@openssh.com':
      case 'home-directory':
      case 'ranges@asyncssh.com':
      case 'users-groups-by-id@openssh.com':
        throw new SftpError('ENOTSUP', 'Unknown extended request')
    }
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

function statVfsPacket(id: number, answer: SftpStatVfs | undefined): Uint8Array {
  if (answer === undefined) throw new SftpError('ENOTSUP', 'Unknown extended request')
  return extendedReplyPacket(id, statVfsReply.encode(answer))
}

/** @throws SftpError `EROFS` for what a read-only server does not do; opening for reading must not make a file either */
function assertNoChange(request: Request): void {
  const name = request.type === 'extended' ? request.request : request.type
  const opensForChange = request.type === 'open' && (toOpenFlags(request.flags) & ~openFlags.read) !== 0
  if (opensForChange || changes.has(name)) throw new SftpError('EROFS', 'The server is read-only')
}

function assertNoNul(request: Request): void {
  withoutNul(request)
}

/** The same fields. @throws SftpError `ENOENT` when a path holds NUL, where other programs would cut it off */
function withoutNul<T extends object>(fields: T): T {
  for (const value of Object.values(fields)) {
    if (typeof value === 'string' && value.includes('\0')) throw new SftpError('ENOENT', 'A path holds a NUL character')
  }
  return fields
}
