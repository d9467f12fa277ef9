/** Node streams over remote files: reading ahead and writing behind, with back-pressure to the server. */

import { Readable, Writable } from 'node:stream'
import type { SftpReadStreamOptions, SftpWriteStreamOptions } from './options.js'
import type { SftpFile, WriterOptions } from './sftp-file.js'
import type { WriteBehind } from './write-behind.js'

interface AutoClose {
  /** Whether the file is closed with the stream. */
  readonly autoClose: boolean
}

/** A Readable over the file that `open` gives; it is opened at once. */
export function readStream(open: () => Promise<SftpFile>, options: SftpReadStreamOptions & AutoClose): Readable {
  const { start = 0, end = Number.POSITIVE_INFINITY, encoding, signal, autoClose, ...blockOptions } = options
  let file: SftpFile | undefined
  let blocks: AsyncGenerator<Buffer> | undefined
  return new Readable({
    ...(encoding && { encoding }),
    ...(signal && { signal }),
    construct: settle(async () => {
      file = await open()
      blocks = file.blocks(start, end + 1, { signal, ...blockOptions })
    }),
    read() {
      blocks?.next().then(
        (next) => this.push(next.done ? null : next.value),
        (error) => this.destroy(error),
      )
    },
    destroy(error, callback) {
      settleDestroy(autoClose ? file?.close() : undefined, error, callback)
    },
  })
}

/** A Writable over the file that `open` gives; it is opened at once. */
export function writeStream(
  open: () => Promise<SftpFile>,
  options: SftpWriteStreamOptions & WriterOptions & AutoClose,
): Writable {
  const { start, signal, autoClose } = options
  let file: SftpFile | undefined
  let writer: WriteBehind | undefined
  return new Writable({
    ...(signal && { signal }),
    construct: settle(async () => {
      file = await open()
      writer = file.writer(start ?? (await file.writeStart({ signal })), options)
    }),
    write: (chunk: Buffer, _encoding, callback) => settle(async () => writer?.write(chunk))(callback),
    final: settle(async () => {
      await writer?.finish()
      if (autoClose) await file?.close()
    }),
    destroy(error, callback) {
      settleDestroy(autoClose ? file?.close() : undefined, error, callback)
    },
  })
}

/** An async step in the callback form that Node streams want. */
function settle(step: () => Promise<unknown>): (callback: (error?: Error | null) => void) => void {
  return (callback) => {
    step().then(() => callback(), callback)
  }
}

/** After an error the first error counts, not the one of closing. */
function settleDestroy(
  closed: Promise<void> | undefined,
  error: Error | null,
  callback: (error?: Error | null) => void,
): void {
  if (closed === undefined) return callback(error)
  closed.then(
    () => callback(error),
    (closeError) => callback(error ?? closeError),
  )
}
