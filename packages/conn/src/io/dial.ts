/** Makes the TCP connection of a client. */

import { createConnection, type Socket } from 'node:net'
import { AbortError } from '@ssh/wire'
import { ConnectError, TimeoutError } from '../errors.js'

export interface DialOptions {
  readonly host: string
  readonly port: number
  /** 0 or absent: no limit but the operating system's. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** How long one address is tried alone before the next is tried beside it (RFC 8305 §5). */
const attemptDelayMs = 250

/**
 * Connects to the first address of the host that answers, trying IPv6 and IPv4 side by side (RFC 8305), with
 * Nagle's algorithm off: SSH writes whole packets, and waiting for more would only delay them.
 *
 * @throws ConnectError `ERR_SSH_CONNECT_FAILED` with the system's error as `cause`
 * @throws TimeoutError `ERR_SSH_CONNECT_TIMEOUT`
 * @throws AbortError
 */
export function dial(options: DialOptions): Promise<Socket> {
  const { host, port, timeoutMs, signal } = options
  if (signal?.aborted) return Promise.reject(new AbortError(signal.reason))
  return new Promise((resolve, reject) => {
    const socket = createConnection({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: attemptDelayMs,
    })
    const timer =
      timeoutMs === undefined || timeoutMs === 0
        ? undefined
        : setTimeout(() => {
            const text = `No connection to ${host} port ${port} within ${timeoutMs} ms; is the address right, and the port open?`
            settle(() =>
              reject(new TimeoutError('ERR_SSH_CONNECT_TIMEOUT', text, { details: { host, port, timeoutMs } })),
            )
          }, timeoutMs)
    const onAbort = () => settle(() => reject(new AbortError(signal?.reason)))
    const onError = (error: Error) => settle(() => reject(connectError(error, host, port)))
    const onConnect = () => {
      release()
      resolve(socket)
    }
    const release = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      socket.off('error', onError)
      socket.off('connect', onConnect)
    }
    const settle = (finish: () => void) => {
      release()
      // An error that comes after we gave up has nobody left to hear it.
      socket.on('error', () => {})
      socket.destroy()
      finish()
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    socket.once('error', onError)
    socket.once('connect', onConnect)
  })
}

function connectError(cause: Error, host: string, port: number): ConnectError {
  const attempts = cause instanceof AggregateError ? cause.errors.map(String) : []
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name
  const why = hints.get(code) ?? cause.message
  return new ConnectError('ERR_SSH_CONNECT_FAILED', `Cannot connect to ${host} port ${port}: ${code}, ${why}`, {
    cause,
    details: { host, port, systemCode: code, ...(attempts.length > 0 && { attempts }) },
  })
}

const hints = new Map([
  ['ECONNREFUSED', 'nothing listens there; is the port right, and the server running?'],
  ['ENOTFOUND', 'the name is not known; is the host spelt right?'],
  ['EAI_AGAIN', 'the name service did not answer; try again'],
  ['EHOSTUNREACH', 'there is no route to that host'],
  ['ENETUNREACH', 'there is no route to that network'],
  ['ETIMEDOUT', 'the host did not answer'],
  ['ECONNRESET', 'the host dropped the connection at once'],
])
