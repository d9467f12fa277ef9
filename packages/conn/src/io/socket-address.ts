/** What only a TCP socket among the duplex streams has: addresses, and a say in whether the process may exit. */

import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** Numeric addresses and ports of both ends; undefined for what is no TCP connection. */
export interface SocketAddresses {
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
}

/** Whether this is Node itself: other runtimes have its sockets, but not all that can be done with them. */
export const isNode = process.versions.bun === undefined && !('Deno' in globalThis)

/**
 * Whether what is written to a stream has been copied once the write's callback is called: true of Node's own sockets.
 * Another runtime's, or a subclass's, may call back while the memory is still to be read.
 */
export function copiesWrites(stream: Duplex): boolean {
  return stream.constructor === Socket && isNode
}

function isTcpSocket(stream: Duplex): stream is Socket {
  return stream instanceof Socket
}

export function addressesOf(stream: Duplex): SocketAddresses {
  const socket = isTcpSocket(stream) ? stream : undefined
  return {
    localAddress: socket?.localAddress,
    localPort: socket?.localPort,
    remoteAddress: socket?.remoteAddress,
    remotePort: socket?.remotePort,
  }
}

/** Who is at the other end of a stream, as forwarding says it: numeric, and empty and 0 for what is no TCP connection. */
export function originOf(stream: Duplex): { readonly originHost: string; readonly originPort: number } {
  const { remoteAddress = '', remotePort = 0 } = addressesOf(stream)
  // A socket for both families has IPv4 addresses in IPv6 form (RFC 4291 §2.5.5.2).
  return { originHost: remoteAddress.replace(/^::ffff:(?=\d+\.)/i, ''), originPort: remotePort }
}

/** A stream that is no socket and yet keeps the process alive: by a child, or by what it goes through. */
export interface AliveStream {
  keepProcessAlive(keep: boolean): void
}

/** Whether an open stream keeps the process alive; has no effect on what is no socket and no {@link AliveStream}. */
export function keepProcessAlive(stream: Duplex, keep: boolean): void {
  if (isAliveStream(stream)) stream.keepProcessAlive(keep)
  else if (!isTcpSocket(stream)) return
  else if (keep) stream.ref()
  else stream.unref()
}

function isAliveStream(stream: Duplex): stream is Duplex & AliveStream {
  return 'keepProcessAlive' in stream && typeof stream.keepProcessAlive === 'function'
}
