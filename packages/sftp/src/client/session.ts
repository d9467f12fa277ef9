/**
 * One SFTP session seen from the client: the handshake, and requests that become promises.
 *
 * Replies come in any order and find their request by id. A server that breaks the protocol (an unknown or repeated id,
 * a reply of another type, more data than asked for) ends the session; one that refuses a request ends only that.
 */

import { AbortError, type ByteChannel, concatBytes, SshError } from '@ssh/wire'
import { BlockMemory } from '../block-memory.js'
import { protocolError, SftpError } from '../errors.js'
import { readAnnouncements, type SftpAnnouncements, versionSelect } from '../protocol/announcements.js'
import { dataHeadroom, dataPacketStart, peekPacket } from '../protocol/data-packets.js'
import {
  checkVersion,
  type Dialect,
  defaultVersion,
  dialectOf,
  firstDialect,
  type SftpVersion,
} from '../protocol/dialect.js'
import { type ExtendedFields, type ExtendedRequestName, limitsReply } from '../protocol/extensions.js'
import { defaultDataLength, framePacket, maximumDataLength, type Packet, PacketReader } from '../protocol/framing.js'
import { PacketWriter } from '../protocol/packet-writer.js'
import { replies, requests } from '../protocol/packets.js'
import { statusCodes } from '../protocol/status.js'
import type { SymlinkOrder } from '../protocol/symlink-order.js'
import { onAbort } from './abort.js'
import { InFlightBudget } from './in-flight-budget.js'
import type { SftpClientOptions } from './options.js'
import { expectDone, expectExtended, expectHandle, type ReplyKind } from './reply-kinds.js'
import { RequestTable } from './request-table.js'
import { isTraced, requestChannel, type SftpRequestTrace, traced } from './tracing.js'

/** How long a server may take to close its end. */
const closeTimeoutMs = 10_000

/** What an error of a request says about it. */
export interface RequestContext {
  /** For messages: `open`, `rename`. */
  readonly operation: string
  readonly path?: string | undefined
  /** Position in the file. */
  readonly offset?: number
  readonly signal?: AbortSignal | undefined
}

/** The server's limits (OpenSSH PROTOCOL §4.8); Infinity where it names none. */
export interface SftpLimits {
  /** Bytes of a packet without its length field. */
  readonly maxPacketLength: number
  /** Bytes one READ may ask for. */
  readonly maxReadLength: number
  /** Bytes one WRITE may carry. */
  readonly maxWriteLength: number
  readonly maxOpenHandles: number
}

const defaultLimits: SftpLimits = {
  maxPacketLength: defaultDataLength + 1024,
  maxReadLength: defaultDataLength,
  maxWriteLength: defaultDataLength,
  maxOpenHandles: Number.POSITIVE_INFINITY,
}

export class ClientSession {
  readonly budget: InFlightBudget
  /** How the server reads SYMLINK, which version 6 does not have. */
  readonly symlinkOrder: SymlinkOrder
  /** Settles when the channel is over; never rejects. */
  readonly closed: Promise<void>
  /**
   * For blocks of files. Of one server: one that answers a WRITE it has not been sent yet mixes up what follows, but
   * only with bytes that are on their way to it, or came from it.
   */
  readonly memory = new BlockMemory()
  readonly #channel: ByteChannel
  readonly #reader = new PacketReader({
    startLength: dataHeadroom - 4,
    place: (start, length) => this.#memoryFor(start, length),
  })
  readonly #writer: PacketWriter
  readonly #table = new RequestTable()
  readonly #extensions = new Map<string, string>()
  /** The latest version offered. */
  readonly #offered: SftpVersion
  #limits: Promise<SftpLimits> = Promise.resolve(defaultLimits)
  readonly #roomListeners = new Set<() => void>()
  readonly #endListeners = new Set<(error: Error) => void>()
  #dialect = firstDialect
  #announcements: SftpAnnouncements = {}
  /** Why no request can be made any more. */
  #failure: Error | undefined
  #isClosed = false
  /** Until VERSION has come. */
  #handshake: { resolve(): void; reject(error: Error): void } | undefined
  #markClosed: () => void = () => {}

  /** Whether this side has ended the session. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Whether memory of a packet may be used again once the server has answered it. */
  get copiesChunks(): boolean {
    return this.#channel.copiesChunks ?? false
  }

  /** Whether the server's window is what limits how fast requests leave. */
  get isWindowLimited(): boolean {
    return this.#channel.isWindowLimited ?? false
  }

  /** Whether the channel takes more; a careful sender of bulk data waits until it does. */
  get hasRoom(): boolean {
    return !this.#writer.isFull
  }

  /** Calls `listener` whenever there is room again; the result stops that. */
  onRoom(listener: () => void): () => void {
    this.#roomListeners.add(listener)
    return () => this.#roomListeners.delete(listener)
  }

  /** Calls `listener` once no request can be made any more, for those who wait for something else; the result stops that. */
  onEnd(listener: (error: Error) => void): () => void {
    if (this.#failure !== undefined) listener(this.#failure)
    else this.#endListeners.add(listener)
    return () => this.#endListeners.delete(listener)
  }

  private constructor(channel: ByteChannel, options: SftpClientOptions, budget: InFlightBudget | undefined) {
    this.#channel = channel
    this.#writer = new PacketWriter(channel, () => {
      for (const listener of [...this.#roomListeners]) listener()
    })
    this.budget = budget ?? new InFlightBudget(options.maximumInFlight)
    this.symlinkOrder = options.symlinkOrder ?? 'target-first'
    this.#offered = checkVersion(options.sftpVersion ?? defaultVersion)
    this.closed = new Promise((resolve) => {
      this.#markClosed = resolve
    })
  }

  /**
   * Sends INIT, and resolves when VERSION has come; the limits are asked for without waiting for them.
   * @param budget that of a session beside, to share it
   */
  static async start(
    channel: ByteChannel,
    options: SftpClientOptions = {},
    budget?: InFlightBudget,
  ): Promise<ClientSession> {
    const { signal } = options
    if (signal?.aborted) {
      channel.abort()
      throw new AbortError(signal.reason)
    }
    const session = new ClientSession(channel, options, budget)
    const ready = new Promise<void>((resolve, reject) => {
      session.#handshake = { resolve, reject }
    })
    const stopWatching = signal && onAbort(signal, () => session.#fail(new AbortError(signal.reason)))
    channel.attach({
      onData: (chunk) => session.#receive(chunk),
      onEnd: () => session.#fail(connectionLost('The server ended the SFTP session')),
      onDrain: () => session.#writer.drained(),
      onClose: (error) => session.#closed(error),
    })
    session.#writer.send(framePacket(requests.init.encode({ version: session.#offered, extensions: [] })))
    try {
      await ready
      await session.#selectVersion()
    } finally {
      stopWatching?.()
    }
    session.#limits = session.#learnLimits()
    return session
  }

  /** What both sides speak. */
  get dialect(): Dialect {
    return this.#dialect
  }

  get version(): SftpVersion {
    return this.#dialect.version
  }

  /** What the server says of itself. */
  get announcements(): SftpAnnouncements {
    return this.#announcements
  }

  /** What the server announced in VERSION: name and data. */
  get extensions(): ReadonlyMap<string, string> {
    return this.#extensions
  }

  /** The server's limits, or the protocol's defaults when it has none to tell. */
  get limits(): Promise<SftpLimits> {
    return this.#limits
  }

  /** Requests not answered yet. */
  get inFlight(): number {
    return this.#table.size
  }

  /**
   * Sends a request and waits for its reply.
   * @param kind what it may be answered with
   * @param build makes the whole packet, length field included, for the id it is given
   * @throws SftpError what the server answered, or why there is no answer; AbortError
   */
  request<T>(kind: ReplyKind<T>, build: (id: number) => Uint8Array, context: RequestContext): Promise<T> {
    if (!isTraced(requestChannel)) return this.#request(kind, build, context, undefined)
    const { operation, path, offset } = context
    return traced(
      requestChannel,
      () => ({ operation, path, offset }),
      (trace) => this.#request(kind, build, context, trace),
    )
  }

  #request<T>(
    kind: ReplyKind<T>,
    build: (id: number) => Uint8Array,
    context: RequestContext,
    trace: SftpRequestTrace | undefined,
  ): Promise<T> {
    const { signal } = context
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) throw new AbortError(signal.reason)
      if (this.#failure !== undefined) throw during(this.#failure, context)
      const id = this.#table.nextId()
      const packet = build(id)
      if (trace !== undefined) trace.requestLength = packet.length
      const sentAt = performance.now()
      let isAborted = false
      const stopWatching =
        signal &&
        onAbort(signal, () => {
          isAborted = true
          reject(new AbortError(signal.reason))
        })
      this.#table.add(id, {
        memoryFor: (length) => (isAborted ? undefined : kind.memoryFor?.(length)),
        reply: (number, reply) => {
          stopWatching?.()
          this.budget.observeReply(performance.now() - sentAt)
          if (trace !== undefined) trace.replyLength = reply.reduce((total, chunk) => total + chunk.length, 0)
          try {
            const value = readReply(kind, number, reply, this.#dialect, context)
            if (isAborted) this.#discard(kind, value)
            else resolve(value)
          } catch (error) {
            if (!breaksProtocol(error)) return reject(error)
            const breach = during(asProtocolError(error), context)
            reject(breach)
            throw breach
          }
        },
        fail: (error) => {
          stopWatching?.()
          reject(during(error, context))
        },
      })
      this.#writer.send(packet)
    })
  }

  /** Whether the server announced an extended request. */
  supports(name: ExtendedRequestName): boolean {
    return this.#extensions.has(name) || (this.#announcements.supported?.extensions.includes(name) ?? false)
  }

  /** @throws SftpError `ENOTSUP` when the server did not announce an extended request */
  assertSupports(name: ExtendedRequestName, operation: string): void {
    if (!this.supports(name)) throw unsupported(name, { operation })
  }

  /**
   * Sends an extended request.
   * @throws SftpError `ENOTSUP` at once when the server did not announce it
   */
  extended<T, N extends ExtendedRequestName>(
    kind: ReplyKind<T>,
    name: N,
    fields: ExtendedFields<N>,
    context: RequestContext,
  ): Promise<T> {
    if (!this.supports(name)) return Promise.reject(unsupported(name, context))
    const { requests, extendedRequests } = this.#dialect
    const build = (id: number): Uint8Array =>
      framePacket(requests.extended.encode({ id, request: name, payload: extendedRequests.encode(name, fields) }))
    return this.request(kind, build, context)
  }

  /** Closes a handle and forgets about it: nobody is left to hear of a failure. */
  closeQuietly(handle: Uint8Array): void {
    const { close } = this.#dialect.requests
    const build = (id: number): Uint8Array => framePacket(close.encode({ id, handle }))
    this.request(expectDone, build, { operation: 'close' }).catch(() => {})
  }

  /** Ends the session; what waits for an answer fails with `ERR_SFTP_CLOSED`. A server that goes on is left behind. */
  async close(): Promise<void> {
    this.#isClosed ||= this.#failure === undefined
    if (this.#failure === undefined) {
      this.#settleAll(new SftpError('ERR_SFTP_CLOSED', 'The SFTP client was closed'))
      this.#writer.flushAll()
      this.#channel.close()
    }
    const patience = setTimeout(() => this.#channel.abort(), closeTimeoutMs)
    await this.closed
    clearTimeout(patience)
  }

  #receive(chunk: Uint8Array): void {
    this.#reader.push(chunk)
    // Credit goes back at once: what may arrive is bounded by what was asked for.
    this.#channel.release(chunk.length)
    try {
      for (let packet = this.#next(); packet !== undefined; packet = this.#next()) this.#handle(packet)
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  /** Where the data of a DATA packet goes that begins to arrive, if whoever asked for it has memory of its own. */
  #memoryFor(start: Buffer, length: number): Uint8Array | undefined {
    const { number, id, dataLength } = dataPacketStart(start)
    // Anything wrong is found once the packet is whole, as with any other.
    if (number !== replies.data.number || dataLength !== length || this.#handshake !== undefined) return undefined
    return this.#table.get(id)?.memoryFor?.(length)
  }

  #next(): Packet | undefined {
    return this.#failure === undefined ? this.#reader.next() : undefined
  }

  #handle(packet: Packet): void {
    const { number, id } = peekPacket(packet)
    if (this.#handshake !== undefined) {
      this.#handleVersion(packet, number)
      return
    }
    if (id === undefined) throw protocolError(`The server sent message ${number} without an id`)
    this.#table.settle(id, number, packet)
  }

  #handleVersion(packet: Packet, number: number): void {
    if (number !== replies.version.number) throw protocolError(`Expected VERSION (2), found message ${number}`)
    const { version, extensions } = replies.version.decode(concatBytes(packet))
    const dialect = version <= this.#offered ? dialectOf(version) : undefined
    if (dialect === undefined) {
      const offered = this.#offered === 3 ? '3' : `3 to ${this.#offered}`
      throw protocolError(`Expected SFTP version ${offered}, but the server chose ${version}`)
    }
    this.#dialect = dialect
    this.#announcements = readAnnouncements(extensions)
    for (const { name, data } of extensions) this.#extensions.set(name, Buffer.from(data).toString('utf8'))
    this.#handshake?.resolve()
    this.#handshake = undefined
  }

  /**
   * A server that chose an earlier version than it could speak is asked for the latest of those that were offered. It
   * must be the first request (draft-ietf-secsh-filexfer-13 §5).
   */
  async #selectVersion(): Promise<void> {
    const { versions = [] } = this.#announcements
    const within = versions.filter((version) => version <= this.#offered && dialectOf(version) !== undefined)
    const latest = Math.max(this.#dialect.version, ...within)
    if (latest === this.#dialect.version) return
    const payload = versionSelect.encode({ version: String(latest) })
    const build = (id: number): Uint8Array =>
      framePacket(requests.extended.encode({ id, request: 'version-select', payload }))
    try {
      await this.request(expectDone, build, { operation: 'version-select' })
      this.#dialect = dialectOf(latest) ?? this.#dialect
    } catch (error) {
      // A server that refuses stays with what it chose.
      if (this.#failure !== undefined) throw error
    }
  }

  #learnLimits(): Promise<SftpLimits> {
    return this.supports('limits@openssh.com') ? this.#askLimits() : Promise.resolve(this.#toldLimits())
  }

  /** Without the request for limits: how much a READ gets may have been announced. */
  #toldLimits(): SftpLimits {
    const { maxReadSize = 0 } = this.#announcements.supported ?? {}
    return maxReadSize === 0 ? defaultLimits : { ...defaultLimits, maxReadLength: dataLengthWithin(maxReadSize) }
  }

  async #askLimits(): Promise<SftpLimits> {
    try {
      const payload = await this.extended(expectExtended, 'limits@openssh.com', {}, { operation: 'limits' })
      return usableLimits(limitsReply.decode(payload))
    } catch {
      // A server that announces limits and then refuses them is served as one that has none.
      return this.#toldLimits()
    }
  }

  /** The reply to a request that was given up: a handle it opened is closed again. */
  #discard<T>(kind: ReplyKind<T>, value: T): void {
    if ((kind as ReplyKind<unknown>) === expectHandle) this.closeQuietly(value as Uint8Array)
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#settleAll(error)
    this.#channel.abort(error)
  }

  #closed(error: Error | undefined): void {
    const why = error === undefined ? '' : `: ${error.message}`
    this.#settleAll(connectionLost(`The channel of the SFTP session closed${why}`, error))
    this.#markClosed()
  }

  #settleAll(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#handshake?.reject(error)
    this.#handshake = undefined
    this.#table.failAll(error)
    for (const listener of this.#endListeners) listener(error)
    this.#endListeners.clear()
  }
}

function readReply<T>(
  kind: ReplyKind<T>,
  number: number,
  packet: Packet,
  dialect: Dialect,
  context: RequestContext,
): T {
  if (number === kind.number) return kind.read(packet, dialect)
  const { operation, path, offset } = context
  if (number !== replies.status.number) {
    throw protocolError(`The server answered ${operation} with message ${number}, expected ${kind.number ?? 'status'}`)
  }
  const { code, message } = dialect.replies.status.decode(concatBytes(packet))
  if (code === statusCodes.ok) {
    if (kind.number === undefined) return kind.read(packet, dialect)
    throw protocolError(`The server answered ${operation} with success, but not with what was asked for`)
  }
  if (code === statusCodes.eof && 'atEnd' in kind) return kind.atEnd as T
  throw SftpError.fromStatus(code, message, { operation, path, offset })
}

/** An answer that cannot be read, other than one with a number too large for us, ends the session. */
function breaksProtocol(error: unknown): boolean {
  return SshError.isSshError(error) && (error.code === 'ERR_SFTP_PROTOCOL' || error.code.startsWith('ERR_SSH_WIRE_'))
}

/** An answer that cannot be decoded breaks the protocol as much as one that does not fit. */
function asProtocolError(error: unknown): Error {
  if (error instanceof SftpError || !(error instanceof Error)) return asError(error)
  return protocolError(`The server sent what cannot be read: ${error.message}`, { cause: error })
}

/** The end of the session as one request meets it: all of them end with it, and each is about something else. */
function during(error: Error, { operation, path, offset }: RequestContext): Error {
  if (!(error instanceof SftpError)) return error
  const where = offset === undefined ? operation : `${operation} at offset ${offset}`
  return new SftpError(error.code, `${error.message}, ${where}`, {
    details: { ...error.details, ...(offset !== undefined && { offset }) },
    cause: error.cause ?? error,
    ...(path !== undefined && { path }),
  })
}

/** What the server says of itself, clamped to what makes sense: 0 means it names no limit, and nothing exceeds ours. */
function usableLimits(told: SftpLimits): SftpLimits {
  const unlessZero = (value: number): number => (value === 0 ? Number.POSITIVE_INFINITY : value)
  return {
    maxPacketLength: unlessZero(told.maxPacketLength),
    maxReadLength: dataLengthWithin(told.maxReadLength),
    maxWriteLength: dataLengthWithin(told.maxWriteLength),
    maxOpenHandles: unlessZero(told.maxOpenHandles),
  }
}

/** How much one READ or WRITE carries for a server that takes `length` bytes; 0 means it names no limit. */
function dataLengthWithin(length: number): number {
  return Math.min(length === 0 ? defaultDataLength : length, maximumDataLength)
}

function unsupported(name: string, { operation, path }: RequestContext): SftpError {
  return new SftpError('ENOTSUP', `ENOTSUP: the server does not announce ${name}, ${operation}`, {
    ...(path !== undefined && { path }),
  })
}

function connectionLost(message: string, cause?: Error): SftpError {
  return new SftpError('ERR_SFTP_CONNECTION_LOST', message, cause === undefined ? {} : { cause })
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
