/** keyboard-interactive: RFC 4256. The server asks anything, in as many rounds as it likes. */

import { keyboardInteractiveMessages, userauthMethods } from '@ssh/wire'
import { ProtocolError } from '../../errors.js'
import type { AuthChallenge, AuthVerdict } from '../auth-decision.js'
import type { AuthPrompt } from '../credential-question.js'
import { displayText } from '../display-text.js'
import type { ClientMethod, ClientMethodContext } from './client-method.js'
import { isShortEnough, type PoseDecision, type ReadServerRequest, type ServerMethodContext } from './server-method.js'

/** Times the whole method is tried while a person answers: as often as OpenSSH does. */
const maximumAttempts = 3

/** Rounds within one try, and prompts within one round: what no honest server comes near. */
const maximumRounds = 64
const maximumPrompts = 64

const [infoRequest, infoResponse] = keyboardInteractiveMessages.definitions

const attempt = { method: 'keyboard-interactive' } as const

/** The client's half. */
export class KeyboardInteractiveClient implements ClientMethod {
  readonly name = 'keyboard-interactive'
  readonly #context: ClientMethodContext
  readonly #answersWithPassword: boolean
  #attempts = 0
  #rounds = 0
  #hasUsedPassword = false
  /** Whether the next try could end otherwise than the last: at first, and when a person has answered something. */
  #isWorthTrying = true

  /** @param answersWithPassword whether a lone hidden prompt for a password becomes a password question */
  constructor(context: ClientMethodContext, answersWithPassword: boolean) {
    this.#context = context
    this.#answersWithPassword = answersWithPassword
  }

  next(): void {
    if (!this.#isWorthTrying || this.#attempts >= maximumAttempts) {
      this.#context.exhausted()
      return
    }
    this.#attempts++
    this.#rounds = 0
    this.#isWorthTrying = false
    this.#context.request(attempt, userauthMethods.keyboardInteractive.encode({ languageTag: '', submethods: '' }))
  }

  receive(payload: Uint8Array): void {
    const { name, instruction, languageTag, prompts } = infoRequest.decode(payload)
    if (++this.#rounds > maximumRounds || prompts.length > maximumPrompts) {
      throw new ProtocolError(
        'ERR_SSH_AUTH_TOO_MANY_PROMPTS',
        `The server asks too much: ${prompts.length} prompts in round ${this.#rounds}, and at most ` +
          `${maximumPrompts} in each of ${maximumRounds} rounds are answered`,
      )
    }
    const shown = prompts.map(({ prompt, echo }) => ({ prompt: displayText(prompt), echo }))
    const texts = { name: displayText(name), instructions: displayText(instruction) }
    if (prompts.length === 0) {
      this.#context.show([texts.name, texts.instructions].filter((text) => text !== '').join('\n'), languageTag)
      this.#respond([])
      return
    }
    if (this.#answersWithPassword && !this.#hasUsedPassword && isPasswordPrompt(shown)) {
      this.#usePassword()
      return
    }
    this.#context.ask<readonly string[]>(
      (answerable) => ({ method: 'keyboard-interactive', ...texts, prompts: shown, ...answerable }),
      (responses) => {
        if (responses.length === prompts.length) {
          this.#isWorthTrying = true
          this.#prove(responses)
        } else {
          this.#skip(`${prompts.length} prompts need as many answers, but there were ${responses.length}`)
        }
      },
      (reason) => this.#skip(reason ?? 'nobody answered the prompts'),
    )
  }

  accepted(): void {}

  restart(): void {
    this.#attempts = 0
    this.#isWorthTrying = true
    this.#hasUsedPassword = false
  }

  #usePassword(): void {
    this.#hasUsedPassword = true
    this.#context.ask<string>(
      (answerable) => ({ method: 'password', attempt: 1, ...answerable }),
      (password) => this.#prove([password]),
      (reason) => this.#skip(reason ?? 'there is no password to answer the prompt with'),
    )
  }

  #prove(responses: readonly string[]): void {
    this.#context.proving()
    this.#respond(responses)
  }

  #respond(responses: readonly string[]): void {
    this.#context.reply(attempt, infoResponse.encode({ responses: [...responses] }))
  }

  #skip(reason: string): void {
    this.#context.skipped(attempt, reason)
    this.#context.exhausted()
  }
}

/** Whether the server asks for nothing but the password, as PAM does. */
function isPasswordPrompt(prompts: readonly AuthPrompt[]): boolean {
  const [only] = prompts
  return prompts.length === 1 && only !== undefined && !only.echo && /password|passcode/i.test(only.prompt)
}

/** The server's half. */
export const readKeyboardInteractiveRequest: ReadServerRequest = (methodData) => {
  const { languageTag, submethods } = userauthMethods.keyboardInteractive.decode(methodData)
  return (context) => {
    if (!isShortEnough(languageTag) || !isShortEnough(submethods)) return context.fail()
    const { userName } = context
    decideRound(context, (answer) => ({ type: 'keyboard-interactive', userName, languageTag, submethods, answer }))
  }
}

function decideRound<Grant>(
  context: ServerMethodContext<Grant>,
  pose: PoseDecision<Grant, AuthVerdict<Grant> | AuthChallenge>,
): void {
  context.decide(pose, (verdict) => {
    if (typeof verdict === 'string' || !('challenge' in verdict)) return context.settle(verdict)
    const { name = '', instructions = '', languageTag = '', prompts } = verdict.challenge
    const request = infoRequest.encode({ name, instruction: instructions, languageTag, prompts: [...prompts] })
    context.prompt(request, (payload) => {
      const { responses } = infoResponse.decode(payload)
      if (responses.length !== prompts.length || !responses.every(isShortEnough)) return context.fail()
      const { userName } = context
      decideRound(context, (answer) => ({ type: 'keyboard-interactive-response', userName, responses, answer }))
    })
  })
}
