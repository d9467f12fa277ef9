/** The public face of a client connection, below processes and files: sessions, keys, life and end. */

import { EventEmitter } from 'node:events'
import type { PublicKey } from '@ssh/crypto'
import { parseDuration } from '@ssh/wire'
import { X11Client } from '../forwarding/x11-client.js'
import type { SocketAddresses } from '../io/socket-address.js'
import { type OpenSessionOptions, openSession } from '../session/open-session.js'
import type { SessionClient } from '../session/session-client.js'
import type { NegotiatedAlgorithms } from '../transport/negotiate.js'
import type { ClientEvents, ClientLink, ClientTarget } from './client-link.js'
import { SessionSlots } from './session-slots.js'
import { type PreparedX11, prepareX11, type X11ForwardingOptions } from './x11-forwarding.js'

/** Facts of a connection. */
export interface ClientConnectionInfo extends ClientTarget, SocketAddresses {
  /** Our identification string. */
  readonly clientVersion: string
  /** The server's identification string, control characters escaped. */
  readonly serverVersion: string
  readonly algorithms: ConnectionAlgorithms
}

/** Algorithms in use. */
export interface ConnectionAlgorithms {
  readonly kex: string
  readonly serverHostKey: string
  readonly encryptionClientToServer: string
  readonly encryptionServerToClient: string
  /** Undefined with an AEAD cipher. */
  readonly macClientToServer: string | undefined
  readonly macServerToClient: string | undefined
  readonly compressionClientToServer: string
  readonly compressionServerToClient: string
}

/** How to open a session. */
export interface SessionChannelOptions extends OpenSessionOptions {
  /** The session ends by itself soon: when the server has no room, others may wait for it. Default false. */
  readonly isShort?: boolean
}

/**
 * An authenticated connection to a server.
 *
 * No event is essential and none can crash the process: what waits is told by its own promise, and `closed` tells why
 * the connection ended.
 */
export class ClientConnection extends EventEmitter<ClientEvents> {
  readonly #link: ClientLink
  readonly #slots = new SessionSlots()
  #x11: X11Client | undefined

  constructor(link: ClientLink) {
    super()
    this.#link = link
    link.deliverTo((event, ...values) => {
      ;(this as EventEmitter).emit(event, ...values)
    })
    ;(this as EventEmitter).on('newListener', (event) => link.deliverEarly(event))
  }

  /** Facts of this connection. */
  get info(): ClientConnectionInfo {
    const { target, addresses, localIdentification, peer, algorithms } = this.#link
    return {
      ...target,
      ...addresses,
      clientVersion: localIdentification,
      serverVersion: peer.transport.remoteIdentification ?? '',
      algorithms: describeAlgorithms(established(algorithms)),
    }
  }

  /** Resolves when the connection ended as it should, rejects with what broke it. Never an unhandled rejection. */
  get closed(): Promise<void> {
    return this.#link.closed
  }

  /** Whether the connection is over, or about to be. */
  get isClosed(): boolean {
    return this.#link.isClosed
  }

  /** The server's host key. */
  getServerHostKey(): PublicKey {
    return established(this.#link.hostKey)
  }

  /**
   * Opens a session channel, on which nothing is started yet.
   * @throws ChannelOpenError when the server refuses
   * @throws ConnectionLost `ERR_SSH_CONNECTION_CLOSED` when the connection is over
   * @throws AbortError
   */
  async openSessionChannel(options: SessionChannelOptions = {}): Promise<SessionClient> {
    const { isShort = false, ...rest } = options
    return this.#slots.open(isShort, rest.signal, () => {
      if (this.isClosed) throw this.#link.closedError()
      return openSession(this.#link.peer.mux, rest)
    })
  }

  /**
   * Finds the X display of this side and its cookie, to open it to the programs of sessions (RFC 4254 §6.3): see
   * `grantTo` of what it returns.
   *
   * The server never sees the cookie, only one invented for each session and good as long as that; each X client is
   * looked at before it reaches the display.
   *
   * @throws X11Error `ERR_SSH_X11_NO_DISPLAY`, `ERR_SSH_X11_DISPLAY`, `ERR_SSH_X11_MALFORMED_AUTHORITY`
   * @throws ConfigParseError when the Xauthority file cannot be read
   * @throws OptionsError, AbortError
   */
  prepareX11(options: X11ForwardingOptions = {}): Promise<PreparedX11> {
    this.#x11 ??= new X11Client(this.#link.incoming)
    return prepareX11(this.#x11, options)
  }

  /** Changes keys now (RFC 4253 §9). Resolves once new keys are in use. @throws ConnectionLost */
  rekey(): Promise<void> {
    return this.#link.rekey()
  }

  /**
   * Changes when a silent server is asked for a sign of life.
   * @param interval milliseconds or text like `'30s'`; 0 turns it off
   * @param countMax unanswered questions after which the connection counts as lost; unchanged when absent
   * @throws OptionsError
   */
  setKeepalive(interval: number | string, countMax?: number): void {
    const { peer } = this.#link
    peer.setKeepalive({ intervalMs: parseDuration(interval), countMax: countMax ?? peer.keepaliveLimits.countMax })
  }

  /**
   * Sends SSH_MSG_DEBUG (RFC 4253 §11.3); does nothing once the connection is over.
   * @param alwaysDisplay whether the server should show it; default false
   */
  sendDebug(message: string, alwaysDisplay = false): void {
    this.#link.sendDebug(message, alwaysDisplay)
  }

  /** Sends what can be sent, says goodbye and closes; resolves when the socket is closed. Never rejects. */
  close(): Promise<void> {
    return this.#link.close()
  }

  /** Ends at once; whatever is open or pending fails with `reason`. */
  abort(reason?: Error): void {
    this.#link.abort(reason)
  }

  /** Keeps the process alive while the connection is open (the default). */
  ref(): this {
    this.#link.keepProcessAlive(true)
    return this
  }

  /** Lets the process exit although the connection is open. */
  unref(): this {
    this.#link.keepProcessAlive(false)
    return this
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** What every link that logged in has. */
function established<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('The link was never established')
  return value
}

function describeAlgorithms(algorithms: NegotiatedAlgorithms): ConnectionAlgorithms {
  const { kex, serverHostKey, clientToServer, serverToClient } = algorithms
  return {
    kex,
    serverHostKey,
    encryptionClientToServer: clientToServer.encryption,
    encryptionServerToClient: serverToClient.encryption,
    macClientToServer: clientToServer.mac,
    macServerToClient: serverToClient.mac,
    compressionClientToServer: clientToServer.compression,
    compressionServerToClient: serverToClient.compression,
  }
}
