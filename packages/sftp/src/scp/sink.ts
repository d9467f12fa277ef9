/**
 * The side that takes files: reads records, agrees or refuses, takes bytes, and answers.
 *
 * States: between records, at some depth of directories; and in a file, which is so many bytes, the sender's word on them
 * and ours. What the sender may name at the top is `RequestedNames`' to say, where it goes is the receiver's.
 */

import { printable } from '@ssh/wire'
import { assertDepth } from '../client/paths.js'
import { protocolError, SftpError } from '../errors.js'
import {
  type DirectoryRecord,
  encodeFailure,
  type FileRecord,
  okByte,
  parseRecord,
  type ScpRecord,
  type TimesRecord,
} from './records.js'
import { failureText } from './remote-failure.js'
import type { RequestedNames } from './requested-names.js'
import { connectionLost, type ScpStream } from './scp-stream.js'
import { asError, CopyingEnded, endsCopying, printedText, readStatus, untilEnded } from './status.js'

/** Takes what is sent: a tree of files, or another machine. Whatever it throws refuses the one thing it is about. */
export interface ScpReceiver {
  /** Where an entry goes, for errors; and whether its name may be used at all. @throws SftpError `ERR_SFTP_UNSAFE_NAME` */
  place(record: FileRecord | DirectoryRecord, admitted: EntryPlace): ScpEntry
  openFile(entry: ScpEntry, record: FileRecord, times: TimesRecord | undefined): Promise<ScpReceivedFile>
  enterDirectory(entry: ScpEntry, record: DirectoryRecord, times: TimesRecord | undefined): Promise<void>
  leaveDirectory(): Promise<void>
}

/** How an entry came to be. */
export interface EntryPlace {
  /** Whether nothing surrounds it. */
  readonly isTop: boolean
  readonly isGiven: boolean
  readonly isNameless: boolean
}

/** What a record is about. */
export interface ScpEntry {
  /** As the other side has it, as far as is known. */
  readonly src: string
  readonly dst: string
  /** Whether the caller named this very path. */
  readonly isGiven: boolean
}

/** A file on its way. */
export interface ScpReceivedFile {
  /** Takes bytes, and tells when more may come. @throws what refuses the file */
  write(chunk: Uint8Array): Promise<void> | undefined
  /** All bytes are there, and the sender says that they are right. @throws what refuses the file */
  finish(): Promise<void>
  /** It is not whole. Never rejects. */
  discard(reason: Error): Promise<void>
}

export interface SinkOptions {
  readonly recurse: boolean
  /** What may come at the top; undefined: whatever is sent, as on a server. */
  readonly requested: RequestedNames | undefined
  /** Told of what was not copied. What it throws ends the copying. */
  report(error: Error, entry: Partial<ScpEntry>): void
}

/** Takes all that is sent. @throws SftpError what ends it; what `report` throws; AbortError */
export function takeRecords(stream: ScpStream, receiver: ScpReceiver, options: SinkOptions): Promise<void> {
  return untilEnded(() => new Sink(stream, receiver, options).run())
}

class Sink {
  readonly #stream: ScpStream
  readonly #receiver: ScpReceiver
  readonly #options: SinkOptions
  #depth = 0
  #times: TimesRecord | undefined
  #isFirst = true

  constructor(stream: ScpStream, receiver: ScpReceiver, options: SinkOptions) {
    this.#stream = stream
    this.#receiver = receiver
    this.#options = options
  }

  async run(): Promise<void> {
    this.#answer()
    for (;;) {
      const record = await this.#read()
      if (record === undefined) break
      await this.#take(record)
    }
    if (this.#depth > 0) throw connectionLost('The remote side ended within a directory: not all of it is here')
  }

  async #read(): Promise<ScpRecord | undefined> {
    // Whoever reads no answers is not read either: they would pile up here.
    await this.#stream.drained()
    const line = await this.#stream.readLine()
    if (line === undefined) return undefined
    try {
      return parseRecord(line)
    } catch (error) {
      const text = Buffer.from(line).toString('latin1')
      throw this.#isFirst && !/^[CDET]/.test(text) ? printedText(text) : error
    } finally {
      this.#isFirst = false
    }
  }

  async #take(record: ScpRecord): Promise<void> {
    switch (record.type) {
      case 'times':
        this.#times = record
        this.#answer()
        return
      case 'file':
        return this.#takeFile(record, this.#takeTimes())
      case 'directory':
        return this.#takeDirectory(record, this.#takeTimes())
      case 'end':
        return this.#leave()
      case 'failure':
        // Not answered. Times before it were of what cannot be sent.
        this.#times = undefined
        if (record.isFatal) throw record.error
        this.#report(record.error, {})
    }
  }

  #takeTimes(): TimesRecord | undefined {
    const times = this.#times
    this.#times = undefined
    return times
  }

  async #takeDirectory(record: DirectoryRecord, times: TimesRecord | undefined): Promise<void> {
    if (!this.#options.recurse) {
      throw unrequested(`The remote side sends the directory "${printable(record.name)}", and none was asked for`)
    }
    await this.#attempt(record, async (entry) => {
      assertDepth(this.#depth, entry.dst)
      await this.#receiver.enterDirectory(entry, record, times)
      this.#depth++
      this.#answer()
    })
  }

  async #leave(): Promise<void> {
    if (this.#depth === 0) throw protocolError('The peer ends a directory that it has not begun')
    this.#depth--
    try {
      await this.#receiver.leaveDirectory()
    } catch (error) {
      return this.#refuse(error, undefined)
    }
    this.#answer()
  }

  async #takeFile(record: FileRecord, times: TimesRecord | undefined): Promise<void> {
    await this.#attempt(record, async (entry) => {
      const file = await this.#receiver.openFile(entry, record, times)
      this.#answer()
      const failure = await this.#takeBytes(file, record, entry)
      if (failure !== undefined) this.#report(failure, entry)
    })
  }

  /** @returns why the file is not here, once both sides know. @throws what ends the copying; then the file is discarded */
  async #takeBytes(file: ScpReceivedFile, { size }: FileRecord, entry: ScpEntry): Promise<Error | undefined> {
    let failure: Error | undefined
    try {
      for (let left = size; left > 0; ) {
        const chunk = this.#stream.takeChunk(left) ?? (await this.#stream.readChunk(left))
        if (chunk === undefined) {
          throw connectionLost(`The remote side ended ${left} of ${size} bytes before the end of a file`)
        }
        left -= chunk.length
        if (failure !== undefined) continue
        try {
          // Not awaited where nothing has to be: that is most of the time.
          const written = file.write(chunk)
          if (written !== undefined) await written
        } catch (error) {
          if (endsCopying(error) || error instanceof CopyingEnded) throw error
          failure = asError(error)
        }
      }
      const theirs = await readStatus(this.#stream)
      if (theirs?.isFatal) throw theirs.error
      failure ??= theirs?.error
      if (failure === undefined) {
        try {
          await file.finish()
        } catch (error) {
          if (endsCopying(error) || error instanceof CopyingEnded) throw error
          failure = asError(error)
        }
      }
      if (failure !== undefined) await file.discard(failure)
      if (failure === undefined || failure === theirs?.error) this.#answer()
      else this.#tell(failure, entry)
      return failure
    } catch (error) {
      await file.discard(asError(error))
      throw error
    }
  }

  /** Finds the place of an entry and does something there; a failure refuses the entry, unless it ends everything. */
  async #attempt(record: FileRecord | DirectoryRecord, work: (entry: ScpEntry) => Promise<void>): Promise<void> {
    const isTop = this.#depth === 0
    const { requested } = this.#options
    let entry: ScpEntry | undefined
    try {
      const admitted = (isTop ? requested?.admit(record) : undefined) ?? { isGiven: false, isNameless: false }
      entry = this.#receiver.place(record, { ...admitted, isTop })
      await work(entry)
    } catch (error) {
      if (endsCopying(error) || error instanceof CopyingEnded) throw error
      this.#refuse(error, entry)
    }
  }

  #refuse(thrown: unknown, entry: ScpEntry | undefined): void {
    const error = asError(thrown)
    this.#tell(error, entry)
    this.#report(error, entry ?? {})
  }

  #report(error: Error, entry: Partial<ScpEntry>): void {
    try {
      this.#options.report(error, entry)
    } catch (reason) {
      throw new CopyingEnded(reason)
    }
  }

  #tell(error: Error, entry: ScpEntry | undefined): void {
    this.#stream.write(encodeFailure('warning', failureText(error, entry?.dst)))
  }

  #answer(): void {
    this.#stream.write(okByte)
  }
}

function unrequested(message: string): SftpError {
  return new SftpError('ERR_SFTP_UNREQUESTED', message)
}
