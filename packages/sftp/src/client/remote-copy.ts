/** Copying on the server, without the bytes coming here: `copy-data` (OpenSSH PROTOCOL §4.10). */

import { knownOptions } from '@ssh/wire'
import { SftpError } from '../errors.js'
import { assertUint53 } from '../protocol/attrs.js'
import { openFlags } from '../protocol/open-flags.js'
import { throwIfAborted } from './abort.js'
import { type OpenHandle, setstatHandle, statHandle } from './operations.js'
import { optionNames, type SftpRemoteCopyOptions } from './options.js'
import type { ReplyKind } from './reply-kinds.js'
import type { ClientSession } from './session.js'
import { openHandleOf, type SftpFile } from './sftp-file.js'
import { closingAfter, type OpenRemoteFile } from './transfers.js'

/** Bytes from one file to another. */
export interface CopiedRange {
  readonly from: number
  /** 0: up to the end of the source. */
  readonly length: number
  readonly to: number
}

/** The bytes are copied, or the source ended before all of them were, where that is told. */
const expectCopied: ReplyKind<'all' | 'less'> = { number: undefined, read: () => 'all', atEnd: 'less' }

/**
 * One `copy-data` request.
 * @returns `less` when the source ended first; some servers say `all` then too
 * @throws SftpError `ENOTSUP`, what the server answers
 */
export function copyData(
  source: OpenHandle,
  target: OpenHandle,
  { from, length, to }: CopiedRange,
  signal: AbortSignal | undefined,
): Promise<'all' | 'less'> {
  const fields = {
    readHandle: source.handle,
    readOffset: from,
    length,
    writeHandle: target.handle,
    writeOffset: to,
  }
  const context = { operation: 'copy-data', path: target.path, offset: to, signal }
  return target.session.extended(expectCopied, 'copy-data', fields, context)
}

/** What `SftpClient.remoteCopy` does. */
export async function remoteCopy(
  session: ClientSession,
  open: OpenRemoteFile,
  src: string | SftpFile,
  dst: string | SftpFile,
  options: SftpRemoteCopyOptions,
): Promise<void> {
  const {
    srcOffset: from = 0,
    srcLength: length = 0,
    dstOffset: to = 0,
    signal,
  } = knownOptions('remoteCopy', options, optionNames.remoteCopy)
  for (const value of [from, length, to]) assertUint53(value)
  throwIfAborted(signal)
  session.assertSupports('copy-data', 'remoteCopy')
  if (src === dst) throw ontoItself(typeof dst === 'string' ? dst : dst.path)
  await withFile(open, src, openFlags.read, signal, (source) =>
    // Not cut off before the copy: were it the source under another name, there would be nothing left to copy.
    withFile(open, dst, openFlags.write | openFlags.create, signal, async (target) => {
      await copyData(source, target, { from, length, to }, signal)
      // A range patches what is there.
      if (from !== 0 || length !== 0 || to !== 0) return
      const { size = 0 } = await statHandle(source, signal)
      await setstatHandle(target, { size }, signal)
    }),
  )
}

/** @throws always: SftpError `EINVAL` */
export function ontoItself(path: string): SftpError {
  return new SftpError('EINVAL', 'EINVAL: source and destination are the same file', { path })
}

async function withFile<T>(
  open: OpenRemoteFile,
  file: string | SftpFile,
  flags: number,
  signal: AbortSignal | undefined,
  work: (file: OpenHandle) => Promise<T>,
): Promise<T> {
  if (typeof file !== 'string') return work(openHandleOf(file))
  const opened = await open(file, flags, { signal })
  return closingAfter(opened, signal, () => work(openHandleOf(opened)))
}
