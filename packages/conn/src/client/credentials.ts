/** Answers what authentication asks, from the options: the promise half of userauth. */

import type { PrivateKey, Signer } from '@ssh/crypto'
import type { Logger } from '../log.js'
import { rsaBits } from '../trust/rsa-bits.js'
import { type AuthMethodName, defaultAuthOrder } from '../userauth/auth-order.js'
import type { CredentialQuestion, PublickeyQuestion } from '../userauth/credential-question.js'
import { ClientKeys, type LoadedKey } from './client-keys.js'
import type { ParsedClientOptions } from './client-options.js'
import { LoginAgent } from './login-agent.js'

type Options = Pick<
  ParsedClientOptions,
  | 'clientKeys'
  | 'passphrase'
  | 'agentPath'
  | 'agentIdentities'
  | 'identitiesOnly'
  | 'password'
  | 'passwordChange'
  | 'keyboardInteractive'
  | 'preferredAuth'
  | 'numberOfPasswordPrompts'
  | 'requiredRsaSize'
  | 'addKeysToAgent'
> & {
  readonly identityFiles?: readonly string[]
  readonly logger?: Logger | undefined
}

export class Credentials {
  readonly #options: Options
  readonly #keys: ClientKeys
  #offering: AsyncGenerator<LoadedKey, void>
  /** Why keys were passed over since the first of them was asked for. */
  #skipped: string[] = []
  /** The key that signed last: once we are in, the one that let us in. */
  #signer: Signer | undefined

  private constructor(options: Options, keys: ClientKeys) {
    this.#options = options
    this.#keys = keys
    this.#offering = keys.all()
  }

  /**
   * Reads the keys that the user named, so that a key that cannot be used fails before anything is sent.
   * @param agent where the agent's keys come from; its owner closes it
   * @throws KeyImportError, KeyEncryptionError
   */
  static async prepare(options: Options, agent = new LoginAgent(options.agentPath)): Promise<Credentials> {
    return new Credentials(options, await ClientKeys.prepare(options, agent))
  }

  /** Methods to try, in order: those the user wants and has something for. */
  get methods(): readonly AuthMethodName[] {
    const { password, keyboardInteractive, preferredAuth = defaultAuthOrder } = this.#options
    const has: Record<AuthMethodName, boolean> = {
      publickey: this.#keys.hasAny,
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
    return this.methods[0] === 'publickey' && this.#keys.onlyKey?.signatureAlgorithms.length === 1
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
        this.#signer = question.signer
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
    if (question.isFromStart) {
      this.#offering = this.#keys.all()
      this.#skipped = []
    }
    for (let next = await this.#offering.next(); !next.done; next = await this.#offering.next()) {
      const objection = 'signer' in next.value ? this.#objectionTo(next.value.signer) : next.value.skipped
      if ('signer' in next.value && objection === undefined) return question.answer(next.value.signer)
      this.#skipped.push(objection ?? '')
    }
    question.skip(this.#skipped.join('; ') || undefined)
  }

  #objectionTo({ publicKey }: Signer): string | undefined {
    const { requiredRsaSize = 0 } = this.#options
    const bits = rsaBits(publicKey)
    if (bits === undefined || bits >= requiredRsaSize) return undefined
    return `${publicKey.getFingerprint()} has ${bits} bits, and requiredRsaSize asks for ${requiredRsaSize}`
  }

  /**
   * Hands the key that let us in to the agent, when `addKeysToAgent` asks for it and it came from elsewhere. A failure
   * goes to the logger: we are in.
   */
  async keepInAgent(agent: LoginAgent): Promise<void> {
    const { addKeysToAgent = false, logger } = this.#options
    const key = this.#signer
    if (addKeysToAgent === false || key === undefined || !isPrivateKey(key)) return
    try {
      if ((await agent.holding(key.publicKey)) !== undefined) return
      await agent.add(key, {
        confirm: addKeysToAgent === 'confirm',
        ...(typeof addKeysToAgent === 'number' && { lifetime: addKeysToAgent }),
      })
    } catch (error) {
      logger?.warn?.({ layer: 'agent', event: 'key-not-added', error })
    }
  }

  #password(attempt: number): string | null | undefined | Promise<string | null | undefined> {
    const { password, numberOfPasswordPrompts = attempt } = this.#options
    if (attempt > numberOfPasswordPrompts) return undefined
    if (typeof password === 'function') return password()
    return attempt === 1 ? password : undefined
  }
}

function isPrivateKey(signer: Signer): signer is PrivateKey {
  return 'exportPrivateKey' in signer
}

function answerOrSkip<T>(
  question: { answer(value: T): void; skip(reason?: string): void },
  value: T | null | undefined,
): void {
  if (value === null || value === undefined) question.skip()
  else question.answer(value)
}
