/** The errors that end a connection from above the transport. */

import { disconnectReasons } from '@ssh/wire'
import { ConnectionLost, ProtocolError, TimeoutError } from '../errors.js'
import type { KeepaliveLimits } from './keepalive.js'

/** What whoever comes too late is told. @param cause what ended the connection, if it broke */
export function connectionClosed(cause?: Error): ConnectionLost {
  const why = cause === undefined ? '' : `: ${cause.message}`
  return new ConnectionLost('ERR_SSH_CONNECTION_CLOSED', `The connection is closed${why}`, { ...(cause && { cause }) })
}

/** The socket failed. */
export function connectionBroke(cause: Error, phase: 'login' | 'authenticated'): ConnectionLost {
  const text = `The connection broke: ${cause.message}`
  return new ConnectionLost('ERR_SSH_CONNECTION_LOST', text, { cause, details: { phase } })
}

/** No keepalive was answered. */
export function peerSilent({ intervalMs, countMax }: KeepaliveLimits): ConnectionLost {
  return new ConnectionLost(
    'ERR_SSH_CONNECTION_TIMEOUT',
    `The peer answered none of ${countMax} keepalives sent every ${intervalMs} ms; the connection counts as lost`,
    { details: { intervalMs, countMax } },
  )
}

/** @param phase what had not come yet */
export function loginTimeout(timeoutMs: number, phase: string): TimeoutError {
  return new TimeoutError(
    'ERR_SSH_LOGIN_TIMEOUT',
    `Key exchange and login took longer than ${timeoutMs} ms; what was missing was ${phase}`,
    { details: { timeoutMs, phase }, disconnectReason: disconnectReasons.byApplication },
  )
}

export function connectionIdle(timeoutMs: number): TimeoutError {
  return new TimeoutError('ERR_SSH_CONNECTION_IDLE', `No channel was open for ${timeoutMs} ms`, {
    details: { timeoutMs },
    disconnectReason: disconnectReasons.byApplication,
  })
}

export function verdictTimeout(timeoutMs: number): TimeoutError {
  return new TimeoutError(
    'ERR_SSH_HOST_KEY_TIMEOUT',
    `The server changed its host key, and no verdict about the new one came within ${timeoutMs} ms`,
    { details: { timeoutMs }, disconnectReason: disconnectReasons.hostKeyNotVerifiable },
  )
}

export function outputFlood(): ProtocolError {
  return new ProtocolError(
    'ERR_SSH_TRANSPORT_OUTPUT_FLOOD',
    'Too many answers wait for the peer, which asks for more while it does not let us send them',
  )
}
