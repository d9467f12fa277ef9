import type { ByteChannel } from '@ssh/wire'
import type { SftpHandler } from './handler.js'

export interface ServeSftpOptions {
  /** Open handles. Default 256. */
  readonly maximumHandles?: number
  /** Requests answered at the same time. Default 128. */
  readonly maximumRequests?: number
}

/** One served channel. */
export interface SftpServerSession {
  /** Settles when the channel is over and every file is closed; never rejects. */
  readonly closed: Promise<void>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Serves `handler` on `channel`. Signature first; the body follows. */
export declare function serveSftp<F>(
  channel: ByteChannel,
  handler: SftpHandler<F>,
  options?: ServeSftpOptions,
): SftpServerSession
