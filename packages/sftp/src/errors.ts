/** The errors of SFTP. */

import { type ErrorDetails, printable, SshError, type SshErrorOptions } from '@ssh/wire'
import { statusRow } from './protocol/status.js'
import { codeOfReason } from './reason-texts.js'

export interface SftpErrorOptions extends SshErrorOptions {
  /** The SSH_FX_* code the server answered with. */
  readonly status?: number
  /** The path the operation was about, as the caller gave it. */
  readonly path?: string
  /** What the server said, as it came; {@link SftpError.serverText} is safe to print. */
  readonly serverText?: string
}

/**
 * A file operation failed, or the SFTP session did.
 *
 * `code` is as in `fs` (`ENOENT`, `EACCES`, `EEXIST`, `ENOSPC`, …) where `fs` has one. Else:
 * - `ERR_SFTP_FAILURE` the server gave no reason: version 3 has no status for an existing file, a directory that is not
 *   empty or a full disk, and servers answer SSH_FX_FAILURE for all of them. Where their text is a reason of the system
 *   ("Disk quota exceeded"), its code is given. Else the client looks how things stand, and says
 *   `EEXIST`, `ENOTEMPTY`, `EISDIR` or `ENOTDIR` where that tells; `status` and `serverText` are the server's all the same
 * - `ERR_SFTP_BAD_MESSAGE` the server refused the request as malformed
 * - `ERR_SFTP_PROTOCOL` the peer broke the protocol; the session is over
 * - `ERR_SFTP_UNSAFE_INTEGER` a size or offset of 2^53 or more, which a number cannot hold exactly
 * - `ERR_SFTP_CONNECTION_LOST` the channel ended while the operation waited
 * - `ERR_SFTP_CLOSED` the client, file or server was closed by this side
 * - `ERR_SFTP_UNSAFE_NAME` a name from the server that would leave the local target directory
 * - `ERR_SFTP_UNREQUESTED` SCP: the server sends what nobody asked for
 * - `ERR_SFTP_REMOTE_PROGRAM` SCP: the program of the other side failed; `details.exitStatus` and `details.stderr` say how
 * - `ERR_SFTP_FILE_CHANGED` a file changed while it was copied, so that the copy cannot be whole
 * - `ERR_SFTP_VERIFY_FAILED` a copy is not what was copied; `details.offset` is the first byte that differs, where known
 *
 * A server that lacks an operation gives `ENOTSUP`; a pattern that nothing matches gives `ENOENT`.
 */
export class SftpError extends SshError {
  /** The SSH_FX_* code the server answered with, if the error came from there. */
  readonly status: number | undefined
  /** The path the operation was about. */
  readonly path: string | undefined
  /** What the server said, made safe to print. */
  readonly serverText: string | undefined
  /** Set by get, put and their kin: what was being copied when this happened. */
  srcpath: string | undefined
  /** Set by get, put and their kin: where it was being copied to. */
  dstpath: string | undefined

  constructor(code: string, message: string, options: SftpErrorOptions = {}) {
    const { status, path, serverText, ...base } = options
    const ending = path === undefined ? '' : `: "${printable(path)}"`
    super(code, message.endsWith(ending) ? message : message + ending, base)
    this.status = status
    this.path = path
    this.serverText = serverText === undefined ? undefined : printable(serverText)
  }

  /**
   * The same failure, as one of a file that was being copied: several files may have ended with one error.
   * @param details added to the error's own
   */
  during(srcpath: string, dstpath: string, details: ErrorDetails): SftpError {
    const error = new SftpError(this.code, this.message, {
      details: { ...this.details, ...details },
      cause: this.cause ?? this,
      ...(this.status !== undefined && { status: this.status }),
      ...(this.path !== undefined && { path: this.path }),
      ...(this.serverText !== undefined && { serverText: this.serverText }),
    })
    // What has no name, as a stream, has no path.
    if (srcpath !== '') error.srcpath = srcpath
    if (dstpath !== '') error.dstpath = dstpath
    return error
  }

  override get layer(): string {
    return 'sftp'
  }

  /** The error for a status reply. */
  static fromStatus(status: number, serverText: string, context: FailedOperation): SftpError {
    const { operation, path, offset } = context
    const row = statusRow(status)
    const where = offset === undefined ? operation : `${operation} at offset ${offset}`
    // Servers that have no status for a reason often say it.
    const isUnsaid = row.code === 'ERR_SFTP_FAILURE' && !/^(?:(?:ssh_fx_)?failure\W*)?$/i.test(serverText.trim())
    const code = (isUnsaid ? codeOfReason(serverText) : undefined) ?? row.code
    const said = serverText === '' || isUnsaid ? '' : ` (server: ${printable(serverText)})`
    return new SftpError(code, `${code}: ${isUnsaid ? printable(serverText) : row.meaning}, ${where}${said}`, {
      status,
      serverText,
      ...(path !== undefined && { path }),
      ...(offset !== undefined && { details: { offset } }),
    })
  }
}

/** What was asked, for the message of its failure. */
export interface FailedOperation {
  /** `open`, `rename`. */
  readonly operation: string
  readonly path?: string | undefined
  /** Position in the file. */
  readonly offset?: number | undefined
}

/** The peer broke the protocol; the session ends with this. */
export function protocolError(message: string, options: SftpErrorOptions = {}): SftpError {
  return new SftpError('ERR_SFTP_PROTOCOL', message, options)
}

/** Whether the session is over with `error`, so that nothing that follows can succeed. */
export function isOver({ code }: SftpError): boolean {
  return ['ERR_SFTP_CONNECTION_LOST', 'ERR_SFTP_CLOSED', 'ERR_SFTP_PROTOCOL'].includes(code)
}
