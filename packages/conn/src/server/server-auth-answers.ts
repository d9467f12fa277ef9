/** Answers what a server's authentication asks, from the options and the builder's callbacks. */

import type { AuthorizedKeys } from '../config/authorized-keys.js'
import type { KeyRestrictions } from '../config/key-restrictions.js'
import type { Logger } from '../log.js'
import { decideUserKey } from '../trust/user-key-policy.js'
import type { AuthChallenge, AuthDecision, AuthVerdict, RequiredMethods } from '../userauth/auth-decision.js'
import type { AuthMethodName } from '../userauth/auth-order.js'
import type { KeyboardChallenge, PasswordChangeRequired, ServerCallbacks } from './server-callbacks.js'

/** What a verified key brings along: the restrictions of its authorized_keys line. */
export type Grant = KeyRestrictions

export interface ServerAuthAnswersOptions {
  readonly callbacks: ServerCallbacks
  readonly authorizedKeys: AuthorizedKeys
  readonly requiredAuth: RequiredMethods | undefined
  /** Numeric address of the client, when it came over IP. */
  readonly clientAddress: string | undefined
  readonly logger: Logger | undefined
}

export class ServerAuthAnswers {
  readonly #options: ServerAuthAnswersOptions

  constructor(options: ServerAuthAnswersOptions) {
    this.#options = options
  }

  /** What a user must complete: what the options say, or any one method that somebody can judge. */
  get requiredMethods(): RequiredMethods {
    const { requiredAuth } = this.#options
    return requiredAuth ?? this.#judgeable.map((method) => [method])
  }

  get allowsPasswordChange(): boolean {
    return this.#options.callbacks.changePassword !== undefined
  }

  get #judgeable(): readonly AuthMethodName[] {
    const { callbacks, authorizedKeys } = this.#options
    const judgeable: Record<AuthMethodName, boolean> = {
      publickey: authorizedKeys.keys.length > 0 || callbacks.validatePublicKey !== undefined,
      'keyboard-interactive': callbacks.getKbdintChallenge !== undefined || callbacks.validatePassword !== undefined,
      password: callbacks.validatePassword !== undefined,
    }
    return (Object.keys(judgeable) as AuthMethodName[]).filter((method) => judgeable[method])
  }

  /** Answers now or later. A callback that throws counts as a refusal; only the logger learns why. */
  answer(decision: AuthDecision<Grant>): void {
    this.#answer(decision).catch((error: unknown) => {
      this.#options.logger?.warn?.({ layer: 'auth', event: 'callback-failed', decision: decision.type, error })
      if (decision.type === 'begin') decision.answer('authenticate')
      else decision.answer('reject')
    })
  }

  async #answer(decision: AuthDecision<Grant>): Promise<void> {
    const { callbacks } = this.#options
    switch (decision.type) {
      case 'begin': {
        const needsAuth = (await callbacks.beginAuth?.(decision.userName)) ?? true
        return decision.answer(needsAuth === false ? 'accept' : 'authenticate')
      }
      case 'publickey-query':
      case 'publickey': {
        const verdict = await this.#judgeKey(decision)
        if (decision.type === 'publickey') return decision.answer(verdict)
        return decision.answer(verdict === 'reject' ? 'reject' : 'accept')
      }
      case 'password':
        return decision.answer(toVerdict(await callbacks.validatePassword?.(decision.userName, decision.password)))
      case 'password-change': {
        const { userName, oldPassword, newPassword } = decision
        return decision.answer(toVerdict(await callbacks.changePassword?.(userName, oldPassword, newPassword)))
      }
      case 'keyboard-interactive': {
        const { userName, languageTag, submethods } = decision
        // Without a challenge of their own, prompts ask for the password.
        if (callbacks.getKbdintChallenge === undefined) return decision.answer(passwordChallenge)
        return decision.answer(toStep(await callbacks.getKbdintChallenge(userName, languageTag, submethods)))
      }
      case 'keyboard-interactive-response':
        return decision.answer(await this.#judgeResponses(decision.userName, decision.responses))
    }
  }

  async #judgeKey(
    decision: Extract<AuthDecision<Grant>, { type: 'publickey' | 'publickey-query' }>,
  ): Promise<'accept' | 'reject' | { accept: Grant }> {
    const { authorizedKeys, callbacks, clientAddress } = this.#options
    const { userName, publicKey } = decision
    const listed = decideUserKey({ key: publicKey, clientAddress, now: Date.now() }, authorizedKeys)
    if (listed.type === 'accept') return { accept: listed.entry.restrictions }
    return (await callbacks.validatePublicKey?.(userName, publicKey)) === true ? 'accept' : 'reject'
  }

  async #judgeResponses(userName: string, responses: readonly string[]): Promise<AuthVerdict<Grant> | AuthChallenge> {
    const { callbacks } = this.#options
    if (callbacks.getKbdintChallenge !== undefined) {
      return toStep(await callbacks.validateKbdintResponse?.(userName, responses))
    }
    // A password that must be changed cannot be changed by prompts nobody defined.
    const [password = ''] = responses
    return (await callbacks.validatePassword?.(userName, password)) === true ? 'accept' : 'reject'
  }
}

const passwordChallenge: AuthChallenge = { challenge: { prompts: [{ prompt: 'Password: ', echo: false }] } }

function toVerdict(result: boolean | PasswordChangeRequired | undefined): 'accept' | 'reject' | PasswordChangeRequired {
  // Exactly true, or exactly this: an answer of another kind is a mistake, and must not open the door.
  if (typeof result === 'object' && typeof result?.changeRequired?.prompt === 'string') return result
  return result === true ? 'accept' : 'reject'
}

function toStep(result: boolean | KeyboardChallenge | undefined): 'accept' | 'reject' | AuthChallenge {
  if (typeof result !== 'object' || result === null) return result === true ? 'accept' : 'reject'
  const { name, instructions, prompts } = result
  return {
    challenge: {
      ...(name !== undefined && { name }),
      ...(instructions !== undefined && { instructions }),
      prompts: prompts.map(({ prompt, echo = false }) => ({ prompt, echo })),
    },
  }
}
