/** What the builder of a server may answer when a client asks for forwarding. */

import type { Duplex } from 'node:stream'
import type { ByteChannel } from '@ssh/wire'
import type { AcceptForward, ForwardedTcpInfo, ForwardedUnixInfo } from '../../forwarding/forward-info.js'
import type { StreamHandler } from '../../stream-handler.js'
import type { ServerConnection } from '../server-connection.js'

/** A TCP connection that a client wants from here (`direct-tcpip`, RFC 4254 §7.2). */
export interface RequestedConnection {
  readonly connection: ServerConnection
  /** Host name or address, in lower case. */
  readonly destHost: string
  readonly destPort: number
  /** Where the client says that the connection comes from, which nobody has checked; empty when that is no address. */
  readonly originHost: string
  readonly originPort: number
}

/** A connection to a Unix domain socket that a client wants from here (OpenSSH PROTOCOL §2.4). */
export interface RequestedUnixConnection {
  readonly connection: ServerConnection
  readonly path: string
}

/**
 * Is the other end of one connection, in this process: what it reads is what the client's program sent. When it throws
 * or rejects the connection is reset, and the error goes to the logger.
 */
export type TunnelHandler<I> = StreamHandler<I>

/** Somewhere else to connect to than where the client asked. */
export type OtherDestination =
  | { readonly host: string; readonly port: number }
  /** A Unix domain socket. */
  | { readonly path: string }

/** How to open a tunnel through {@link OnwardConnection}. */
export interface OnwardOptions {
  readonly originHost?: string
  readonly originPort?: number
  readonly signal?: AbortSignal
}

/** A listener elsewhere. */
export interface OnwardListener {
  /** Port that it listens on; 0 for a Unix domain socket. */
  readonly port: number
  /** Resolves when it is closed; rejections are ignored. */
  readonly closed: Promise<unknown>
  close(): Promise<unknown>
}

/** Another connection, to take a request for a connection on through: a client connection of this SDK. */
export interface OnwardConnection {
  openTcpChannel(host: string, port: number, options: OnwardOptions): Promise<ByteChannel>
  openUnixChannel(path: string, options: Pick<OnwardOptions, 'signal'>): Promise<ByteChannel>
}

/** Another connection, to take a request to listen on through: a client connection of this SDK. */
export interface OnwardServer {
  startServer(
    handler: (stream: Duplex, info: ForwardedTcpInfo) => unknown,
    listenHost: string,
    listenPort: number,
    options: Pick<OnwardOptions, 'signal'>,
  ): Promise<OnwardListener>
  startUnixServer(
    handler: (stream: Duplex, info: ForwardedUnixInfo) => unknown,
    listenPath: string,
    options: Pick<OnwardOptions, 'signal'>,
  ): Promise<OnwardListener>
}

/**
 * Answer to a request for a connection:
 * - false, and everything that is nothing of what follows: refused
 * - true: this process connects to where the client asked
 * - `{ host, port }`, `{ path }`: this process connects there instead
 * - a function: it is the other end
 * - a client connection: the request is taken on through it
 */
export type ConnectionAnswer<I> = boolean | TunnelHandler<I> | OtherDestination | OnwardConnection

/**
 * Answer to a request to listen:
 * - false, and everything that is nothing of what follows: refused
 * - true: this process listens where the client asked, within what `gatewayPorts` allows
 * - a function: this process listens, and asks it about each connection; only true lets one in
 * - a listener that the builder made, which hands on what it accepts by `openConnection` of the server's connection. It
 *   is closed when the client cancels the request, and with the connection
 * - a client connection: the request is taken on through it
 */
export type ListenAnswer<I> = boolean | AcceptForward<I> | OnwardListener | OnwardServer

/** Whether an answer is a connection to take a request for a connection on through. */
export function isOnwardConnection(answer: unknown): answer is OnwardConnection {
  return hasMethod(answer, 'openTcpChannel') && hasMethod(answer, 'openUnixChannel')
}

/** Whether an answer is a connection to take a request to listen on through. */
export function isOnwardServer(answer: unknown): answer is OnwardServer {
  return hasMethod(answer, 'startServer') && hasMethod(answer, 'startUnixServer')
}

/** Whether an answer is a listener. */
export function isOnwardListener(answer: unknown): answer is OnwardListener {
  return hasMethod(answer, 'close') && typeof Reflect.get(Object(answer), 'port') === 'number'
}

/** Whether an answer names another destination. */
export function isOtherDestination(answer: unknown): answer is OtherDestination {
  if (typeof answer !== 'object' || answer === null) return false
  if ('path' in answer) return typeof answer.path === 'string'
  return 'host' in answer && typeof answer.host === 'string' && 'port' in answer && Number.isInteger(answer.port)
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, name) === 'function'
}
