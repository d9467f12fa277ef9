/** The server's half of RFC 4252: which requests are answered, counted, asked about, and when a user is in. */

import type { SshError } from '@ssh/wire'
import type { AuthDecision, AuthenticatedUser, RequiredMethods } from './auth-decision.js'

export interface ServerAuthOptions {
  /** The first exchange hash: what a signature is bound to. */
  readonly sessionIdentifier: Uint8Array
  /** Signature algorithms that are accepted: the list sent as `server-sig-algs`. */
  readonly signatureAlgorithms: readonly string[]
  /** What a user must complete, unless `begin` says otherwise. Default: any one method. */
  readonly requiredMethods?: RequiredMethods
  /** Whether clients may change passwords. Default false: a change request fails without being asked about. */
  readonly allowPasswordChange?: boolean
  /** Refused requests before the connection ends. Default 6. */
  readonly maximumFailures?: number
  /** Requests of any outcome before the connection ends. Default 128. */
  readonly maximumRequests?: number
}

export interface ServerAuthHandlers<Grant> {
  /** A payload for the client. */
  send(payload: Uint8Array): void
  /** Something is to be decided; `isBusy` is true until it is answered. */
  onDecision(decision: AuthDecision<Grant>): void
  /** The user is in; USERAUTH_SUCCESS has been sent. */
  onSuccess(user: AuthenticatedUser<Grant>): void
  /** The limits are used up; the connection must end with this error. */
  onFailure(error: SshError): void
  /** A decision was made while nothing was being received: payloads may flow again. */
  onReady(): void
}

export declare class ServerAuth<Grant = never> {
  constructor(options: ServerAuthOptions, handlers: ServerAuthHandlers<Grant>)
  /** Whether a decision is pending. Nothing may be passed to `receive` meanwhile. */
  get isBusy(): boolean
  /**
   * One payload with a message number of 50 to 79.
   * @throws ProtocolError, WireError when the message is not legal or malformed; the connection must end
   */
  receive(payload: Uint8Array): void
  /** Shows text to the user (RFC 4252 §5.4). Ignored once the user is in. */
  sendBanner(message: string, languageTag?: string): void
  /** Ends; the answer that is still to come is ignored. */
  close(): void
}
