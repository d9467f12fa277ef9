/** One client of a server: who it is, what it may do, its sessions, its end. */

import type { Duplex } from 'node:stream'
import type { PublicKey } from '@ssh/crypto'
import { debug, disconnectReasons, openFailureReasons, SshError } from '@ssh/wire'
import type { KeyRestrictions } from '../config/key-restrictions.js'
import type { ChannelOpenRequest } from '../connection/channel-open.js'
import { Deferred } from '../deferred.js'
import { ConnectionLost } from '../errors.js'
import { addressesOf, type SocketAddresses } from '../io/socket-address.js'
import type { SocketDriver } from '../io/socket-driver.js'
import type { Logger } from '../log.js'
import type { Peer } from '../peer/peer.js'
import { SessionServer } from '../session/session-server.js'
import type { AuthenticatedUser } from '../userauth/auth-decision.js'
import type { Grant } from './server-auth-answers.js'
import type { ServerCallbacks, SessionRequest } from './server-callbacks.js'

/** Facts of a connection. */
export interface ServerConnectionInfo extends SocketAddresses {
  /** Login name; empty before the user is in. */
  readonly username: string
  /** Methods that let the user in, in order. */
  readonly authMethods: readonly string[]
  /** The key that let the user in, by its verified signature. */
  readonly publicKey: PublicKey | undefined
  /** The client's identification string, control characters escaped. */
  readonly clientVersion: string
}

export interface ServerConnectionParts {
  readonly socket: Duplex
  readonly logger: Logger | undefined
}

export class ServerConnection {
  readonly #parts: ServerConnectionParts
  readonly #closed = new Deferred<void>()
  readonly #authenticated = new Deferred<void>()
  #peer: Peer | undefined
  #driver: SocketDriver | undefined
  #callbacks: ServerCallbacks = {}
  readonly #sessions = new Set<SessionServer>()
  #user: AuthenticatedUser<Grant> | undefined
  #banner: ((message: string, languageTag?: string) => void) | undefined

  /** Made by the server. */
  constructor(parts: ServerConnectionParts) {
    this.#parts = parts
  }

  get info(): ServerConnectionInfo {
    const factors = this.#user?.factors ?? []
    return {
      username: this.#user?.userName ?? '',
      authMethods: factors.map((factor) => factor.method),
      publicKey: factors.find((factor) => factor.publicKey !== undefined)?.publicKey,
      ...addressesOf(this.#parts.socket),
      clientVersion: this.#peer?.transport.remoteIdentification ?? '',
    }
  }

  /** Resolves once the user is in, rejects when the connection ends before. Never an unhandled rejection. */
  get authenticated(): Promise<void> {
    return this.#authenticated.promise
  }

  /** Resolves when the connection ended as it should, rejects with what broke it. Never an unhandled rejection. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /** What the keys that let the user in forbid; several factors add up. */
  get restrictions(): readonly KeyRestrictions[] {
    return (this.#user?.factors ?? []).flatMap((factor) => factor.grant ?? [])
  }

  /** Shows text to the user; only before the user is in (RFC 4252 §5.4). */
  sendAuthBanner(message: string, languageTag?: string): void {
    this.#banner?.(message, languageTag)
    this.#driver?.wake()
  }

  /** Sends SSH_MSG_DEBUG (RFC 4253 §11.3). */
  sendDebug(message: string, alwaysDisplay = false): void {
    this.#peer?.transport.sendTransport(debug.encode({ alwaysDisplay, message, languageTag: '' }))
    this.#driver?.wake()
  }

  /** Resolves once no session is open. */
  async idle(): Promise<void> {
    while (this.#sessions.size > 0) await Promise.all([...this.#sessions].map((session) => session.closed))
  }

  /** Sends what can be sent, says goodbye and closes; resolves when the socket is closed. Never rejects. */
  async close(): Promise<void> {
    this.#peer?.close()
    this.#driver?.wake()
    await this.#driver?.finished
  }

  /** Ends at once; whatever is open fails with `reason`. */
  abort(reason: Error = new ConnectionLost('ERR_SSH_CONNECTION_CLOSED', 'The connection was aborted')): void {
    this.#peer?.fail(
      SshError.isSshError(reason)
        ? reason
        : new SshError('ERR_SSH_CONNECTION_ABORTED', reason.message, {
            cause: reason,
            disconnectReason: disconnectReasons.byApplication,
          }),
    )
    this.#driver?.wake()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal */
  begin(peer: Peer, driver: SocketDriver, callbacks: ServerCallbacks): void {
    this.#peer = peer
    this.#driver = driver
    this.#callbacks = callbacks
  }

  /** @internal */
  offerBanner(send: (message: string, languageTag?: string) => void): void {
    this.#banner = send
  }

  /** @internal */
  userKnown(user: AuthenticatedUser<Grant>): void {
    this.#user = user
    this.#banner = undefined
  }

  /** @internal */
  userIn(): void {
    this.#authenticated.resolve()
    this.#callbacks.authCompleted?.()
  }

  /** @internal */
  channelRequested(request: ChannelOpenRequest): void {
    if (request.channelType !== 'session') {
      return request.reject(openFailureReasons.unknownChannelType, 'this server knows no such channels')
    }
    const { sessionRequested } = this.#callbacks
    if (sessionRequested === undefined) {
      return request.reject(openFailureReasons.administrativelyProhibited, 'this server offers no sessions')
    }
    const refuse = (reason: string) => request.reject(openFailureReasons.administrativelyProhibited, reason)
    const session: SessionRequest = {
      connection: this,
      accept: (handlers) => this.#addSession(new SessionServer(request.accept(), handlers)),
      reject: (reason = 'this session is refused') => refuse(reason),
    }
    // A builder's mistake must not take down more than the session it happened in.
    Promise.resolve()
      .then(() => sessionRequested.call(this.#callbacks, session))
      .catch((error: unknown) => {
        this.#parts.logger?.warn?.({ layer: 'session', event: 'callback-failed', error })
        refuse('the server failed to answer')
      })
  }

  #addSession(session: SessionServer): SessionServer {
    this.#sessions.add(session)
    session.closed.then(() => this.#sessions.delete(session))
    return session
  }

  /** @internal */
  ended(error: SshError | undefined): void {
    this.#authenticated.reject(
      error ?? new ConnectionLost('ERR_SSH_CONNECTION_CLOSED', 'The connection ended before login'),
    )
    if (error === undefined) this.#closed.resolve()
    else this.#closed.reject(error)
    this.#callbacks.connectionLost?.(error)
  }
}
