/**
 * What a server's authentication asks its owner, and how the owner answers: now or later, once.
 *
 * At most one decision is pending, and nothing more is read until it is made. An answer that comes twice, or
 * after the end, is ignored. One that cannot be carried out throws (OptionsError, WireError, TypeError), and the
 * decision can still be answered.
 */

import type { PublicKey } from '@ssh/crypto'
import type { AuthMethodName } from './auth-order.js'
import type { AuthPrompt } from './credential-question.js'

/**
 * Lists of methods; a user is let in after completing any one list, in its order.
 * `[['publickey', 'password'], ['keyboard-interactive']]`: a key and then a password, or else prompts alone.
 */
export type RequiredMethods = readonly (readonly AuthMethodName[])[]

/**
 * Whether a credential is good. `Grant` is what the owner wants to remember of it, for instance the restrictions
 * of an authorized_keys line; it is dropped together with the factor when the user name changes.
 */
export type AuthVerdict<Grant> =
  | 'accept'
  | 'reject'
  | { readonly accept: Grant }
  /** Good, but one of these methods must follow, whatever `requiredMethods` says. */
  | { readonly partial: readonly AuthMethodName[]; readonly grant?: Grant }

/** A user name came up: for the first time, or another one than before. */
export interface BeginDecision {
  readonly type: 'begin'
  readonly userName: string
  /** `'accept'` lets the user in without any credential. `requiredMethods` replaces the option for this user. */
  answer(verdict: 'authenticate' | 'accept' | { readonly requiredMethods: RequiredMethods }): void
}

/** Would this key be worth a signature? Proves nothing: nobody may be identified by it. */
export interface PublickeyQueryDecision {
  readonly type: 'publickey-query'
  readonly userName: string
  readonly publicKey: PublicKey
  answer(verdict: 'accept' | 'reject'): void
}

/** A key whose signature has been verified. */
export interface PublickeyDecision<Grant> {
  readonly type: 'publickey'
  readonly userName: string
  readonly publicKey: PublicKey
  /** The signature algorithm used. */
  readonly algorithmName: string
  answer(verdict: AuthVerdict<Grant>): void
}

/** The password is right but has expired (RFC 4252 §8). */
export interface PasswordChangeRequired {
  readonly changeRequired: { readonly prompt: string; readonly languageTag?: string }
}

export interface PasswordDecision<Grant> {
  readonly type: 'password'
  readonly userName: string
  readonly password: string
  answer(verdict: AuthVerdict<Grant> | PasswordChangeRequired): void
}

/** Only asked when `allowPasswordChange` is on. Accept only if the old password was right and the new one is set. */
export interface PasswordChangeDecision<Grant> {
  readonly type: 'password-change'
  readonly userName: string
  readonly oldPassword: string
  readonly newPassword: string
  answer(verdict: AuthVerdict<Grant> | PasswordChangeRequired): void
}

/** Prompts for the user (RFC 4256 §3.2). No prompts at all is a message that the client confirms. */
export interface AuthChallenge {
  readonly challenge: {
    readonly name?: string
    readonly instructions?: string
    readonly languageTag?: string
    readonly prompts: readonly AuthPrompt[]
  }
}

export interface KeyboardInteractiveStartDecision<Grant> {
  readonly type: 'keyboard-interactive'
  readonly userName: string
  readonly languageTag: string
  /** Devices the client would like, in no agreed format; usually empty. */
  readonly submethods: string
  answer(verdict: AuthVerdict<Grant> | AuthChallenge): void
}

export interface KeyboardInteractiveResponseDecision<Grant> {
  readonly type: 'keyboard-interactive-response'
  readonly userName: string
  /** As many as the challenge had prompts. */
  readonly responses: readonly string[]
  answer(verdict: AuthVerdict<Grant> | AuthChallenge): void
}

export type AuthDecision<Grant> =
  | BeginDecision
  | PublickeyQueryDecision
  | PublickeyDecision<Grant>
  | PasswordDecision<Grant>
  | PasswordChangeDecision<Grant>
  | KeyboardInteractiveStartDecision<Grant>
  | KeyboardInteractiveResponseDecision<Grant>

/** One credential that was accepted. */
export interface AuthFactor<Grant> {
  readonly method: AuthMethodName
  /** The verified key, for `publickey`. */
  readonly publicKey?: PublicKey
  readonly grant?: Grant
}

/** Who was let in, and by what. No factors: the owner asked for none. */
export interface AuthenticatedUser<Grant> {
  readonly userName: string
  readonly factors: readonly AuthFactor<Grant>[]
}
