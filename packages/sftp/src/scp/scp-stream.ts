/** A ByteChannel as SCP uses it: lines, single bytes and stretches of a file in, and writing that waits for room. */

import { AbortError, type ByteChannel, HeldChunks } from '@ssh/wire'
import { onAbort } from '../client/abort.js'
import { protocolError, SftpError } from '../errors.js'
import { maximumLineLength } from './records.js'

const newline = 10

/**
 * For one reader and one writer at a time. What is read is released when it is handed out; what nobody asks for stays
 * charged to the peer, so its window shuts.
 */
export class ScpStream {
  readonly #channel: ByteChannel
  readonly #held = new HeldChunks()
  /** What is left of the chunk that was taken last. */
  #front: Uint8Array | undefined
  #hasEnded = false
  #isClosed = false
  #failure: Error | undefined
  #wakeReader: (() => void) | undefined
  #wakeWriter: (() => void) | undefined
  /** Whether a writer that waits for room is to hear of input, too. */
  #watchesInput = false
  #hasRoom = true
  #written = 0
  readonly #stopWatching: (() => void) | undefined
  #markClosed: () => void = () => {}
  /** Settles when the channel is over; never rejects. */
  readonly closed: Promise<void>

  /** @param signal aborts the channel, and every wait with an AbortError */
  constructor(channel: ByteChannel, signal?: AbortSignal) {
    this.#channel = channel
    this.closed = new Promise((resolve) => {
      this.#markClosed = resolve
    })
    channel.attach({
      onData: (chunk) => {
        this.#held.push(chunk)
        this.#wakeUp('reader')
        if (this.#watchesInput) this.#wakeUp('writer')
      },
      onEnd: () => {
        this.#hasEnded = true
        this.#wakeUp('reader')
      },
      onDrain: () => {
        this.#hasRoom = true
        this.#wakeUp('writer')
      },
      onClose: (error) => {
        this.#isClosed = true
        this.#failure ??= error
        this.#stopWatching?.()
        this.#wakeUp('reader')
        this.#wakeUp('writer')
        this.#markClosed()
      },
    })
    if (signal === undefined) return
    const abort = (): void => this.abort(new AbortError(signal.reason))
    if (signal.aborted) abort()
    else this.#stopWatching = onAbort(signal, abort)
  }

  /** The next byte, if it has arrived and nobody has read it. */
  get nextByte(): number | undefined {
    this.#front ??= this.#held.shift()
    return this.#front?.[0]
  }

  /** Whether the other side will send nothing more. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** The next byte; undefined at the end. @throws SftpError `ERR_SFTP_CONNECTION_LOST` */
  async readByte(): Promise<number | undefined> {
    const chunk = this.takeChunk(1) ?? (await this.readChunk(1))
    return chunk?.[0]
  }

  /**
   * The next line without its newline; undefined at the end.
   * @throws SftpError `ERR_SFTP_CONNECTION_LOST`, also when the end comes within a line; `ERR_SFTP_PROTOCOL` for a line
   *   that is too long
   */
  async readLine(): Promise<Uint8Array | undefined> {
    const line: Uint8Array[] = []
    let length = 0
    for (;;) {
      const chunk = await this.#readUntilNewline(maximumLineLength + 1 - length)
      if (chunk === undefined) {
        if (length === 0) return undefined
        throw connectionLost('The remote side ended in the middle of a line', this.#failure)
      }
      length += chunk.length
      const isWhole = chunk[chunk.length - 1] === newline
      line.push(isWhole ? chunk.subarray(0, -1) : chunk)
      if (isWhole) return line.length === 1 ? line[0] : Buffer.concat(line)
      if (length > maximumLineLength) throw protocolError(`The peer sent a line of over ${maximumLineLength} bytes`)
    }
  }

  /** What is there already, `limit` bytes at most; undefined when nothing is. */
  takeChunk(limit: number): Uint8Array | undefined {
    const chunk = this.#front ?? this.#held.shift()
    if (chunk === undefined) return undefined
    this.#front = chunk.length > limit ? chunk.subarray(limit) : undefined
    const taken = this.#front === undefined ? chunk : chunk.subarray(0, limit)
    this.#channel.release(taken.length)
    return taken
  }

  /** The next bytes, at least one and `limit` at most; undefined at the end. @throws SftpError `ERR_SFTP_CONNECTION_LOST` */
  async readChunk(limit: number): Promise<Uint8Array | undefined> {
    for (;;) {
      const taken = this.takeChunk(limit)
      if (taken !== undefined) return taken
      if (this.#failure !== undefined) throw this.#lost()
      if (this.#hasEnded || this.#isClosed) return undefined
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve
      })
    }
  }

  /** Sends bytes, whose memory is the channel's from now on. @returns whether there is room for more: see {@link room} */
  write(bytes: Uint8Array): boolean {
    this.#written += bytes.length
    this.#hasRoom = this.#channel.write(bytes)
    return this.#hasRoom
  }

  /** Bytes written so far. */
  get written(): number {
    return this.#written
  }

  /** Of the bytes written, those whose memory nobody looks at any more: so many from the first one on. */
  get copied(): number {
    const { copiesChunks, bufferedBytes } = this.#channel
    return copiesChunks === true && bufferedBytes !== undefined ? this.#written - bufferedBytes : 0
  }

  /** Waits until what was written has left, as far as there is a bound to it, or the channel is over. Never rejects. */
  async drained(): Promise<void> {
    while (!this.#hasRoom && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve
      })
    }
  }

  /**
   * Waits until there is room to write.
   * @param isInterrupted looked at when something arrives: whether to return all the same
   * @throws SftpError `ERR_SFTP_CONNECTION_LOST` when the channel is over
   */
  async room(isInterrupted: () => boolean = () => false): Promise<void> {
    while (!this.#hasRoom && !this.#isClosed && !isInterrupted()) {
      this.#watchesInput = true
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve
      })
      this.#watchesInput = false
    }
    if (this.#isClosed && !isInterrupted()) throw this.#lost()
  }

  /** Nothing more will be written. */
  end(): void {
    this.#channel.end()
  }

  /** Sends what was written, then ends both directions. */
  close(): void {
    this.#channel.close()
  }

  /** Ends both directions at once; whoever waits gets `error`. */
  abort(error: Error): void {
    this.#failure ??= error
    this.#channel.abort(error)
    this.#wakeUp('reader')
    this.#wakeUp('writer')
  }

  /** Reads to the end and throws it away. Never rejects. */
  async discardRest(): Promise<void> {
    try {
      while ((await this.readChunk(Number.POSITIVE_INFINITY)) !== undefined);
    } catch {
      // Over is over.
    }
  }

  async #readUntilNewline(limit: number): Promise<Uint8Array | undefined> {
    const chunk = this.#front ?? this.#held.shift()
    if (chunk === undefined) {
      const first = await this.readChunk(1)
      return first
    }
    this.#front = chunk
    const at = chunk.indexOf(newline)
    return this.takeChunk(Math.min(limit, at < 0 ? chunk.length : at + 1))
  }

  #lost(): Error {
    const failure = this.#failure
    if (failure instanceof AbortError) return failure
    return connectionLost('The connection ended during the copying', failure)
  }

  #wakeUp(who: 'reader' | 'writer'): void {
    const wake = who === 'reader' ? this.#wakeReader : this.#wakeWriter
    if (who === 'reader') this.#wakeReader = undefined
    else this.#wakeWriter = undefined
    wake?.()
  }
}

/** The peer went away before all was said. */
export function connectionLost(message: string, cause?: Error): SftpError {
  return new SftpError('ERR_SFTP_CONNECTION_LOST', message, cause === undefined ? {} : { cause })
}
