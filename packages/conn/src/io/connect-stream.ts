/** Connecting to where forwarding delivers: TCP ports and Unix sockets that this machine reaches. */

import { createConnection, type Socket } from 'node:net'
import { AbortError, printable, SshError } from '@ssh/wire'
import { ConnectError } from '../errors.js'
import { checkSocketPath } from './socket-path.js'

/** Where to connect to. */
export type ConnectTarget =
  | { readonly host: string; readonly port: number }
  /** A Unix socket. */
  | { readonly path: string }

/**
 * Connects, trying the addresses of a name side by side (RFC 8305). The socket is half-open capable (`allowHalfOpen`),
 * and its owner's to read, close and watch; an `error` that nobody listens for does not end the process.
 *
 * @throws ConnectError `ERR_SSH_CONNECT_FAILED`; `cause` is the system's error, `details.systemCode` its code
 * @throws AbortError, or the signal's reason if that is an error of this SDK
 */
export function connectStream(target: ConnectTarget, signal?: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw abortReason(signal)
    if ('path' in target) refuseBadPath(target)
    const socket = createConnection({
      ...target,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      autoSelectFamily: true,
    })
    const onAbort = () => fail(abortReason(signal))
    const onError = (error: Error) => fail(connectFailed(target, error))
    const release = () => {
      signal?.removeEventListener('abort', onAbort)
      socket.off('error', onError)
    }
    const fail = (error: Error) => {
      release()
      socket.destroy()
      reject(error)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    // One that comes after we gave up, or before its owner has turned to it, has nobody to hear it.
    socket.on('error', () => {})
    socket.once('error', onError)
    socket.once('connect', () => {
      release()
      resolve(socket)
    })
  })
}

function refuseBadPath(target: { readonly path: string }): void {
  try {
    checkSocketPath(target.path)
  } catch (error) {
    throw connectFailed(target, error)
  }
}

function abortReason(signal: AbortSignal | undefined): SshError {
  return SshError.isSshError(signal?.reason) ? signal.reason : new AbortError(signal?.reason)
}

function connectFailed(target: ConnectTarget, cause: unknown): ConnectError {
  const where = 'path' in target ? target.path : `${target.host} port ${target.port}`
  // One error for each address that was tried.
  const [first] = cause instanceof AggregateError ? cause.errors : [cause]
  const code = first instanceof Error && 'code' in first ? String(first.code) : 'failed'
  const why = hints.get(code) ?? (first instanceof Error ? first.message : String(first))
  return new ConnectError('ERR_SSH_CONNECT_FAILED', `Cannot connect to ${printable(where)}: ${code}, ${why}`, {
    cause,
    details: { ...target, systemCode: code },
  })
}

const hints = new Map([
  ['ECONNREFUSED', 'nothing listens there'],
  ['ENOENT', 'there is no such socket'],
  ['EACCES', 'it may not be connected to'],
  ['ENOTFOUND', 'the name is not known'],
  ['EHOSTUNREACH', 'there is no route to that host'],
  ['ENETUNREACH', 'there is no route to that network'],
  ['ETIMEDOUT', 'the host did not answer'],
])
