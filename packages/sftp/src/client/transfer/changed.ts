/** Tells a file that became shorter while it was copied from one that says more than it has. */

import { SftpError } from '../../errors.js'
import type { SourceFile, TargetFile } from '../file-tree.js'

/** What is known of a file whose end was reached. */
type EndedFile = Pick<SourceFile, 'path' | 'size' | 'currentSize'>

/**
 * A file ended at `end`. Where that is before the size it was believed to have, it is asked again: what sysfs says of its
 * files is more than they have, and stays the same; and a copy may have all that there is by now. Any other is neither.
 * @throws SftpError `ERR_SFTP_FILE_CHANGED`
 */
export async function assertUnchanged(source: EndedFile, end: number, signal: AbortSignal | undefined): Promise<void> {
  const { size } = source
  if (size === undefined || end >= size) return
  const now = await source.currentSize?.(signal)
  if (now !== undefined && now !== size && now !== end) throw changed(source, now, end)
}

/**
 * A server has copied a file by itself, and does not say how much of it there was.
 * @returns the size of the copy
 * @throws SftpError `ERR_SFTP_FILE_CHANGED`
 */
export async function copiedSize(
  source: EndedFile,
  target: Pick<TargetFile, 'currentSize'>,
  size: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const now = await source.currentSize?.(signal)
  if (now === undefined || now >= size) return size
  const copied = await target.currentSize?.(signal)
  if (copied === now) return now
  throw changed(source, now, copied ?? now)
}

/**
 * @param size bytes of the file by now
 * @param copied bytes from its start that were read
 */
export function changed({ path }: Pick<SourceFile, 'path'>, size: number, copied: number): SftpError {
  return new SftpError(
    'ERR_SFTP_FILE_CHANGED',
    `The file ended at ${size} bytes, and ${copied} were copied: it changed while it was copied`,
    { details: { size, copied, offset: Math.min(size, copied) }, ...(path !== undefined && { path }) },
  )
}
