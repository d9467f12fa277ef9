/**
 * Hashes of open files for clients that compare (draft-ietf-secsh-filexfer-extensions-00 §3), made piece by piece: other
 * requests are answered in between, and nothing goes on once the channel is over.
 */

import { SftpError } from '../errors.js'
import { typeOfAttrs } from '../protocol/attrs.js'
import { type CheckFileRequest, checkFileAlgorithms, encodeCheckFileReply } from '../protocol/check-file.js'
import type { SftpHandler } from './handler.js'

/** Bytes of a piece. */
export const checkPieceLength = 256 * 1024

/** The smallest block of the draft: hashes of smaller ones would be no shorter than what they stand for. */
const leastBlock = 256

/** Bytes of hashes in one reply; who wants more asks about the file bit by bit. */
const greatestReply = 128 * 1024

/**
 * @param isOver whether nobody waits any more
 * @returns the payload of the reply
 * @throws what the handler throws; SftpError `EINVAL`, `ERR_SFTP_EOF` when there is nothing at `start`, `ERR_SFTP_CLOSED`
 */
export async function checkFile<F>(
  handler: SftpHandler<F>,
  file: F,
  request: CheckFileRequest,
  isOver: () => boolean,
): Promise<Uint8Array> {
  // Few clients ask for hashes, and the program `sftp-server` starts sooner without.
  const { createHash, getHashes } = await import('node:crypto')
  const { start, blockSize } = request
  const algorithm = chooseAlgorithm(request.algorithms, getHashes())
  if (blockSize !== 0 && blockSize < leastBlock) {
    throw new SftpError('EINVAL', `Blocks of ${blockSize} bytes are too small; expected ${leastBlock} or more, or 0`)
  }
  const attrs = await handler.fstat(file)
  // What has no end would be hashed for ever.
  if (typeOfAttrs(attrs) !== 'file') throw new SftpError('EINVAL', 'Only regular files have hashes')
  const { size = 0 } = attrs
  if (start > size) throw new SftpError('ERR_SFTP_EOF', 'The file ends in front of what is to be hashed')
  const end = request.length === 0 ? size : Math.min(size, start + request.length)
  const block = blockSize === 0 ? Math.max(1, end - start) : blockSize
  const digestLength = createHash(algorithm).digest().length
  if (Math.ceil((end - start) / block) * digestLength > greatestReply) {
    throw new SftpError('EINVAL', `More than ${greatestReply} bytes of hashes; ask for larger blocks, or fewer`)
  }
  const piece = Buffer.allocUnsafe(Math.min(checkPieceLength, Math.max(1, end - start)))
  const digests: Uint8Array[] = []
  // A range without a byte has a hash too where one of all is wanted.
  for (let position = start; position < end || (blockSize === 0 && digests.length === 0); ) {
    const blockEnd = Math.min(position + block, end)
    const hash = createHash(algorithm)
    while (position < blockEnd) {
      if (isOver()) throw new SftpError('ERR_SFTP_CLOSED', 'The channel closed while a file was being hashed')
      const into = piece.subarray(0, Math.min(piece.length, blockEnd - position))
      const count = await handler.read(file, into, position)
      if (!Number.isInteger(count) || count < 1 || count > into.length) {
        throw new SftpError('ERR_SFTP_FAILURE', `The handler read ${count} bytes where ${into.length} are said to be`)
      }
      hash.update(into.subarray(0, count))
      position += count
    }
    digests.push(hash.digest())
  }
  return encodeCheckFileReply(algorithm, digests)
}

/** The first of the client's that is known here. @throws SftpError `EINVAL` */
function chooseAlgorithm(names: string, ours: readonly string[]): string {
  const known: readonly string[] = checkFileAlgorithms.filter((name) => ours.includes(name))
  const chosen = names.split(',').find((name) => known.includes(name))
  if (chosen !== undefined) return chosen
  throw new SftpError('EINVAL', `None of these hash algorithms is known; expected one of ${known.join(', ')}`)
}
