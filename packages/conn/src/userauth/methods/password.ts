/** password: RFC 4252 §8, with the change of an expired one. */

import { passwordMessages, userauthMethods } from '@ssh/wire'
import type { AuthVerdict, PasswordChangeRequired } from '../auth-decision.js'
import { displayText } from '../display-text.js'
import type { ClientMethod, ClientMethodContext } from './client-method.js'
import { isShortEnough, type PoseDecision, type ReadServerRequest, type ServerMethodContext } from './server-method.js'

/** Passwords that are asked for before the method is given up: as many as OpenSSH asks for. */
const maximumAttempts = 3

const attempt = { method: 'password' } as const

/** The client's half. A value is sent once. */
export class PasswordClient implements ClientMethod {
  readonly name = 'password'
  readonly #context: ClientMethodContext
  readonly #sent = new Set<string>()
  #asked = 0
  #lastSent = ''

  constructor(context: ClientMethodContext) {
    this.#context = context
  }

  next(): void {
    if (this.#asked >= maximumAttempts) {
      this.#context.exhausted()
      return
    }
    this.#asked++
    this.#context.ask<string>(
      (answerable) => ({ method: 'password', attempt: this.#asked, ...answerable }),
      (password) => {
        if (this.#sent.has(password)) return this.#context.exhausted()
        this.#send(password, userauthMethods.password.encode({ isChange: false, password }))
      },
      (reason) => this.#skip(reason),
    )
  }

  receive(payload: Uint8Array): void {
    const { prompt, languageTag } = passwordMessages.decode(payload)
    const oldPassword = this.#lastSent
    this.#context.ask<{ readonly oldPassword: string; readonly newPassword: string }>(
      (answerable) => ({
        method: 'password-change',
        prompt: displayText(prompt),
        languageTag: displayText(languageTag),
        oldPassword,
        ...answerable,
      }),
      (passwords) => {
        this.#send(passwords.newPassword, userauthMethods.passwordChange.encode({ isChange: true, ...passwords }))
      },
      (reason) => this.#skip(reason ?? 'the server wants the password changed'),
    )
  }

  accepted(): void {}

  restart(): void {
    this.#sent.clear()
    this.#asked = 0
  }

  #send(password: string, methodData: Uint8Array): void {
    this.#sent.add(password)
    this.#lastSent = password
    this.#context.proving()
    this.#context.request(attempt, methodData)
  }

  #skip(reason: string | undefined): void {
    if (reason !== undefined) this.#context.skipped(attempt, reason)
    this.#context.exhausted()
  }
}

/** The server's half. */
export const readPasswordRequest: ReadServerRequest = (methodData) => {
  const isChange = methodData[0] !== undefined && methodData[0] !== 0
  if (isChange) {
    const { oldPassword, newPassword } = userauthMethods.passwordChange.decode(methodData)
    return (context) => {
      if (!context.allowPasswordChange || !isShortEnough(oldPassword) || !isShortEnough(newPassword)) {
        return context.fail()
      }
      const { userName } = context
      decidePassword(context, (answer) => ({ type: 'password-change', userName, oldPassword, newPassword, answer }))
    }
  }
  const { password } = userauthMethods.password.decode(methodData)
  return (context) => {
    if (!isShortEnough(password)) return context.fail()
    const { userName } = context
    decidePassword(context, (answer) => ({ type: 'password', userName, password, answer }))
  }
}

const [changeRequest] = passwordMessages.definitions

function decidePassword<Grant>(
  context: ServerMethodContext<Grant>,
  pose: PoseDecision<Grant, AuthVerdict<Grant> | PasswordChangeRequired>,
): void {
  context.decide(pose, (verdict) => {
    if (typeof verdict === 'string' || !('changeRequired' in verdict)) return context.settle(verdict)
    const { prompt, languageTag = '' } = verdict.changeRequired
    context.send(changeRequest.encode({ prompt, languageTag }))
  })
}
