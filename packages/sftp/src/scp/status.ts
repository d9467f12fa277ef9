/** What one side answers the other, and which failures end everything. */

import { AbortError, printable } from '@ssh/wire'
import { protocolError, SftpError } from '../errors.js'
import { statusBytes } from './records.js'
import { remoteFailure } from './remote-failure.js'
import { connectionLost, type ScpStream } from './scp-stream.js'

/** The other side says no. */
export interface RemoteRefusal {
  readonly error: SftpError
  /** Whether it says nothing more. */
  readonly isFatal: boolean
}

/**
 * Reads an answer.
 * @returns undefined when it is yes
 * @throws SftpError `ERR_SFTP_CONNECTION_LOST` when none comes; `ERR_SFTP_PROTOCOL` for what is none
 */
export async function readStatus(stream: ScpStream): Promise<RemoteRefusal | undefined> {
  const status = await stream.readByte()
  if (status === statusBytes.ok) return undefined
  if (status === undefined) throw connectionLost('The remote side ended before it answered')
  const line = await stream.readLine()
  if (status !== statusBytes.warning && status !== statusBytes.fatal) {
    throw printedText(String.fromCharCode(status) + Buffer.from(line ?? []).toString('latin1'))
  }
  if (line === undefined) throw connectionLost('The remote side ended before it said why it refuses')
  return { error: remoteFailure(line), isFatal: status === statusBytes.fatal }
}

/** Text came where SCP was expected: a login script that prints something is the usual cause. */
export function printedText(text: string): SftpError {
  return protocolError(
    `The remote side sent text in place of SCP: "${printable(text, 120)}". A start-up file of the remote shell must ` +
      'print nothing when it is not interactive',
  )
}

/** Whether nothing that follows can succeed. */
export function endsCopying(error: unknown): boolean {
  return (
    error instanceof AbortError ||
    (error instanceof SftpError &&
      ['ERR_SFTP_CONNECTION_LOST', 'ERR_SFTP_PROTOCOL', 'ERR_SFTP_UNREQUESTED'].includes(error.code))
  )
}

/** What ends the copying although it was about one thing only: nobody takes errors, or whoever takes them threw. */
export class CopyingEnded extends Error {
  readonly reason: unknown

  constructor(reason: unknown) {
    super('The copying ends')
    this.reason = reason
  }
}

/** Does something, and unwraps what {@link CopyingEnded} carries. */
export async function untilEnded(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw error instanceof CopyingEnded ? error.reason : error
  }
}

/** What was to be copied, and where to, as the caller would name them. */
export interface Ends {
  readonly src: string
  readonly dst: string
}

/** Notes in an error what it is about, unless something smaller is known. */
export function tellEnds(error: unknown, { src, dst }: Ends): void {
  if (!(error instanceof SftpError)) return
  error.srcpath ??= src
  error.dstpath ??= dst
}

/** What was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
