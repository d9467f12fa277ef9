/** Makes the TCP connection of a client. */

import { createConnection, type Socket } from 'node:net'
import { AbortError, SshError } from '@ssh/wire'
import { ConnectError } from '../errors.js'
import { BorrowedReads } from './borrowed-reads.js'
import { isNode } from './socket-address.js'

export interface DialOptions {
  readonly host: string
  readonly port: number
  /** Gives up, with its reason if that is an error of this SDK. Absent: the operating system's patience. */
  readonly signal?: AbortSignal
}

/** How long one address is tried alone before the next is tried beside it (RFC 8305 §5). */
const attemptDelayMs = 250

/**
 * Connects to the first address of the host that answers, trying IPv6 and IPv4 side by side (RFC 8305), with
 * Nagle's algorithm off: SSH writes whole packets, and waiting for more would only delay them.
 *
 * @throws ConnectError `ERR_SSH_CONNECT_FAILED` with the system's error as `cause`
 * @throws AbortError, or the signal's reason
 */
export function dial({ host, port, signal }: DialOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw abortReason(signal)
    const reads = isNode ? new BorrowedReads() : undefined
    const socket = createConnection({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: attemptDelayMs,
      ...(reads !== undefined && { onread: reads.options }),
    })
    reads?.belongTo(socket)
    const onAbort = () => fail(abortReason(signal))
    const onError = (error: Error) => fail(connectError(error, host, port))
    const onConnect = () => {
      release()
      resolve(socket)
    }
    const release = () => {
      signal?.removeEventListener('abort', onAbort)
      socket.off('error', onError)
      socket.off('connect', onConnect)
    }
    const fail = (error: Error) => {
      release()
      // An error that comes after we gave up has nobody left to hear it.
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    socket.once('error', onError)
    socket.once('connect', onConnect)
  })
}

function abortReason(signal: AbortSignal | undefined): SshError {
  return SshError.isSshError(signal?.reason) ? signal.reason : new AbortError(signal?.reason)
}

function connectError(cause: Error, host: string, port: number): ConnectError {
  // One error for each address that was tried.
  const attempts = cause instanceof AggregateError ? cause.errors.map((error: Error) => error.message) : []
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name
  const why = hints.get(code) ?? (cause.message || attempts.join(', '))
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
