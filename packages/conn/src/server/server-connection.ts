/** One client of a server: who it is, what it may do, its sessions, its end. */

import type { Duplex } from 'node:stream'
import type { PublicKey } from '@ssh/crypto'
import { toDuplex } from '@ssh/streams'
import { disconnectReasons } from '@ssh/wire'
import type { InternalSftp } from '../config/internal-sftp.js'
import { type KeyRestrictions, noRestrictions } from '../config/key-restrictions.js'
import { type ConnectionAlgorithms, describeAlgorithms } from '../connection-algorithms.js'
import type { SocketAddresses } from '../io/socket-address.js'
import type { SessionServer } from '../session/session-server.js'
import type { X11Request } from '../session/x11-request.js'
import type { AgentSocket } from './agent-forwarding.js'
import type { AuthorizedKeysSource } from './authorized-keys-source.js'
import type { ServerLink } from './server-link.js'
import type { UserOptions } from './user-settings.js'
import type { ForwardedX11 } from './x11-forwarding.js'

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
  /** Our identification string. */
  readonly serverVersion: string
  /** Undefined before the first key exchange. */
  readonly algorithms: ConnectionAlgorithms | undefined
}

/** What sshd_config says of the sessions of one user. */
export interface ConfiguredUser {
  /** ChrootDirectory: directory that is the whole file system of SFTP. */
  readonly sftpRoot: string | undefined
  /** Subsystem: how files are served to whoever is not told so by a command; undefined where nothing is said. */
  readonly sftp: InternalSftp | undefined
  /** AcceptEnv: names of variables that the client may set, with wildcards. */
  readonly acceptEnv: readonly string[]
}

const filesOnly: KeyRestrictions = { ...noRestrictions, command: 'internal-sftp' }

/** It stays the same object as long as the connection lasts, so a WeakMap can keep what belongs to it. */
export class ServerConnection {
  /** Whatever the builder wants to keep with the connection; nothing here looks at it. */
  readonly data = new Map<unknown, unknown>()
  readonly #link: ServerLink

  /** Made by the server. */
  constructor(link: ServerLink) {
    this.#link = link
  }

  /** Facts of this connection. */
  get info(): ServerConnectionInfo {
    const { user, addresses, localIdentification, peer, algorithms } = this.#link
    const factors = user?.factors ?? []
    return {
      username: user?.userName ?? '',
      authMethods: factors.map((factor) => factor.method),
      publicKey: factors.find((factor) => factor.publicKey !== undefined)?.publicKey,
      ...addresses,
      clientVersion: peer.transport.remoteIdentification ?? '',
      serverVersion: localIdentification,
      algorithms: algorithms && describeAlgorithms(algorithms),
    }
  }

  /** Resolves once the user is in, rejects when the connection ends before. Never an unhandled rejection. */
  get authenticated(): Promise<void> {
    return this.#link.authenticated
  }

  /** Resolves when the connection ended as it should, rejects with what broke it. Never an unhandled rejection. */
  get closed(): Promise<void> {
    return this.#link.closed
  }

  /** Whether the connection is over, or about to be. */
  get isClosed(): boolean {
    return this.#link.isClosed
  }

  /**
   * What the keys that let the user in forbid, and before them what sshd_config and what `setOptions` said; all of them
   * hold.
   */
  get restrictions(): readonly KeyRestrictions[] {
    const { user, userSettings, policy } = this.#link
    const grants = (user?.factors ?? []).flatMap((factor) => factor.grant ?? [])
    // Whoever is locked in gets files and nothing else.
    const lockedIn = policy?.sftpRoot === undefined ? [] : [filesOnly]
    return [policy?.restrictions ?? [], userSettings.restrictions ?? [], grants, lockedIn].flat()
  }

  /** What sshd_config says of this user's sessions; undefined where it is not asked, and before somebody is named. */
  get configured(): ConfiguredUser | undefined {
    return this.#link.policy
  }

  /**
   * Says which keys may log in as the user who is logging in, in place of the option `authorizedClientKeys`: for
   * `beginAuth`, which must wait for it. It holds until another user name comes up; what is set before the first does for
   * all. Call it for users who do not exist as well, with no keys, so that they look like those who do.
   *
   * @param keys authorized_keys file path(s), the text of such a file, or a parsed one
   * @throws OptionsError; ConfigParseError when a file cannot be read: then no key lets this user in
   * @example beginAuth: async (username) => {
   *   await connection.setAuthorizedKeys(await keysOf(username))
   *   return true
   * }
   */
  async setAuthorizedKeys(keys: AuthorizedKeysSource): Promise<void> {
    await this.#link.userSettings.setAuthorizedKeys(keys)
  }

  /**
   * Says what the user may do, as options of a key in authorized_keys would: for `beginAuth` or later. Holds as long as
   * what {@link setAuthorizedKeys} says, and for what is asked from then on; another call replaces it.
   * @throws OptionsError
   */
  setOptions(options: UserOptions): void {
    this.#link.userSettings.setOptions(options)
  }

  /**
   * Makes a display on this side that stands for the client's: for `onX11` of the session's handlers. It goes away with
   * the session. Its program needs `DISPLAY` and `XAUTHORITY`: see what is returned.
   *
   * @returns undefined when it is refused: the option `x11Forwarding` is off, a key of the user forbids it, the session
   *   has one, or its cookie is none
   * @throws X11Error `ERR_SSH_X11_NO_FREE_DISPLAY`, `ERR_SSH_X11_AUTHORITY_LOCKED`, `ERR_SSH_X11_MALFORMED_AUTHORITY`
   * @throws ConnectError, ConfigParseError, Error the system's, when a port or the Xauthority file cannot be had
   */
  async forwardX11(session: SessionServer, request: X11Request): Promise<ForwardedX11 | undefined> {
    const isPermitted = this.restrictions.every(({ allowX11Forwarding }) => allowX11Forwarding)
    return await this.#link.x11?.forward(session, request, isPermitted)
  }

  /**
   * Connects to the agent that the client lends to a session of this connection (`ssh -A`): give the stream to an agent
   * client, or this connection as `agentPath` to `connect`, which then logs in onward with the client's keys.
   * @returns the stream; destroying it ends the connection to the agent
   * @throws AgentError `ERR_SSH_AGENT_NOT_LENT` when no session that is open has an agent
   * @throws ChannelOpenError when the client refuses
   * @throws AbortError; what ended the connection
   */
  async openAgentConnection(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Duplex> {
    return toDuplex(await this.#link.openAgent(options.signal))
  }

  /**
   * Makes a Unix socket (a named pipe on Windows) at which programs of this machine find the client's agent, as long as
   * a session has one. Its path is for SSH_AUTH_SOCK. It is there until it is closed.
   * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED`; Error the system's, when there is no place for it
   */
  openAgentSocket(): Promise<AgentSocket> {
    return this.#link.openAgentSocket()
  }

  /** Shows text to the user; does nothing once the user is in (RFC 4252 §5.4). */
  sendAuthBanner(message: string, languageTag?: string): void {
    this.#link.sendBanner(message, languageTag)
  }

  /** Sends SSH_MSG_DEBUG (RFC 4253 §11.3); does nothing once the connection is over. */
  sendDebug(message: string, alwaysDisplay = false): void {
    this.#link.sendDebug(message, alwaysDisplay)
  }

  /**
   * Gives the client a connection that came to a port it asked to be listened on (`forwarded-tcpip`, RFC 4254 §7.2): for
   * a server that listens in its own way, see `serverRequested`.
   *
   * @param listenHost as the client named it, empty for every address; case does not matter
   * @param listenPort the port that the client was told
   * @param originHost numeric address of whoever connected
   * @returns the stream to the client's program; destroying it resets the connection
   * @throws ChannelOpenError when the client never asked for it, refuses, or has as many as `maxTunnels` allows
   * @throws AbortError; what ended the connection
   */
  openConnection(
    listenHost: string,
    listenPort: number,
    originHost: string,
    originPort: number,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Duplex> {
    return this.#link.forwarding.openConnection(listenHost, listenPort, originHost, originPort, options.signal)
  }

  /**
   * Gives the client a connection that came to a Unix domain socket it asked for (OpenSSH PROTOCOL §2.4).
   * @throws as {@link openConnection}
   */
  openUnixConnection(listenPath: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Duplex> {
    return this.#link.forwarding.openUnixConnection(listenPath, options.signal)
  }

  /** Resolves once no session is open. Forwarded connections do not count. */
  idle(): Promise<void> {
    return this.#link.idle()
  }

  /** Sends what can be sent, says goodbye and closes; resolves when the socket is closed. Never rejects. */
  close(): Promise<void> {
    return this.#link.close()
  }

  /**
   * Tells the client why, and closes at once: what was not sent is dropped. Resolves when the socket is closed. Never
   * rejects.
   * @param reasonCode RFC 4253 §11.1. Default 11, SSH_DISCONNECT_BY_APPLICATION
   * @param reason shown to the user by most clients
   */
  disconnect(reasonCode?: number, reason?: string): Promise<void> {
    return this.#link.disconnect(reasonCode ?? disconnectReasons.byApplication, reason ?? '')
  }

  /** Ends at once; whatever is open fails with `reason`. */
  abort(reason?: Error): void {
    this.#link.abort(reason)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
