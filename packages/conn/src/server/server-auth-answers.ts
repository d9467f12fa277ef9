/** Answers what a server's authentication asks, from the options and the builder's callbacks. */

import type { AuthorizedKeys } from '../config/authorized-keys.js'
import { type KeyRestrictions, noRestrictions } from '../config/key-restrictions.js'
import type { Logger } from '../log.js'
import { decideUserKey } from '../trust/user-key-policy.js'
import type { AuthChallenge, AuthDecision, AuthVerdict, RequiredMethods } from '../userauth/auth-decision.js'
import type { AuthMethodName } from '../userauth/auth-order.js'
import type { KeyboardChallenge, PasswordChangeRequired, ServerCallbacks } from './server-callbacks.js'
import { isListedUser } from './user-patterns.js'
import type { UserPolicy } from './user-policy.js'
import type { UserSettings } from './user-settings.js'

/** What a verified key brings along: the restrictions of its authorized_keys line. */
export type Grant = KeyRestrictions

export interface ServerAuthAnswersOptions {
  readonly callbacks: ServerCallbacks
  readonly authorizedKeys: AuthorizedKeys
  /** What callbacks set for one user. */
  readonly userSettings: UserSettings
  readonly allowUsers: readonly string[] | undefined
  readonly denyUsers: readonly string[] | undefined
  readonly permitEmptyPassword: boolean | undefined
  readonly requiredAuth: RequiredMethods | undefined
  /** What sshd_config says of a user, where it is asked. Never rejects: of whom nothing is known gets nothing. */
  readonly configure?: (userName: string) => Promise<UserPolicy>
  /** Numeric address of the client, when it came over IP. */
  readonly clientAddress: string | undefined
  readonly logger: Logger | undefined
}

export class ServerAuthAnswers {
  readonly #options: ServerAuthAnswersOptions
  /** What is required before anybody is named. */
  readonly #firstMethods: RequiredMethods
  /** Of the user who is named now. */
  #policy: UserPolicy | undefined

  constructor(options: ServerAuthAnswersOptions) {
    this.#options = options
    this.#firstMethods = this.requiredMethods
  }

  /** What a user must complete: what the options say, or any one method that somebody can judge. */
  get requiredMethods(): RequiredMethods {
    const allows = (method: AuthMethodName) => this.#policy?.methods.has(method) ?? true
    // What sshd_config forbids a user stays forbidden, whatever code wants completed.
    const possible = this.#options.requiredAuth?.filter((list) => list.every(allows))
    const required = possible ?? this.#policy?.requiredMethods
    return required ?? this.#judgeable.filter(allows).map((method) => [method])
  }

  get allowsPasswordChange(): boolean {
    return this.#options.callbacks.changePassword !== undefined
  }

  get #judgeable(): readonly AuthMethodName[] {
    const { callbacks, authorizedKeys, userSettings } = this.#options
    // A user without keys is offered what others are, or it would show.
    const { configure } = this.#options
    const hasKeys =
      configure !== undefined || userSettings.authorizedKeys !== undefined || authorizedKeys.keys.length > 0
    const judgeable: Record<AuthMethodName, boolean> = {
      publickey: hasKeys || callbacks.validatePublicKey !== undefined,
      'keyboard-interactive': callbacks.getKbdintChallenge !== undefined || callbacks.validatePassword !== undefined,
      password: callbacks.validatePassword !== undefined,
    }
    return (Object.keys(judgeable) as AuthMethodName[]).filter((method) => judgeable[method])
  }

  /** Answers now or later. A callback that throws counts as a refusal; only the logger learns why. */
  answer(decision: AuthDecision<Grant>): void {
    this.#answer(decision).catch((error: unknown) => {
      this.#options.logger?.warn?.({ layer: 'auth', event: 'callback-failed', decision: decision.type, error })
      if (decision.type === 'begin') decision.answer(this.#begun())
      else decision.answer('reject')
    })
  }

  async #answer(decision: AuthDecision<Grant>): Promise<void> {
    const { callbacks } = this.#options
    switch (decision.type) {
      case 'begin': {
        // Of the one before, nothing must be left while others are asked.
        this.#policy = undefined
        await this.#options.userSettings.begin()
        this.#policy = await this.#options.configure?.(decision.userName)
        const needsAuth = (await callbacks.beginAuth?.(decision.userName)) ?? true
        if (needsAuth === false && this.#mayLogIn(decision.userName)) return decision.answer('accept')
        return decision.answer(this.#begun())
      }
      case 'publickey-query':
      case 'publickey': {
        const verdict = await this.#judgeKey(decision)
        if (decision.type === 'publickey') return decision.answer(verdict)
        return decision.answer(verdict === 'reject' ? 'reject' : 'accept')
      }
      case 'password': {
        const { userName, password } = decision
        const verdict = toVerdict(await this.#validatePassword(userName, password))
        return decision.answer(this.#mayLogIn(userName) ? verdict : 'reject')
      }
      case 'password-change': {
        const { userName, oldPassword, newPassword } = decision
        // Nothing is changed for somebody who may not log in, nor into or out of a password that would be refused.
        const isRefused = [oldPassword, newPassword].some((password) => this.#isRefused(password))
        if (isRefused || !this.#mayLogIn(userName)) return decision.answer('reject')
        return decision.answer(toVerdict(await callbacks.changePassword?.(userName, oldPassword, newPassword)))
      }
      case 'keyboard-interactive': {
        const { userName, languageTag, submethods } = decision
        // Without a challenge of their own, prompts ask for the password.
        if (callbacks.getKbdintChallenge === undefined) return decision.answer(passwordChallenge)
        const step = toStep(await callbacks.getKbdintChallenge(userName, languageTag, submethods))
        return decision.answer(step === 'accept' && !this.#mayLogIn(userName) ? 'reject' : step)
      }
      case 'keyboard-interactive-response':
        return decision.answer(await this.#judgeResponses(decision.userName, decision.responses))
    }
  }

  /** What the user who is named now must complete, also when the builder failed to say something about them. */
  #begun(): 'authenticate' | { readonly requiredMethods: RequiredMethods } {
    // Keys that were set for this user may make the method worth offering.
    const { requiredMethods } = this
    const isAsBefore = this.#policy === undefined && requiredMethods.length === this.#firstMethods.length
    return isAsBefore ? 'authenticate' : { requiredMethods }
  }

  async #judgeKey(
    decision: Extract<AuthDecision<Grant>, { type: 'publickey' | 'publickey-query' }>,
  ): Promise<'accept' | 'reject' | { accept: Grant }> {
    const { callbacks, clientAddress } = this.#options
    const { userName, publicKey } = decision
    const listed = decideUserKey({ key: publicKey, clientAddress, now: Date.now() }, this.#authorizedKeys)
    const policy = this.#policy
    const mayLogIn = this.#mayLogIn(userName) && (policy?.accepts(publicKey) ?? true)
    if (listed.type === 'accept') {
      const { restrictions } = listed.entry
      const grant = policy === undefined ? restrictions : policy.limit(restrictions)
      return mayLogIn && grant !== undefined ? { accept: grant } : 'reject'
    }
    const isValid = (await callbacks.validatePublicKey?.(userName, publicKey)) === true
    if (!isValid || !mayLogIn) return 'reject'
    return policy === undefined || policy.limit(noRestrictions) !== undefined ? 'accept' : 'reject'
  }

  async #judgeResponses(userName: string, responses: readonly string[]): Promise<AuthVerdict<Grant> | AuthChallenge> {
    const { callbacks } = this.#options
    const mayLogIn = this.#mayLogIn(userName)
    if (callbacks.getKbdintChallenge !== undefined) {
      const step = toStep(await callbacks.validateKbdintResponse?.(userName, responses))
      return step === 'accept' && !mayLogIn ? 'reject' : step
    }
    // A password that must be changed cannot be changed by prompts nobody defined.
    const [password = ''] = responses
    return (await this.#validatePassword(userName, password)) === true && mayLogIn ? 'accept' : 'reject'
  }

  async #validatePassword(userName: string, password: string): Promise<boolean | PasswordChangeRequired | undefined> {
    if (this.#isRefused(password)) return false
    return await this.#options.callbacks.validatePassword?.(userName, password)
  }

  #isRefused(password: string): boolean {
    return password === '' && !(this.#options.permitEmptyPassword ?? this.#policy?.permitEmptyPassword ?? false)
  }

  get #authorizedKeys(): AuthorizedKeys {
    return this.#options.userSettings.authorizedKeys ?? this.#policy?.authorizedKeys ?? this.#options.authorizedKeys
  }

  /** Whoever may not is asked and judged as others are, so that nobody learns which names are on the lists. */
  #mayLogIn(userName: string): boolean {
    const { allowUsers, denyUsers = [], clientAddress } = this.#options
    if (this.#policy?.mayLogIn === false) return false
    if (isListedUser(denyUsers, userName, clientAddress, true)) return false
    return allowUsers === undefined || isListedUser(allowUsers, userName, clientAddress, false)
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
