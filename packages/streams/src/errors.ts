/** What can go wrong between a stream and a byte channel. */

import { SshError, type SshErrorOptions } from '@ssh/wire'

/** Codes of {@link StreamError}. */
export type StreamErrorCode =
  /** The channel ended before everything written had been taken. */
  | 'ERR_SSH_STREAM_CLOSED'
  /** More output arrived than the collector may keep. `details.maxBuffer`. */
  | 'ERR_SSH_STREAM_MAX_BUFFER'
  /** A line is longer than the reader accepts. `details.maxLength`. */
  | 'ERR_SSH_STREAM_LINE_TOO_LONG'

/** A stream over a byte channel could not carry what it was given. The connection underneath is not touched. */
export class StreamError extends SshError {
  declare readonly code: StreamErrorCode

  constructor(code: StreamErrorCode, message: string, options: SshErrorOptions = {}) {
    super(code, message, options)
  }
}
