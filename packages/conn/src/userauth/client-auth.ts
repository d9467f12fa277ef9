/** The client's half of RFC 4252: which credential to send next, and what the server's answers mean. */

import type { PermissionDenied } from '../errors.js'
import type { AuthMethodName } from './auth-order.js'
import type { AuthAttempt } from './auth-report.js'
import type { CredentialQuestion } from './credential-question.js'

export interface ClientAuthOptions {
  readonly userName: string
  /** The first exchange hash: what a signature is bound to. */
  readonly sessionIdentifier: Uint8Array
  /** Methods to use, in order; leave out those with no credential. Default: {@link defaultAuthOrder}. */
  readonly preferredAuth?: readonly AuthMethodName[]
  /** Signature algorithms we are willing to make, best first. Default: all of the key's but SHA-1 and DSA. */
  readonly signatureAlgorithms?: readonly string[]
  /** `server-sig-algs` of RFC 8308, when known by now. */
  readonly serverSignatureAlgorithms?: readonly string[]
  /** Begin with a signed publickey request instead of `none`, saving two round trips. Only for exactly one key. Default false. */
  readonly optimisticPublickey?: boolean
  /**
   * There is a password and nobody to ask: a single hidden prompt for a password or passcode is asked as
   * a `password` question, once. Default false.
   */
  readonly answerPromptsWithPassword?: boolean
  /** Fail when the server lets us in without having asked for anything. Default false. */
  readonly disableTrivialAuth?: boolean
}

export interface ClientAuthHandlers {
  /** A payload for the server. */
  send(payload: Uint8Array): void
  /** A credential is wanted. */
  onQuestion(question: CredentialQuestion): void
  /** Text for the user from the server, safe to show. */
  onBanner(message: string, languageTag: string): void
  /** The server let us in. Nothing more is expected here. */
  onSuccess(result: ClientAuthResult): void
  /** Nothing is left to try. */
  onFailure(error: PermissionDenied): void
}

export interface ClientAuthResult {
  readonly userName: string
  /** Everything that was tried, in order; the last was accepted. */
  readonly attempts: readonly AuthAttempt[]
}

export declare class ClientAuth {
  constructor(options: ClientAuthOptions, handlers: ClientAuthHandlers)
  /** Begins; the server has accepted the service `ssh-userauth`. */
  start(): void
  /**
   * One payload with a message number of 50 to 79.
   * @throws ProtocolError, WireError when the message is not legal now or malformed; the connection must end
   */
  receive(payload: Uint8Array): void
  /** `server-sig-algs` arrived (RFC 8308 §3.1). */
  setServerSignatureAlgorithms(names: readonly string[]): void
  /** The error to fail with when the connection ends before authentication did, telling what was tried. */
  describeFailure(cause?: unknown): PermissionDenied
  /** Everything that was tried so far. */
  get attempts(): readonly AuthAttempt[]
  /** What the server said it would accept; undefined before its first answer. */
  get serverMethods(): readonly string[] | undefined
  /** Ends; forgets secrets; answers that are still to come are ignored. */
  close(): void
}
