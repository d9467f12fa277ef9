/** Opening a session channel: RFC 4254 §6.1. */

import { AbortError, openFailureReasons, reasonName } from '@ssh/wire'
import type { ChannelOpener } from '../connection/channel-open.js'
import type { ChannelOptions } from '../connection/limits.js'
import { ChannelOpenError } from '../errors.js'
import { SessionClient, type SessionHandlers } from './session-client.js'

export interface OpenSessionOptions {
  /** Told of what happens in the session, from its first moment. */
  readonly handlers?: SessionHandlers
  /** Windows where they differ from the connection's. */
  readonly channelOptions?: ChannelOptions
  /** Aborting before the session is open leaves nothing open. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Opens a session, in which nothing runs yet.
 * @throws ChannelOpenError when the server refuses; `details.mayRetryLater` tells that it has too many sessions
 * @throws AbortError when `signal` fires first
 * @throws Error the error that ended the connection
 */
export function openSession(opener: ChannelOpener, options: OpenSessionOptions = {}): Promise<SessionClient> {
  const { signal, handlers = {}, channelOptions = {} } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw new AbortError(signal.reason)
    const abort = (): void => {
      opening.cancel()
      reject(new AbortError(signal?.reason))
    }
    const opening = opener.openChannel('session', noTypeData, channelOptions, {
      onOpen(channel) {
        signal?.removeEventListener('abort', abort)
        resolve(new SessionClient(channel, handlers))
      },
      onFailure(error) {
        signal?.removeEventListener('abort', abort)
        reject(error instanceof ChannelOpenError ? sessionRefused(error) : error)
      },
    })
    signal?.addEventListener('abort', abort, { once: true })
  })
}

const noTypeData = new Uint8Array(0)

/** Codes with which servers say "too many": we and others use 4, OpenSSH's MaxSessions says 2 and "open failed". */
const tooManyCodes: readonly number[] = [openFailureReasons.connectFailed, openFailureReasons.resourceShortage]

function sessionRefused(error: ChannelOpenError): ChannelOpenError {
  if (!tooManyCodes.includes(error.reasonCode)) return error
  return new ChannelOpenError(
    error.reasonCode,
    'The server allows no more sessions on this connection ' +
      `(${reasonName(openFailureReasons, error.reasonCode)}). Wait until one ends, open another connection, ` +
      "or raise the server's limit (MaxSessions in OpenSSH, 10 by default)",
    { details: { ...error.details, mayRetryLater: true }, cause: error },
  )
}
