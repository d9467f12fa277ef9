/** What a server's authentication needs to know, and what it tells its owner. */

import type { PublicKey } from '@ssh/crypto'
import type { SshError } from '@ssh/wire'
import type { AuthDecision, AuthenticatedUser, RequiredMethods } from './auth-decision.js'
import type { AuthMethodName } from './auth-order.js'

export interface ServerAuthOptions {
  /** The first exchange hash: what a signature is bound to. */
  readonly sessionIdentifier: Uint8Array
  /** Signature algorithms that are accepted: the list sent as `server-sig-algs`. */
  readonly signatureAlgorithms: readonly string[]
  /** What a user must complete, unless the `begin` decision says otherwise. Default: any one method. */
  readonly requiredMethods?: RequiredMethods
  /** Whether clients may change passwords. Default false: a change request fails without being asked about. */
  readonly allowPasswordChange?: boolean
  /** Refused requests after which the connection ends. Default 6. */
  readonly maximumFailures?: number
  /** Messages of any outcome after which the connection ends. Default 128. */
  readonly maximumRequests?: number
}

/** A credential of a client, and what became of it. */
export interface ServerAuthAttempt {
  readonly userName: string
  readonly method: AuthMethodName
  readonly result: 'accepted' | 'partial success' | 'rejected'
  /** The key, for `publickey`. Only accepted it is known to be the client's. */
  readonly publicKey?: PublicKey
}

export interface ServerAuthHandlers<Grant> {
  /** A payload for the client. */
  send(payload: Uint8Array): void
  /** Something is to be decided; `isBusy` is true until it is answered. */
  onDecision(decision: AuthDecision<Grant>): void
  /** A credential was judged. */
  onAttempt?(attempt: ServerAuthAttempt): void
  /** The user is in; USERAUTH_SUCCESS has just been sent. */
  onSuccess(user: AuthenticatedUser<Grant>): void
  /** The limits are used up; the connection must end with this error. */
  onFailure(error: SshError): void
  /** A decision was answered after `receive` had returned: payloads may flow again. */
  onReady(): void
}
