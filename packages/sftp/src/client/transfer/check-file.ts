/** Asks a server for hashes of a file, in the ways that servers are known to answer rightly. */

import { getHashes } from 'node:crypto'
import { SshError } from '@ssh/wire'
import { SftpError } from '../../errors.js'
import { checkFileAlgorithms, checkFileRequest, decodeCheckFileReply } from '../../protocol/check-file.js'
import { framePacket } from '../../protocol/framing.js'
import { requests } from '../../protocol/packets.js'
import type { FileHash } from '../file-tree.js'
import type { OpenHandle } from '../operations.js'
import { expectExtended } from '../reply-kinds.js'
import type { ClientSession } from '../session.js'
import type { Stretch } from './content.js'

type Signal = AbortSignal | undefined

/** Paramiko hashes the wrong bytes of larger blocks. */
const paramikoBlock = 64 * 1024

/** Bytes that one request of Paramiko's kind is about: its answer holds 20 KiB of hashes. */
const paramikoStretch = 1024 * paramikoBlock

/** Servers that do not know the request, which nobody need announce. */
const without = new WeakSet<ClientSession>()

/**
 * Hashes of a stretch that ends with the file; undefined when the server has none.
 * @param algorithm the only one wanted; default: the best that the server has
 * @throws AbortError; SftpError when the session is over
 */
export async function checkFile(
  file: OpenHandle,
  stretch: Stretch,
  algorithm: string | undefined,
  signal: Signal,
): Promise<FileHash | undefined> {
  const { session } = file
  if (stretch.start >= stretch.end || without.has(session)) return undefined
  const ours = getHashes()
  const algorithms = checkFileAlgorithms.filter((name) => (algorithm ?? name) === name && ours.includes(name)).join(',')
  if (algorithms === '') return undefined
  try {
    return await (session.extensions.has('check-file')
      ? inBlocks(file, stretch, algorithms, signal)
      : inOne(file, stretch, algorithms, signal))
  } catch (error) {
    if (!(error instanceof SftpError) || error.status === undefined) {
      // An answer that cannot be read is as good as none.
      if (SshError.isSshError(error) && error.code.startsWith('ERR_SSH_WIRE_')) return undefined
      throw error
    }
    if (error.code === 'ENOTSUP') without.add(session)
    return undefined
  }
}

/** ProFTPD hashes up to the end of the file whatever length it is told, and does not get far with blocks. */
async function inOne(file: OpenHandle, { start }: Stretch, algorithms: string, signal: Signal): Promise<FileHash> {
  const fields = { handle: file.handle, algorithms, start, length: 0, blockSize: 0 }
  const { algorithm, digests } = await ask(file, 'check-file-handle', fields, signal)
  return { algorithm, blockLength: Number.POSITIVE_INFINITY, digests: Buffer.from(digests) }
}

async function inBlocks(
  file: OpenHandle,
  { start, end }: Stretch,
  algorithms: string,
  signal: Signal,
): Promise<FileHash | undefined> {
  const found: Buffer[] = []
  let chosen: string | undefined
  for (let position = start; position < end; position += paramikoStretch) {
    const length = Math.min(paramikoStretch, end - position)
    const fields = { handle: file.handle, algorithms, start: position, length, blockSize: paramikoBlock }
    const { algorithm, digests } = await ask(file, 'check-file', fields, signal)
    chosen ??= algorithm
    if (algorithm !== chosen) return undefined
    found.push(Buffer.from(digests))
  }
  return chosen === undefined
    ? undefined
    : { algorithm: chosen, blockLength: paramikoBlock, digests: Buffer.concat(found) }
}

async function ask(
  file: OpenHandle,
  request: 'check-file' | 'check-file-handle',
  fields: Parameters<typeof checkFileRequest.encode>[0],
  signal: Signal,
): Promise<ReturnType<typeof decodeCheckFileReply>> {
  const payload = checkFileRequest.encode(fields)
  const build = (id: number): Uint8Array => framePacket(requests.extended.encode({ id, request, payload }))
  const context = { operation: request, path: file.path, offset: fields.start, signal }
  return decodeCheckFileReply(await file.session.request(expectExtended, build, context))
}
