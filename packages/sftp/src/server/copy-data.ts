/**
 * Copying from one open file to another without the client (OpenSSH PROTOCOL §4.10): in pieces, so that memory stays
 * small, other requests are answered in between, and nothing goes on once the channel is over.
 */

import { SftpError } from '../errors.js'
import { typeOfAttrs } from '../protocol/attrs.js'
import type { SftpHandler } from './handler.js'

/** Bytes of a piece. */
export const copyPieceLength = 256 * 1024

/** A place in an open file. */
export interface FilePosition<F> {
  readonly file: F
  readonly position: number
}

/**
 * @param length bytes; 0: to the end of the file, as it is when the copying begins: two copies between the same two files
 * would else make each other longer for ever
 * @param isOver whether nobody waits any more
 * @throws what the handler throws; SftpError `ERR_SFTP_EOF` when there were fewer bytes, `ERR_SFTP_CLOSED` when it is over
 */
export async function copyData<F>(
  handler: SftpHandler<F>,
  from: FilePosition<F>,
  to: FilePosition<F>,
  length: number,
  isOver: () => boolean,
): Promise<void> {
  const wanted = length === 0 ? await untilEnd(handler, from) : length
  const piece = Buffer.allocUnsafe(Math.min(copyPieceLength, wanted))
  for (let copied = 0; copied < wanted; ) {
    if (isOver()) throw new SftpError('ERR_SFTP_CLOSED', 'The channel closed while a file was being copied')
    const into = piece.subarray(0, Math.min(piece.length, wanted - copied))
    const count = await handler.read(from.file, into, from.position + copied)
    if (!Number.isInteger(count) || count < 0 || count > into.length) {
      throw new SftpError('ERR_SFTP_FAILURE', `The handler read ${count} bytes into ${into.length}`)
    }
    if (count === 0) {
      if (length === 0) return
      throw new SftpError('ERR_SFTP_EOF', `The file ended after ${copied} of ${length} bytes`)
    }
    await handler.write(to.file, into.subarray(0, count), to.position + copied)
    copied += count
  }
}

/** What has no size, such as a file of /proc, has its end where reading finds it. */
async function untilEnd<F>(handler: SftpHandler<F>, { file, position }: FilePosition<F>): Promise<number> {
  const attrs = await handler.fstat(file)
  const { size = 0 } = attrs
  if (typeOfAttrs(attrs) !== 'file' || size === 0) return Number.POSITIVE_INFINITY
  return Math.max(0, size - position)
}
