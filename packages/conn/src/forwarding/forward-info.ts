/** What is known about a connection that is to be forwarded, and who may refuse it. */

import { openFailureReasons } from '@ssh/wire'
import type { Refusal } from '../connection/incoming.js'
import { ChannelOpenError } from '../errors.js'

/** Who connected to a forwarded port or path. */
export interface ForwardOrigin {
  /** Numeric address; empty for a Unix socket, which has none. From the other side of a connection: what it says. */
  readonly originHost: string
  /** 0 for a Unix socket. */
  readonly originPort: number
}

/** A connection to a port that the server listens on for us (RFC 4254 §7.2). */
export interface ForwardedTcpInfo extends ForwardOrigin {
  /** As it was asked for, in lower case. */
  readonly listenHost: string
  /** The real one where 0 was asked for. */
  readonly listenPort: number
}

/** A connection to a Unix socket that the server listens on for us (OpenSSH PROTOCOL §2.4). */
export interface ForwardedUnixInfo {
  readonly listenPath: string
}

/** A connection that a program wants through our SOCKS proxy. */
export interface SocksInfo extends ForwardOrigin {
  /** Host name or numeric address. */
  readonly destHost: string
  readonly destPort: number
}

/**
 * Decides about one connection: false refuses it, and so does a `ChannelOpenError`, whose reason and message the other
 * end gets to know. Any other error refuses it too, and counts as a failure.
 */
export type AcceptForward<I> = (info: I) => boolean | Promise<boolean>

/**
 * Asks `accept`.
 * @param failed is told of what the decision failed with
 * @returns why not, or undefined: go on
 */
export async function refusalOf<I>(
  accept: AcceptForward<I> | undefined,
  info: I,
  failed: (error: unknown) => void,
): Promise<Refusal | undefined> {
  try {
    if (accept === undefined || (await accept(info)) === true) return undefined
    return { reasonCode: openFailureReasons.administrativelyProhibited, description: 'this connection is refused' }
  } catch (error) {
    if (error instanceof ChannelOpenError) return { reasonCode: error.reasonCode, description: error.message }
    failed(error)
    return { reasonCode: openFailureReasons.connectFailed, description: 'whether to accept could not be decided' }
  }
}
