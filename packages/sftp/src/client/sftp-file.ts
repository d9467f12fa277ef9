/** An open remote file. */

import type { Readable, Writable } from 'node:stream'
import { asBuffer, HeldChunks, knownOptions } from '@ssh/wire'
import { isOver, SftpError } from '../errors.js'
import { assertUint53, type SftpAttrs } from '../protocol/attrs.js'
import { writeHeadroom } from '../protocol/data-packets.js'
import { type SftpStatVfs, statVfsReply } from '../protocol/extensions.js'
import { lockFlags } from '../protocol/lock-flags.js'
import { mayRead, mayWrite, type OpenAccess, opensAtEnd } from '../protocol/open-access.js'
import { openFlags } from '../protocol/open-flags.js'
import { throwIfAborted, untilAborted } from './abort.js'
import { cannotBeOpened, cannotBeRead, explained } from './explained.js'
import {
  closeHandle,
  lockRange,
  type OpenHandle,
  openFile,
  readFully,
  setstatHandle,
  statHandle,
  unlockRange,
  writePacket,
} from './operations.js'
import {
  blockSizeOf,
  checkBlockOptions,
  optionNames,
  type SftpCallOptions,
  type SftpFileOptions,
  type SftpReadFileOptions,
  type SftpReadOptions,
  type SftpReadStreamOptions,
  type SftpStatOptions,
  type SftpWriteOptions,
  type SftpWriteStreamOptions,
  signalOf,
  withEncoding,
} from './options.js'
import { attrsOfOwner } from './owners.js'
import { readAhead } from './read-ahead.js'
import { readParallel, type SftpPart } from './read-parallel.js'
import { type Block, emptyBlock, expectDone, expectExtended, joinBlock } from './reply-kinds.js'
import type { ClientSession } from './session.js'
import type { SftpStats } from './stats.js'
import { readStream, writeStream } from './streams.js'
import { attrsOfTimes, type SftpTime } from './times.js'
import { WriteBehind } from './write-behind.js'

/** Nobody else may do anything. */
const exclusiveLock = lockFlags.read | lockFlags.write | lockFlags.delete

/** Options of {@link SftpFile.writer}. */
export interface WriterOptions extends SftpFileOptions {
  /** So many more bytes are written, as the server has confirmed. */
  readonly onBytes?: (byteCount: number) => void
}

/**
 * What requests need to know of an open file, for this package only.
 * @throws SftpError `ERR_SFTP_CLOSED`
 */
export let openHandleOf: (file: SftpFile) => OpenHandle

/**
 * An open remote file with a position, as `SftpClient.open` gives it. Close it, or declare it with `await using`.
 *
 * Reads and writes are cut into requests of the server's size and pipelined. Two calls at once are safe when each names
 * its position; calls without one (and `seek` and `tell`) take turns, in the order in which they were made.
 */
export class SftpFile implements AsyncIterable<Buffer> {
  static {
    openHandleOf = (file) => file.#open()
  }
  readonly path: string
  readonly #handle: Uint8Array
  readonly #file: OpenHandle
  readonly #appends: boolean
  readonly #flags: number | OpenAccess
  readonly #options: SftpFileOptions
  readonly #readLength: number
  readonly #writeLength: number
  /** Undefined while only the server knows where it appends. */
  #position: number | undefined
  #closing: Promise<void> | undefined
  /** Settles when the last call that moves the position has had its turn; never rejects. */
  #lastTurn: Promise<unknown> = Promise.resolve()

  private constructor(
    file: OpenHandle,
    flags: number | OpenAccess,
    options: SftpFileOptions,
    limits: { maxReadLength: number; maxWriteLength: number },
  ) {
    this.path = file.path
    this.#handle = file.handle
    const handle = (): Uint8Array => this.#openHandle()
    // What is under way asks for the handle each time: a server may give that of a closed file to the next one.
    this.#file = {
      session: file.session,
      path: file.path,
      get handle() {
        return handle()
      },
    }
    this.#flags = flags
    this.#appends = opensAtEnd(flags)
    this.#options = options
    const blockSize = blockSizeOf(options)
    this.#readLength = Math.min(blockSize, limits.maxReadLength)
    this.#writeLength = Math.min(blockSize, limits.maxWriteLength)
    this.#position = this.#appends ? undefined : 0
  }

  /** Opens `path`; users call `SftpClient.open`. */
  static async open(
    session: ClientSession,
    path: string,
    flags: number | OpenAccess,
    attrs: SftpAttrs,
    options: SftpFileOptions,
  ): Promise<SftpFile> {
    checkBlockOptions(options)
    const opening = openFile(session, path, flags, attrs, options.signal)
    const context = { operation: 'open', signal: options.signal }
    // Versions that have more than flags have a status for this.
    const isExclusive = typeof flags === 'number' && (flags & openFlags.exclusive) !== 0
    const { file, limits } = await explained(session, opening, cannotBeOpened(path, isExclusive), context)
    return new SftpFile(file, flags, options, limits)
  }

  /**
   * Reads from `position`, or from where the last read or write ended, and moves on in the second case.
   * @param length bytes; default: all that is left
   * @returns fewer bytes only at the end of the file, none when it is reached; a string when `encoding` is given
   */
  read(
    length: number | undefined,
    position: number | undefined,
    options: SftpReadOptions & { encoding: BufferEncoding },
  ): Promise<string>
  read(length?: number, position?: number, options?: SftpReadOptions): Promise<Buffer>
  async read(
    length = Number.POSITIVE_INFINITY,
    position?: number,
    options: SftpReadOptions = {},
  ): Promise<string | Buffer> {
    const { encoding, signal } = knownOptions('read', options, optionNames.read)
    this.#assertReadable()
    checkLength(length, this.path)
    const bytes =
      position === undefined
        ? await this.#inTurn(() => this.#read(length, undefined, signal), signal)
        : await this.#read(length, position, signal)
    return encoding ? bytes.toString(encoding) : bytes
  }

  /**
   * Reads as {@link SftpFile.read}, in parts that come as they arrive, in any order; those of a part in flight that is
   * waited for too long would else hold up the others. Leaves the position alone.
   * @param length bytes; default: all from there on
   */
  async *readParallel(
    length = Number.POSITIVE_INFINITY,
    position?: number,
    options: SftpFileOptions = {},
  ): AsyncGenerator<SftpPart> {
    knownOptions('readParallel', options, optionNames.file)
    checkLength(length, this.path)
    const { signal } = options
    const start = position ?? (await this.tell({ signal }))
    const end = Math.min(start + length, await this.#size({ signal }))
    const { blockSize = this.#readLength, maxRequests = this.#maxRequests } = options
    yield* readParallel(this.#open(), {
      start,
      end,
      blockSize: Math.min(this.#readLength, blockSizeOf({ blockSize })),
      maxRequests,
      signal,
    })
  }

  async #read(length: number, position: number | undefined, signal: AbortSignal | undefined): Promise<Buffer> {
    const start = position ?? (await this.#tell({ signal }))
    const bytes =
      length <= this.#readLength
        ? joinBlock(await this.#readOne(start, length, signal))
        : await this.#readMany(start, start + length, { signal })
    if (position === undefined) this.#position = start + bytes.length
    return bytes
  }

  /** Reads the whole file from its start, wherever the position is. */
  readFile(options: BufferEncoding | (SftpReadFileOptions & { encoding: BufferEncoding })): Promise<string>
  readFile(options?: SftpReadFileOptions): Promise<Buffer>
  async readFile(given: SftpReadFileOptions | BufferEncoding = {}): Promise<string | Buffer> {
    const options = knownOptions('readFile', withEncoding(given), optionNames.readFile)
    this.#assertReadable()
    const bytes = await this.#readMany(0, Number.POSITIVE_INFINITY, options)
    return options.encoding ? bytes.toString(options.encoding) : bytes
  }

  /**
   * Writes all of `data` (a string as UTF-8, unless `encoding` says otherwise) at `position`, or where the last read or write ended.
   * A file opened for appending writes at its end, whatever the position.
   * @returns bytes written
   */
  async write(data: string | Uint8Array, position?: number, options: SftpWriteOptions = {}): Promise<number> {
    const { encoding = 'utf8', signal } = knownOptions('write', options, optionNames.write)
    this.#assertWritable()
    const bytes = typeof data === 'string' ? Buffer.from(data, encoding) : data
    const isPlaced = position !== undefined && !this.#appends
    if (isPlaced) await this.#write(bytes, position, signal)
    else await this.#inTurn(() => this.#write(bytes, undefined, signal), signal)
    return bytes.length
  }

  async #write(bytes: Uint8Array, position: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    const start = this.#appends ? await this.writeStart({ signal }) : (position ?? (await this.#tell({ signal })))
    // Behind that, some of it would be written and some refused.
    assertUint53(start + bytes.length)
    if (bytes.length <= this.#writeLength && bytes.length > 0) await this.#writeOne(bytes, start, signal)
    else await this.#writeMany(bytes, start, signal)
    if (this.#appends) this.#position = undefined
    else if (position === undefined) this.#position = start + bytes.length
  }

  /** Moves the position. @returns the new one, from the start of the file */
  async seek(
    offset: number,
    from: 'start' | 'current' | 'end' = 'start',
    options: SftpCallOptions = {},
  ): Promise<number> {
    const move = async (): Promise<number> => {
      const base = from === 'start' ? 0 : from === 'current' ? await this.#tell(options) : await this.#size(options)
      const target = base + offset
      if (!Number.isSafeInteger(target) || target < 0) {
        throw new SftpError('EINVAL', `Cannot seek to ${target}`, { path: this.path })
      }
      this.#position = target
      return target
    }
    return this.#inTurn(move, options.signal)
  }

  /** The position; asks the server for the size when the file was opened for appending. */
  async tell(options: SftpCallOptions = {}): Promise<number> {
    return this.#inTurn(() => this.#tell(options), options.signal)
  }

  async #tell(options: SftpCallOptions): Promise<number> {
    this.#position ??= await this.#size(options)
    return this.#position
  }

  /** Attributes of the open file. */
  async stat(options: SftpStatOptions = {}): Promise<SftpStats> {
    const { wanted, signal } = knownOptions('stat', options, optionNames.stat)
    return statHandle(this.#open(), signal, wanted)
  }

  /** Sets the attributes that are named, and no others. */
  async setstat(attrs: SftpAttrs, options: SftpCallOptions = {}): Promise<void> {
    await setstatHandle(this.#open(), attrs, signalOf('setstat', options))
  }

  /** The file system the file is on. @throws SftpError `ENOTSUP` when the server cannot tell */
  async statvfs(options: SftpCallOptions = {}): Promise<SftpStatVfs> {
    const { session, handle, path } = this.#open()
    const context = { operation: 'fstatvfs', path, signal: signalOf('statvfs', options) }
    return statVfsReply.decode(await session.extended(expectExtended, 'fstatvfs@openssh.com', { handle }, context))
  }

  /** Cuts the file, or fills it with zeros, to `size` bytes; default: the position. */
  async truncate(size?: number, options: SftpCallOptions = {}): Promise<void> {
    await this.setstat({ size: size ?? (await this.tell(options)) }, options)
  }

  /**
   * Sets owner and group, by number, or from version 4 on by name.
   * @throws SftpError `ENOTSUP` for a name in version 3
   */
  chown(owner: number | string, group: number | string, options: SftpCallOptions = {}): Promise<void> {
    return this.setstat(attrsOfOwner(owner, group), options)
  }

  /** Sets permission bits, for instance `0o644`. */
  chmod(mode: number, options: SftpCallOptions = {}): Promise<void> {
    return this.setstat({ permissions: mode }, options)
  }

  /**
   * Sets access and modification time, as Dates, seconds since 1970, or nanoseconds since 1970 as bigints; default now.
   * Version 3 has whole seconds only.
   */
  utime(atime?: SftpTime, mtime?: SftpTime, options: SftpCallOptions = {}): Promise<void> {
    return this.setstat(attrsOfTimes(atime, mtime), options)
  }

  /**
   * Locks bytes of the file until {@link SftpFile.unlock}, or until it is closed. Nothing waits for a lock.
   * @param offset first byte; @param length bytes, 0 for all from there on, also those written later
   * @param flags what nobody else may do with them: a sum of `lockFlags`. Default: read, write or delete them
   * @throws SftpError `ENOTSUP` before version 6, or when the server has no such locks; `ERR_SFTP_LOCK_CONFLICT` when
   *   somebody else has locked any of them
   */
  async lock(offset = 0, length = 0, flags: number = exclusiveLock, options: SftpCallOptions = {}): Promise<void> {
    await lockRange(this.#open(), offset, length, flags, signalOf('lock', options))
  }

  /**
   * Takes a lock off again.
   * @param offset, length those of the lock
   * @throws SftpError `ENOTSUP` as {@link SftpFile.lock}; `ERR_SFTP_NO_MATCHING_LOCK` when there is none of just these
   */
  async unlock(offset = 0, length = 0, options: SftpCallOptions = {}): Promise<void> {
    await unlockRange(this.#open(), offset, length, signalOf('unlock', options))
  }

  /** Asks the server to put the file on its disk. @throws SftpError `ENOTSUP` when it cannot */
  async sync(options: SftpCallOptions = {}): Promise<void> {
    const { session, handle, path } = this.#open()
    const context = { operation: 'fsync', path, signal: signalOf('sync', options) }
    await session.extended(expectDone, 'fsync@openssh.com', { handle }, context)
  }

  /** A Readable that reads ahead; it starts at 0 unless told, leaves the position alone, and leaves the file open. */
  createReadStream(options: SftpReadStreamOptions = {}): Readable {
    knownOptions('createReadStream', options, optionNames.readStream)
    return readStream(() => Promise.resolve(this), { ...options, autoClose: false })
  }

  /** A Writable that writes behind; it starts at 0 unless told, leaves the position alone, and leaves the file open. */
  createWriteStream(options: SftpWriteStreamOptions = {}): Writable {
    knownOptions('createWriteStream', options, optionNames.writeStream)
    return writeStream(() => Promise.resolve(this), { ...options, autoClose: false })
  }

  /** Blocks from `start` to before `end`, in order and read ahead. */
  async *blocks(start: number, end: number, options: SftpFileOptions = {}): AsyncGenerator<Buffer> {
    for await (const block of this.#readAhead(start, end, options)) yield joinBlock(block)
  }

  /** Where writing begins unless told: at the end when appending, since some servers leave finding it to the client. */
  async writeStart(options: SftpCallOptions = {}): Promise<number> {
    return this.#appends ? ((await this.stat(options)).size ?? 0) : 0
  }

  /** A writer that gathers and pipelines; finish it before the file is closed. */
  writer(start: number, options: WriterOptions = {}): WriteBehind {
    return new WriteBehind(this.#open(), {
      start,
      blockSize: Math.min(this.#writeLength, blockSizeOf(options)),
      maxRequests: this.#appends ? 1 : (options.maxRequests ?? this.#maxRequests),
      signal: options.signal,
      onBytes: options.onBytes,
    })
  }

  /**
   * Closes the file. May be called again, and when this side has ended the session, which closed it.
   * @throws SftpError what the server answers, which may be of earlier writes; `ERR_SFTP_CONNECTION_LOST`
   */
  async close(options: SftpCallOptions = {}): Promise<void> {
    const signal = signalOf('close', options)
    const { session } = this.#file
    if (this.#closing === undefined && session.isClosed) this.#closing = Promise.resolve()
    // The request goes out whatever the signal says: the server must not keep the handle.
    this.#closing ??= closeHandle(session, this.#handle, this.path, undefined)
    await untilAborted(this.#closing, signal)
  }

  /** The content from the start, in blocks. */
  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return this.blocks(0, Number.POSITIVE_INFINITY)
  }

  /** As {@link SftpFile.close}, but for a session that is over: whoever used the file has heard of that. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.close()
    } catch (error) {
      if (!(error instanceof SftpError) || !isOver(error)) throw error
    }
  }

  /** One step that moves the position, once those before it are done. */
  #inTurn<T>(step: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const turn = this.#lastTurn.then(() => {
      throwIfAborted(signal)
      return step()
    })
    this.#lastTurn = turn.catch(() => {})
    return untilAborted(turn, signal)
  }

  /** @throws SftpError `EBADF` */
  #assertReadable(): void {
    if (!mayRead(this.#flags)) throw notOpenedFor('reading', this.path)
  }

  /** @throws SftpError `EBADF` */
  #assertWritable(): void {
    if (!mayWrite(this.#flags)) throw notOpenedFor('writing', this.path)
  }

  get #maxRequests(): number {
    return this.#options.maxRequests ?? Number.POSITIVE_INFINITY
  }

  /** @throws SftpError `ERR_SFTP_CLOSED` */
  #open(): OpenHandle {
    this.#openHandle()
    return this.#file
  }

  #openHandle(): Uint8Array {
    if (this.#closing !== undefined) throw new SftpError('ERR_SFTP_CLOSED', 'The file was closed', { path: this.path })
    return this.#handle
  }

  async #size(options: SftpCallOptions): Promise<number> {
    const { size } = await this.stat(options)
    if (size === undefined) throw new SftpError('ENOTSUP', 'The server does not tell the size', { path: this.path })
    return size
  }

  async #readOne(start: number, length: number, signal: AbortSignal | undefined): Promise<Block> {
    throwIfAborted(signal)
    return length === 0 ? emptyBlock : this.#explained(readFully(this.#open(), start, length, signal), signal)
  }

  #readAhead(start: number, end: number, options: SftpFileOptions): AsyncGenerator<Block> {
    return readAhead(this.#open(), {
      start,
      end,
      blockSize: Math.min(this.#readLength, blockSizeOf(options)),
      maxRequests: options.maxRequests ?? this.#maxRequests,
      signal: options.signal,
    })
  }

  async #readMany(start: number, end: number, options: SftpFileOptions): Promise<Buffer> {
    const gather = async (): Promise<Buffer> => {
      const held = new HeldChunks()
      for await (const { chunks } of this.#readAhead(start, end, options)) for (const chunk of chunks) held.push(chunk)
      return asBuffer(held.join())
    }
    return this.#explained(gather(), options.signal)
  }

  /** A read that failed without a reason may have been of a directory. */
  #explained<T>(reading: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const context = { operation: 'read', signal }
    return explained(this.#file.session, reading, cannotBeRead(this.path), context)
  }

  async #writeOne(bytes: Uint8Array, start: number, signal: AbortSignal | undefined): Promise<void> {
    const file = this.#open()
    const headroom = writeHeadroom(file.handle)
    const packet = Buffer.allocUnsafe(headroom + bytes.length)
    packet.set(bytes, headroom)
    await writePacket(file, packet, start, signal)
  }

  async #writeMany(bytes: Uint8Array, start: number, signal: AbortSignal | undefined): Promise<void> {
    const writer = this.writer(start, { signal })
    await writer.write(bytes)
    await writer.finish()
  }
}

function notOpenedFor(what: 'reading' | 'writing', path: string): SftpError {
  return new SftpError('EBADF', `EBADF: the file was not opened for ${what}`, { path })
}

/** @throws SftpError `EINVAL` */
function checkLength(length: number, path: string): void {
  if (length >= 0) return
  throw new SftpError('EINVAL', `Expected a length of 0 bytes or more, found ${length}`, { path })
}
