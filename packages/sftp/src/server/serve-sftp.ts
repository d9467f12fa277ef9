/**
 * One served channel: packets in, answers out, and how much of both at a time.
 *
 * Requests are answered side by side, those on one handle in order. A client that sends faster than it is answered, or
 * does not read its replies, finds its window shut. What breaks the framing or the handshake ends the channel; anything
 * else is answered with a status.
 */

import { type ByteChannel, concatBytes, knownOptions, type OptionNames } from '@ssh/wire'
import { BlockMemory } from '../block-memory.js'
import { protocolError, SftpError } from '../errors.js'
import { peekPacket } from '../protocol/data-packets.js'
import { checkVersion, defaultVersion, dialectOf, firstDialect, type SftpVersion } from '../protocol/dialect.js'
import { framePacket, maximumDataLength, type Packet, PacketReader } from '../protocol/framing.js'
import type { Request } from '../protocol/model.js'
import { PacketWriter } from '../protocol/packet-writer.js'
import { replies, requests } from '../protocol/packets.js'
import { statusCodes } from '../protocol/status.js'
import type { SymlinkOrder } from '../protocol/symlink-order.js'
import { Answerer } from './answerer.js'
import { checkPieceLength } from './check-file.js'
import { copyPieceLength } from './copy-data.js'
import type { SftpHandler } from './handler.js'
import { errorPacket, statusPacket } from './reply-packets.js'
import { RequestObserver } from './request-event.js'
import { RequestGate } from './request-gate.js'

export interface ServeSftpOptions {
  /** Refuses everything that would change a file. Default false. */
  readonly readOnly?: boolean
  /** Requests that are refused, by the names of sftp-server(8), see {@link requestNames}. Default: none. */
  readonly deniedRequests?: readonly string[]
  /** The only requests that are answered, less those that are denied. Default: all. */
  readonly allowedRequests?: readonly string[]
  /** How the client writes SYMLINK, before version 6. Default `target-first`, as OpenSSH does. */
  readonly symlinkOrder?: SymlinkOrder
  /** Latest version of the protocol to speak; a client that offers less gets what it offers. Default 3. */
  readonly sftpVersion?: SftpVersion
  /** Open handles. Default 256. */
  readonly maximumHandles?: number
  /** Requests being answered at the same time. Default 128. */
  readonly maximumRequests?: number
}

const optionNames: OptionNames<ServeSftpOptions> = {
  readOnly: true,
  deniedRequests: true,
  allowedRequests: true,
  maximumHandles: true,
  maximumRequests: true,
  symlinkOrder: true,
  sftpVersion: true,
}

/** One served channel. */
export interface SftpServerSession {
  /** Settles when the channel is over and every file is closed; never rejects. */
  readonly closed: Promise<void>
  /** Ends the channel; what is being answered is dropped. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Serves files on a channel.
 * @param channel a subsystem channel, standard input and output, …; the session owns it from now on
 * @param handler whose files: an `SftpServer` for a directory of this machine, a `MemoryHandler`, or your own
 * @throws OptionsError for an option nobody knows; SftpError `EINVAL` for a version nobody speaks, a
 *   request nobody knows, and a limit that is no whole number of 1 or more
 */
export function serveSftp<F>(
  channel: ByteChannel,
  handler: SftpHandler<F>,
  options: ServeSftpOptions = {},
): SftpServerSession {
  return new ServerSession(channel, handler, knownOptions('serveSftp', options, optionNames))
}

/** Bytes of requests, and of the data they ask for, being answered at the same time. */
const maximumBytesInFlight = 4 * 1024 * 1024

/** Bytes of a packet that say what it is: the number of its message. */
const writeStart = 5

/** Shorter WRITEs come in one piece as a rule. */
const worthPlacing = 64 * 1024

class ServerSession<F> implements SftpServerSession {
  readonly closed: Promise<void>
  readonly #channel: ByteChannel
  readonly #answerer: Answerer<F>
  readonly #observer: RequestObserver | undefined
  readonly #maximumRequests: number
  readonly #latestVersion: SftpVersion
  readonly #reader = new PacketReader({
    startLength: writeStart,
    place: (start, restLength) => this.#placeWrite(start, restLength),
  })
  /** Memory of WRITEs, if the handler looks at it no more once it has answered. */
  readonly #memory: BlockMemory | undefined
  /** The WRITE that was placed last. */
  #placed: Buffer | undefined
  readonly #writer: PacketWriter
  /** Bytes received and not released. */
  #held = 0
  #inFlight = 0
  #bytesInFlight = 0
  #dialect = firstDialect
  #isInitialised = false
  #clientEnded = false
  #isOver = false
  #markClosed: () => void = () => {}

  constructor(channel: ByteChannel, handler: SftpHandler<F>, options: ServeSftpOptions) {
    const { symlinkOrder = 'target-first', maximumHandles = 256, maximumRequests = 128 } = options
    assertCount('maximumHandles', maximumHandles)
    assertCount('maximumRequests', maximumRequests)
    this.#latestVersion = checkVersion(options.sftpVersion ?? defaultVersion)
    this.#channel = channel
    this.#answerer = new Answerer(handler, { gate: new RequestGate(options), symlinkOrder, maximumHandles })
    if (handler.onRequest !== undefined) this.#observer = new RequestObserver((event) => handler.onRequest?.(event))
    this.#maximumRequests = maximumRequests
    if (handler.releasesData === true) this.#memory = new BlockMemory()
    this.#writer = new PacketWriter(channel, () => {
      this.#pump()
      this.#closeWhenAnswered()
    })
    this.closed = new Promise((resolve) => {
      this.#markClosed = resolve
    })
    channel.attach({
      onData: (chunk) => {
        this.#held += chunk.length
        this.#reader.push(chunk)
        this.#pump()
      },
      onEnd: () => {
        this.#clientEnded = true
        this.#closeWhenAnswered()
      },
      onDrain: () => this.#writer.drained(),
      onClose: () => {
        this.#isOver = true
        this.#answerer.end().then(() => {
          this.#observer?.end()
          this.#markClosed()
        })
      },
    })
  }

  close(): Promise<void> {
    if (!this.#isOver) {
      this.#writer.flushAll()
      this.#channel.close()
    }
    return this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get #isPaused(): boolean {
    return this.#inFlight >= this.#maximumRequests || this.#bytesInFlight >= maximumBytesInFlight || this.#writer.isFull
  }

  /** Takes requests while there is room to answer them; what waits is not released, so the client's window shuts. */
  #pump(): void {
    try {
      while (!this.#isOver && !this.#isPaused) {
        const packet = this.#reader.next()
        if (packet === undefined) break
        this.#receive(packet)
      }
    } catch (error) {
      this.#channel.abort(error instanceof Error ? error : new Error(String(error)))
    }
    if (this.#isOver) return
    const kept = this.#isPaused ? this.#reader.pending : 0
    const released = this.#held - kept
    if (released <= 0) return
    this.#held = kept
    this.#channel.release(released)
  }

  /**
   * A WRITE of many pieces is put together as they arrive: waiting for each other, they would outlive a turn of the event
   * loop, and be joined by a copy all the same.
   */
  #placeWrite(start: Buffer, restLength: number): Uint8Array | undefined {
    if (start[0] !== requests.write.number || restLength < worthPlacing) return undefined
    const length = start.length + restLength
    this.#placed = this.#memory?.take(length) ?? Buffer.allocUnsafeSlow(length)
    start.copy(this.#placed)
    return this.#placed.subarray(start.length)
  }

  #takeWhole(packet: Packet): Uint8Array {
    const placed = this.#placed
    this.#placed = undefined
    return placed ?? concatBytes(packet)
  }

  #receive(packet: Packet): void {
    const { number, id } = peekPacket(packet)
    const whole = this.#takeWhole(packet)
    if (number === requests.init.number) return this.#receiveInit(packet)
    if (!this.#isInitialised) throw protocolError(`Expected INIT (1), found message ${number}`)
    if (id === undefined) throw protocolError(`The client sent message ${number} without an id`)
    if (!this.#dialect.requestMessages.has(number)) {
      this.#writer.send(statusPacket(id, statusCodes.opUnsupported, 'unknown request'))
      return
    }
    let request: Request
    try {
      request = this.#dialect.requestMessages.decode(whole)
    } catch (error) {
      // A number too large for us is the one fault that leaves the packet readable: see uint53.
      if (!(error instanceof SftpError)) throw error
      this.#writer.send(errorPacket(this.#dialect, id, error))
      return
    }
    this.#answer(id, request, whole)
  }

  #receiveInit(packet: Packet): void {
    if (this.#isInitialised) throw protocolError('The client sent a second INIT')
    const { version: offered } = requests.init.decode(concatBytes(packet))
    this.#isInitialised = true
    // A client before version 3 is told 3, as OpenSSH does: it may know it all the same.
    this.#dialect = dialectOf(Math.max(Math.min(offered, this.#latestVersion), 3)) ?? firstDialect
    const extensions = this.#answerer.speak(this.#dialect)
    this.#writer.send(framePacket(replies.version.encode({ version: this.#dialect.version, extensions })))
  }

  #answer(id: number, request: Request, packet: Uint8Array): void {
    const cost = packet.length + bytesFor(request)
    const tell = this.#observer?.begin(request, this.#dialect)
    this.#inFlight++
    this.#bytesInFlight += cost
    this.#answerer
      .answer(id, request)
      .then(
        (reply) => {
          tell?.({ reply })
          return reply
        },
        (error: unknown) => {
          tell?.({ error })
          return errorPacket(this.#dialect, id, error)
        },
      )
      .then((reply) => {
        this.#inFlight--
        this.#bytesInFlight -= cost
        this.#memory?.giveBack(packet)
        if (this.#isOver) return
        this.#writer.send(reply)
        this.#pump()
        this.#closeWhenAnswered()
      })
  }

  /** A client that will ask nothing more gets the answers it waits for, and then the end. */
  #closeWhenAnswered(): void {
    if (!this.#clientEnded || this.#isOver || this.#inFlight > 0 || this.#isPaused) return
    this.#writer.flushAll()
    this.#channel.close()
  }
}

/** @throws SftpError `EINVAL`: what is no number limits nothing, and of no requests none is ever answered */
function assertCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return
  throw new SftpError('EINVAL', `Expected ${name} to be a whole number of 1 or more, found ${String(value)}`)
}

/** Bytes that are held while a request is answered, beside those of the request. */
function bytesFor(request: Request): number {
  if (request.type === 'read') return Math.min(request.length, maximumDataLength)
  if (request.type !== 'extended') return 0
  if (request.request === 'copy-data') return copyPieceLength
  return request.request === 'check-file-handle' ? checkPieceLength : 0
}
