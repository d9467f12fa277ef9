/**
 * The side that has the files: announces, waits for an answer, sends bytes, waits again.
 *
 * Times travel with the record they belong to, so they cost no answer of their own.
 */

import { Fifo } from '@ssh/wire'
import type { SftpError } from '../errors.js'
import {
  type DirectoryRecord,
  encodeEntry,
  encodeFailure,
  encodeTimes,
  endRecord,
  type FileRecord,
  okByte,
  statusBytes,
} from './records.js'
import { failureText } from './remote-failure.js'
import type { ScpStream } from './scp-stream.js'
import { readStatus } from './status.js'

/** Times of an entry, in seconds since 1970. */
export interface EntryTimes {
  readonly mtime: number
  readonly atime: number
}

/** Sends records on one channel, one after another. */
export class ScpSource {
  readonly #stream: ScpStream
  /** Failures that the other side has told, or has been told. */
  readonly #known = new WeakSet<Error>()
  /** Memory that is lent to the channel until so many bytes are on their way. */
  readonly #lent = new Fifo<{ readonly end: number; readonly giveBack: () => void }>()

  constructor(stream: ScpStream) {
    this.#stream = stream
  }

  /** Waits until the other side is there. @throws SftpError its refusal */
  async start(): Promise<void> {
    const refusal = await readStatus(this.#stream)
    // Before anything was sent there is nothing to go on with.
    if (refusal !== undefined) throw new SourceEnded(refusal.error)
  }

  /**
   * Announces a file or a directory.
   * @throws SftpError `EINVAL`, `ENAMETOOLONG` before anything is sent; the refusal, then nothing of it may be sent;
   *   {@link SourceEnded} when the other side takes nothing more
   */
  async announce(record: FileRecord | DirectoryRecord, times: EntryTimes | undefined): Promise<void> {
    const line = encodeEntry(record)
    if (times !== undefined) this.#stream.write(encodeTimes(times))
    this.#stream.write(line)
    const refusals = [times === undefined ? undefined : await this.#answer(), await this.#answer()]
    const refusal = refusals.find((error) => error !== undefined)
    if (refusal !== undefined) throw refusal
  }

  /**
   * Sends bytes of a file that was agreed to.
   * @throws SourceEnded when the other side says no in the middle; `ERR_SFTP_CONNECTION_LOST`
   */
  write(chunk: Uint8Array): Promise<void> | undefined {
    const hasRoom = this.#stream.write(chunk)
    return hasRoom && !this.#isInterrupted() ? undefined : this.#makeRoom()
  }

  /** The memory of what was written last may be used again once `giveBack` is called, if it ever is. */
  lend(giveBack: () => void): void {
    this.#lent.push({ end: this.#stream.written, giveBack })
    const { copied } = this.#stream
    for (let first = this.#lent.first; first !== undefined && first.end <= copied; first = this.#lent.first) {
      this.#lent.shift()
      first.giveBack()
    }
    // Where nobody knows, the memory goes its own way.
    if (copied === 0) this.#lent.clear()
  }

  /**
   * All bytes are sent.
   * @param failure why they are not those of the file
   * @throws SftpError the refusal
   */
  async finishFile(failure?: Error): Promise<void> {
    if (failure !== undefined) this.#known.add(failure)
    this.#stream.write(failure === undefined ? okByte : encodeFailure('warning', failureText(failure, undefined)))
    const refusal = await this.#answer()
    if (refusal !== undefined) throw refusal
  }

  /** Ends the innermost directory. @throws SftpError the refusal, which is about its attributes */
  async endDirectory(): Promise<void> {
    this.#stream.write(endRecord)
    const refusal = await this.#answer()
    if (refusal !== undefined) throw refusal
  }

  /**
   * Tells of something that cannot be sent, unless the other side knows it; not answered.
   * @throws SftpError `ERR_SFTP_CONNECTION_LOST`
   */
  async tell(error: Error, path: string | undefined): Promise<void> {
    if (this.#known.has(error)) return
    this.#known.add(error)
    this.#stream.write(encodeFailure('warning', failureText(error, path)))
    await this.#stream.room()
  }

  async #answer(): Promise<SftpError | undefined> {
    const refusal = await readStatus(this.#stream)
    if (refusal?.isFatal) throw new SourceEnded(refusal.error)
    if (refusal !== undefined) this.#known.add(refusal.error)
    return refusal?.error
  }

  /** Whether the other side refuses in the middle of a file; how many bytes it has counted nobody knows. */
  #isInterrupted(): boolean {
    const { nextByte } = this.#stream
    return nextByte !== undefined && nextByte !== statusBytes.ok
  }

  async #makeRoom(): Promise<void> {
    // Its last words say more than that it is gone.
    await this.#stream.room(() => this.#isInterrupted())
    if (!this.#isInterrupted()) return
    const refusal = await readStatus(this.#stream)
    if (refusal !== undefined) throw new SourceEnded(refusal.error)
  }
}

/** The other side takes nothing more. */
export class SourceEnded extends Error {
  readonly reason: SftpError

  constructor(reason: SftpError) {
    super(reason.message, { cause: reason })
    this.reason = reason
  }
}
