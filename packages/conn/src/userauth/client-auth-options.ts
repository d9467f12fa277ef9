/** What a client's authentication needs to know, and what it tells its owner. */

import type { PermissionDenied } from '../errors.js'
import type { AuthMethodName } from './auth-order.js'
import type { AuthAttempt } from './auth-report.js'
import type { CredentialQuestion } from './credential-question.js'

export interface ClientAuthOptions {
  readonly userName: string
  /** The first exchange hash: what a signature is bound to. */
  readonly sessionIdentifier: Uint8Array
  /** Methods to use, in order; leave out those with no credential. Default: publickey, keyboard-interactive, password. */
  readonly preferredAuth?: readonly AuthMethodName[]
  /** Signature algorithms we are willing to make, best first. Default: all of the key's but SHA-1 and DSA. */
  readonly signatureAlgorithms?: readonly string[]
  /** `server-sig-algs` of RFC 8308, when known by now. */
  readonly serverSignatureAlgorithms?: readonly string[]
  /**
   * Begin with a signed publickey request instead of `none`, which saves two round trips. Only when there is exactly
   * one key, and `publickey` is the first of `preferredAuth`. Default false.
   */
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
  /** A credential, or the question which are accepted, is with the server; again with each further message of it. */
  onRequest?(attempt: Omit<AuthAttempt, 'result' | 'reason'>): void
  /** What became of it; also of a credential that was not sent. */
  onAttempt?(attempt: AuthAttempt): void
  /** Text for the user from the server, safe to show. */
  onBanner(message: string, languageTag: string): void
  /** The server let us in. Called from inside `receive`; nothing more is expected here. */
  onSuccess(result: ClientAuthResult): void
  /** Nothing is left to try. */
  onFailure(error: PermissionDenied): void
}

export interface ClientAuthResult {
  readonly userName: string
  /** Everything that was tried, in order; the last was accepted. */
  readonly attempts: readonly AuthAttempt[]
  /** Whether the server let us in without having asked for anything. */
  readonly isTrivial: boolean
}
