/**
 * What a client's authentication asks its owner, and how the owner answers: now or later, once.
 *
 * An answer that comes twice, or after authentication ended, is ignored: the owner need not track either.
 */

import type { Signer } from '@ssh/crypto'

/** The two ways out of every question. */
export interface Answerable<Answer> {
  /**
   * Goes on with this answer.
   * @throws TypeError, WireError when it cannot be sent; the question can then still be answered or skipped
   */
  answer(value: Answer): void
  /**
   * Has none. For `signature` the next key is asked for; for the others the method is given up.
   * @param reason for the failure report, for instance `id_ed25519 needs a passphrase`
   */
  skip(reason?: string): void
}

/** The next key to offer. Asked again until it is skipped. */
export interface PublickeyQuestion extends Answerable<Signer> {
  readonly method: 'publickey'
  /** Whether to begin with the first key (again): at first, and after a factor was accepted. */
  readonly isFromStart: boolean
}

/** A signature with a key that the server accepted. */
export interface SignatureQuestion extends Answerable<Uint8Array> {
  readonly method: 'signature'
  readonly signer: Signer
  /** What to sign. */
  readonly data: Uint8Array
  /** The algorithm to sign with; one of `signer.signatureAlgorithms`. */
  readonly algorithmName: string
}

/** A password. The same value is never sent twice: answering with it again gives the method up. */
export interface PasswordQuestion extends Answerable<string> {
  readonly method: 'password'
  /** 1 for the first password asked for, counted up as the server refuses. */
  readonly attempt: number
}

/** The password has expired and the server wants another (RFC 4252 §8). */
export interface PasswordChangeQuestion
  extends Answerable<{ readonly oldPassword: string; readonly newPassword: string }> {
  readonly method: 'password-change'
  /** The server's text, safe to show. */
  readonly prompt: string
  readonly languageTag: string
  /** The password that the server called expired. */
  readonly oldPassword: string
}

/** One prompt of keyboard-interactive. */
export interface AuthPrompt {
  /** The server's text, safe to show. */
  readonly prompt: string
  /** Whether what is typed may be shown. */
  readonly echo: boolean
}

/** One round of prompts (RFC 4256 §3.2). Answer with as many responses. Never asked without prompts. */
export interface KeyboardInteractiveQuestion extends Answerable<readonly string[]> {
  readonly method: 'keyboard-interactive'
  /** The server's text, safe to show; may be empty. */
  readonly name: string
  /** The server's text, safe to show; may be empty. */
  readonly instructions: string
  readonly prompts: readonly AuthPrompt[]
}

export type CredentialQuestion =
  | PublickeyQuestion
  | SignatureQuestion
  | PasswordQuestion
  | PasswordChangeQuestion
  | KeyboardInteractiveQuestion
