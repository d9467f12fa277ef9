/** What the builder of a server may decide. Names follow AsyncSSH's SSHServer; every callback may be async. */

import type { PublicKey } from '@ssh/crypto'
import type { ForwardedTcpInfo, ForwardedUnixInfo } from '../forwarding/forward-info.js'
import type { SessionServer, SessionServerHandlers } from '../session/session-server.js'
import type {
  ConnectionAnswer,
  ListenAnswer,
  RequestedConnection,
  RequestedUnixConnection,
} from './forwarding/forward-answers.js'
import type { ServerConnection } from './server-connection.js'
import type { TunAnswer } from './tun-requests.js'

type MaybePromise<T> = T | Promise<T>

/** Prompts for the user (RFC 4256 §3.2). */
export interface KeyboardChallenge {
  readonly name?: string
  readonly instructions?: string
  readonly prompts: readonly { readonly prompt: string; readonly echo?: boolean }[]
}

/** Answer of `validatePassword`: the password is right, but must be changed first. */
export interface PasswordChangeRequired {
  readonly changeRequired: { readonly prompt: string; readonly languageTag?: string }
}

/**
 * Callbacks of one connection; each is optional. One that throws or rejects counts as a refusal, and the error goes to
 * the logger: a client never sees it.
 */
export interface ServerCallbacks {
  /** The key exchange is about to begin. */
  connectionMade?(connection: ServerConnection): unknown
  /** The connection is over; with an error if that was not a normal end. */
  connectionLost?(error: Error | undefined): unknown
  /** A user name came up. False lets this user in without any proof. Default: true. */
  beginAuth?(username: string): MaybePromise<boolean>
  /** The user is in. */
  authCompleted?(): unknown
  /**
   * Whether this key may log in. Asked after `authorizedClientKeys` said no, and up to twice: when the client offers the
   * key, which proves nothing yet, and when it has signed. Who is in, and by which key, is what `info` of the
   * connection says once `authCompleted` is called.
   */
  validatePublicKey?(username: string, key: PublicKey): MaybePromise<boolean>
  /** Whether the password is right. */
  validatePassword?(username: string, password: string): MaybePromise<boolean | PasswordChangeRequired>
  /** Sets a new password in place of an expired one; true when the old one was right and the new one is set. */
  changePassword?(
    username: string,
    oldPassword: string,
    newPassword: string,
  ): MaybePromise<boolean | PasswordChangeRequired>
  /** What to ask a user who logs in by keyboard-interactive; false refuses, true lets in. */
  getKbdintChallenge?(
    username: string,
    languageTag: string,
    submethods: string,
  ): MaybePromise<boolean | KeyboardChallenge>
  /** Whether the answers are right, or what to ask next. */
  validateKbdintResponse?(username: string, responses: readonly string[]): MaybePromise<boolean | KeyboardChallenge>
  /** The client wants a session: accept or reject it, now or later. Default: refused. */
  sessionRequested?(request: SessionRequest): MaybePromise<void>
  /**
   * The client wants a TCP connection from here (`ssh -L`, `-D`, `-W`, `-J`). What the options or the user's keys forbid
   * is refused without asking. A `ChannelOpenError` that is thrown refuses with its reason code and text.
   * Default: as `allowTcpForwarding` says.
   * @param destHost host name or address, in lower case
   * @param originHost where the client says that it comes from, which nobody has checked
   */
  connectionRequested?(
    destHost: string,
    destPort: number,
    originHost: string,
    originPort: number,
  ): MaybePromise<ConnectionAnswer<RequestedConnection>>
  /** The client wants a connection to a Unix domain socket. Default: as `allowStreamLocalForwarding` says. */
  unixConnectionRequested?(path: string): MaybePromise<ConnectionAnswer<RequestedUnixConnection>>
  /**
   * The client wants what connects to a TCP port here (`ssh -R`). Default: as `allowTcpForwarding` says.
   * @param listenHost address, in lower case; empty for all, see RFC 4254 §7.1
   * @param listenPort 0 for any that is free
   */
  serverRequested?(listenHost: string, listenPort: number): MaybePromise<ListenAnswer<ForwardedTcpInfo>>
  /**
   * The client wants what connects to a Unix domain socket here. Default: as `allowStreamLocalForwarding` says.
   * @param listenPath where it is to be
   */
  unixServerRequested?(listenPath: string): MaybePromise<ListenAnswer<ForwardedUnixInfo>>
  /**
   * The client wants a tunnel for IP packets (`ssh -w`): see {@link TunAnswer}. Keys that may not forward ports are
   * refused without asking. A `ChannelOpenError` that is thrown refuses with its reason code and text. Default: refused.
   * @param unit number of the device that the client wants; undefined for any
   */
  tunRequested?(unit: number | undefined): MaybePromise<TunAnswer>
  /** The client wants a tunnel for Ethernet frames (`ssh -o Tunnel=ethernet -w`). Default: refused. */
  tapRequested?(unit: number | undefined): MaybePromise<TunAnswer>
}

/** A session that the client wants. */
export interface SessionRequest {
  readonly connection: ServerConnection
  /** Opens the session; `handlers` decide what may run in it. */
  accept(handlers: SessionServerHandlers): SessionServer
  /** Refuses it. @param reason told to the client */
  reject(reason?: string): void
}

/** Makes the callbacks for one connection. */
export type ServerFactory = ((connection: ServerConnection) => MaybePromise<ServerCallbacks>) & {
  /** @internal Its callbacks only answer what runs: without authorized keys nobody could log in. */
  readonly admitsNobody?: boolean | undefined
}
