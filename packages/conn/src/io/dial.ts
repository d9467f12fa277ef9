/** Makes the TCP connection of a client. */

import dns, { type LookupAddress, type LookupOptions } from 'node:dns'
import { createConnection, isIP, type Socket } from 'node:net'
import { AbortError, SshError } from '@ssh/wire'
import { ConnectError } from '../errors.js'
import { BorrowedReads } from './borrowed-reads.js'
import { isNode } from './socket-address.js'

export interface DialOptions {
  readonly host: string
  readonly port: number
  /** Only addresses of this family. Default: both. */
  readonly family?: 4 | 6 | undefined
  /** Numeric address of this machine to connect from. Default: the system's choice. */
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  /** Whether the operating system checks on a connection that is silent. Default true. */
  readonly tcpKeepalive?: boolean | undefined
  /** How often it is tried, a second apart. Default 1. */
  readonly attempts?: number | undefined
  /** Gives up, with its reason if that is an error of this SDK. Absent: the operating system's patience. */
  readonly signal?: AbortSignal
}

/** How long one address is tried alone before the next is tried beside it (RFC 8305 §5). */
const attemptDelayMs = 250
/** As OpenSSH's ConnectionAttempts has it. */
const retryDelayMs = 1000

/**
 * Connects to the first address of the host that answers, trying IPv6 and IPv4 side by side (RFC 8305), with
 * Nagle's algorithm off: SSH writes whole packets, and waiting for more would only delay them.
 *
 * @throws ConnectError `ERR_SSH_CONNECT_FAILED` with the system's error as `cause`
 * @throws AbortError, or the signal's reason
 */
export async function dial(options: DialOptions): Promise<Socket> {
  const { attempts = 1, signal } = options
  for (let attempt = 1; attempt < attempts; attempt++) {
    try {
      return await dialOnce(options)
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error
    }
    await pause(retryDelayMs, signal)
  }
  return await dialOnce(options)
}

function dialOnce({ host, port, family, localAddress, localPort, tcpKeepalive, signal }: DialOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw abortReason(signal)
    const reads = isNode ? new BorrowedReads() : undefined
    const socket = createConnection({
      host,
      port,
      noDelay: true,
      keepAlive: tcpKeepalive ?? true,
      ...sourceOptions(family, localAddress, localPort),
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

/** An address of ours leaves one family, and Node then tries one address; else several are tried side by side. */
function sourceOptions(family: 4 | 6 | undefined, localAddress: string | undefined, localPort: number | undefined) {
  const from = { ...(localAddress !== undefined && { localAddress }), ...(localPort !== undefined && { localPort }) }
  if (localAddress !== undefined) return { ...from, family: isIP(localAddress) }
  const attempts = { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: attemptDelayMs }
  return { ...from, ...attempts, ...(family !== undefined && { lookup: lookupFamily(family) }) }
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void

/** Every address of one family: with `family` itself Node would try the first one only. */
function lookupFamily(family: 4 | 6) {
  return (host: string, options: LookupOptions, done: LookupCallback) => dns.lookup(host, { ...options, family }, done)
}

/** @throws AbortError, or the signal's reason */
function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw abortReason(signal)
    const onAbort = () => {
      clearTimeout(timer)
      reject(abortReason(signal))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** What whoever waits is told when a signal fires: the reason itself if it is an error of this SDK. */
export function abortReason(signal: AbortSignal | undefined): SshError {
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
  ['EADDRNOTAVAIL', 'the address to connect from is none of this machine'],
  ['EADDRINUSE', 'the port to connect from is in use'],
])
