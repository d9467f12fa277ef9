/** The public face of a client connection, below processes and files: sessions, keys, life and end. */

import { EventEmitter } from 'node:events'
import type { PublicKey } from '@ssh/crypto'
import { debug, disconnectReasons, SshError } from '@ssh/wire'
import { ConnectionLost } from '../errors.js'
import { addressesOf, keepProcessAlive, type SocketAddresses } from '../io/socket-address.js'
import { parseDuration } from '../quantities.js'
import { type OpenSessionOptions, openSession } from '../session/open-session.js'
import type { SessionClient } from '../session/session-client.js'
import type { NegotiatedAlgorithms } from '../transport/negotiate.js'
import type { ClientEvents, ClientLink } from './client-link.js'
import { SessionSlots } from './session-slots.js'

/** Facts of a connection. */
export interface ClientConnectionInfo extends SocketAddresses {
  readonly username: string
  readonly host: string
  readonly port: number
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

  constructor(link: ClientLink) {
    super()
    this.#link = link
    link.deliverTo((event, ...values) => {
      ;(this as EventEmitter).emit(event, ...values)
    })
  }

  /** Facts of this connection. */
  get info(): ClientConnectionInfo {
    const { host, port, username, socket, peer, algorithms } = this.#link
    return {
      username,
      host,
      port,
      ...addressesOf(socket),
      serverVersion: peer.transport.remoteIdentification ?? '',
      algorithms: describeAlgorithms(algorithms),
    }
  }

  /** Resolves when the connection ended as it should, rejects with what broke it. Never an unhandled rejection. */
  get closed(): Promise<void> {
    return this.#link.closed
  }

  /** Whether the connection is over. */
  get isClosed(): boolean {
    return this.#link.peer.hasEnded
  }

  /** The server's host key. */
  getServerHostKey(): PublicKey {
    const { hostKey } = this.#link
    if (hostKey === undefined) throw closedError()
    return hostKey
  }

  /**
   * Opens a session channel, on which nothing is started yet.
   * @throws ChannelOpenError when the server refuses
   * @throws ConnectionLost when the connection is over
   * @throws AbortError
   */
  openSessionChannel(options: SessionChannelOptions = {}): Promise<SessionClient> {
    const { isShort = false, ...rest } = options
    return this.#slots.open(isShort, () => openSession(this.#link.peer.mux, rest))
  }

  /** Changes keys now (RFC 4253 §9). Resolves once new keys are in use. @throws ConnectionLost */
  rekey(): Promise<void> {
    if (this.isClosed) return Promise.reject(closedError())
    return new Promise((resolve, reject) => {
      const done = () => {
        this.off('rekey', done)
        resolve()
      }
      this.on('rekey', done)
      this.closed.then(() => reject(closedError()), reject)
      this.#link.peer.transport.rekey()
      this.#link.driver.wake()
    })
  }

  /**
   * Changes when a silent server is asked for a sign of life.
   * @param interval milliseconds or text like `'30s'`; 0 turns it off
   * @param countMax unanswered questions after which the connection counts as lost; unchanged when absent
   */
  setKeepalive(interval: number | string, countMax?: number): void {
    const { peer } = this.#link
    peer.setKeepalive({ intervalMs: parseDuration(interval), countMax: countMax ?? peer.keepaliveLimits.countMax })
  }

  /** Sends SSH_MSG_DEBUG (RFC 4253 §11.3). @param alwaysDisplay whether the server should show it; default false */
  sendDebug(message: string, alwaysDisplay = false): void {
    if (this.isClosed) throw closedError()
    this.#link.peer.transport.sendTransport(debug.encode({ alwaysDisplay, message, languageTag: '' }))
    this.#link.driver.wake()
  }

  /** Sends what can be sent, says goodbye and closes; resolves when the socket is closed. Never rejects. */
  async close(): Promise<void> {
    this.#link.peer.close()
    this.#link.driver.wake()
    await this.#link.driver.finished
  }

  /** Ends at once; whatever is open or pending fails with `reason`. */
  abort(reason: Error = new ConnectionLost('ERR_SSH_CONNECTION_CLOSED', 'The connection was aborted')): void {
    const { peer, driver } = this.#link
    peer.fail(
      SshError.isSshError(reason)
        ? reason
        : new SshError('ERR_SSH_CONNECTION_ABORTED', reason.message, {
            cause: reason,
            disconnectReason: disconnectReasons.byApplication,
          }),
    )
    driver.wake()
  }

  /** Keeps the process alive while the connection is open (the default). */
  ref(): this {
    keepProcessAlive(this.#link.socket, true)
    return this
  }

  /** Lets the process exit although the connection is open. */
  unref(): this {
    keepProcessAlive(this.#link.socket, false)
    return this
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function closedError(): ConnectionLost {
  return new ConnectionLost('ERR_SSH_CONNECTION_CLOSED', 'The connection is closed')
}

function describeAlgorithms(algorithms: NegotiatedAlgorithms | undefined): ConnectionAlgorithms {
  if (algorithms === undefined) throw closedError()
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
