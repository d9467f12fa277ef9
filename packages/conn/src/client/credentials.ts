/** Answers what authentication asks, from the options: the promise half of userauth. */

import type { Signer } from '@ssh/crypto'
import { loadNamedKeys } from '../key-source.js'
import { type AuthMethodName, defaultAuthOrder } from '../userauth/auth-order.js'
import type { CredentialQuestion, PublickeyQuestion } from '../userauth/credential-question.js'
import { type LoadedKey, loadDefaultKeys } from './client-keys.js'
import type { ParsedClientOptions } from './client-options.js'

type Options = Pick<
  ParsedClientOptions,
  'clientKeys' | 'passphrase' | 'password' | 'passwordChange' | 'keyboardInteractive' | 'preferredAuth'
>

export class Credentials {
  readonly #options: Options
  /** Undefined: look in the usual places once a key is asked for. */
  #keys: readonly LoadedKey[] | undefined
  #nextKey = 0

  private constructor(options: Options, keys: readonly LoadedKey[] | undefined) {
    this.#options = options
    this.#keys = keys
  }

  /**
   * Reads the keys that the user named, so that a key that cannot be used fails before anything is sent.
   * @throws KeyImportError, KeyEncryptionError
   */
  static async prepare(options: Options): Promise<Credentials> {
    const { clientKeys, passphrase } = options
    if (clientKeys === undefined) return new Credentials(options, undefined)
    const signers = clientKeys === null ? [] : await loadNamedKeys(clientKeys, passphrase)
    return new Credentials(
      options,
      signers.map((signer) => ({ signer })),
    )
  }

  /** Methods to try, in order: those the user wants and has something for. */
  get methods(): readonly AuthMethodName[] {
    const { password, keyboardInteractive, preferredAuth = defaultAuthOrder } = this.#options
    const has: Record<AuthMethodName, boolean> = {
      publickey: this.#keys === undefined || this.#keys.length > 0,
      'keyboard-interactive': keyboardInteractive !== undefined || password !== undefined,
      password: password !== undefined,
    }
    return preferredAuth.filter((method) => has[method])
  }

  /**
   * Whether there is exactly one key, named by the user, that signs in one way only: surely what is meant, and it may be
   * sent before the server has said a word. Of an RSA key's algorithms the server's list chooses one: some servers take
   * a wrong guess for an attack and close the connection (RFC 8332 §3.3).
   */
  get hasObviousKey(): boolean {
    const [key, ...others] = this.#keys ?? []
    if (key === undefined || others.length > 0 || this.methods[0] !== 'publickey') return false
    return 'signer' in key && key.signer.signatureAlgorithms.length === 1
  }

  /** Whether a lone hidden prompt should be answered by the password. */
  get answersPromptsWithPassword(): boolean {
    return this.#options.keyboardInteractive === undefined && this.#options.password !== undefined
  }

  /** Answers now or later; a callback that throws makes the question be skipped, with what it threw as the reason. */
  answer(question: CredentialQuestion): void {
    this.#answer(question).catch((error: unknown) => {
      question.skip(error instanceof Error ? error.message : String(error))
    })
  }

  async #answer(question: CredentialQuestion): Promise<void> {
    switch (question.method) {
      case 'publickey':
        return this.#offerKey(question)
      case 'signature':
        return question.answer(await question.signer.sign(question.data, question.algorithmName))
      case 'password':
        return answerOrSkip(question, await this.#password(question.attempt))
      case 'password-change':
        return answerOrSkip(question, await this.#options.passwordChange?.(question.prompt))
      case 'keyboard-interactive': {
        const { name, instructions, prompts } = question
        return answerOrSkip(question, await this.#options.keyboardInteractive?.(name, instructions, prompts))
      }
    }
  }

  async #offerKey(question: PublickeyQuestion): Promise<void> {
    this.#keys ??= await loadDefaultKeys(this.#options.passphrase)
    if (question.isFromStart) this.#nextKey = 0
    const skipped: string[] = []
    let signer: Signer | undefined
    while (signer === undefined && this.#nextKey < this.#keys.length) {
      const key = this.#keys[this.#nextKey++]
      if (key === undefined) break
      if ('signer' in key) signer = key.signer
      else skipped.push(key.skipped)
    }
    if (signer !== undefined) return question.answer(signer)
    question.skip(skipped.join('; ') || (this.#keys.length === 0 ? 'no private key in ~/.ssh' : undefined))
  }

  #password(attempt: number): string | null | undefined | Promise<string | null | undefined> {
    const { password } = this.#options
    if (typeof password === 'function') return password()
    return attempt === 1 ? password : undefined
  }
}

function answerOrSkip<T>(
  question: { answer(value: T): void; skip(reason?: string): void },
  value: T | null | undefined,
): void {
  if (value === null || value === undefined) question.skip()
  else question.answer(value)
}
