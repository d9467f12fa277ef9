/**
 * The client's half of RFC 4252: which credential to send next, and what the server's answers mean.
 * What a method sends and asks for is the method's own business, in `methods/`.
 */

import { printable, services, type UserauthMessage, userauthMessages, userauthRequest } from '@ssh/wire'
import { type PermissionDenied, ProtocolError } from '../errors.js'
import { type AuthMethodName, defaultAuthOrder, nextAuthMethod } from './auth-order.js'
import { type AuthAttempt, permissionDenied } from './auth-report.js'
import type { ClientAuthHandlers, ClientAuthOptions } from './client-auth-options.js'
import type { Answerable, CredentialQuestion } from './credential-question.js'
import { displayText } from './display-text.js'
import type { ClientMethod, ClientMethodContext, PendingAttempt } from './methods/client-method.js'
import { KeyboardInteractiveClient } from './methods/keyboard-interactive.js'
import { PasswordClient } from './methods/password.js'
import { PublickeyClient } from './methods/publickey.js'

/** Requests before giving up: what a server that grants one partial success after another would need. */
const maximumRequests = 128

/** Texts that are shown, and their total length in characters; the rest is dropped. */
const maximumBanners = 128
const maximumBannerText = 128 * 1024

type State =
  | { readonly name: 'idle' }
  /** The owner owes an answer. */
  | { readonly name: 'asking' }
  /** The server owes one. `method` is undefined for `none`. */
  | { readonly name: 'waiting'; readonly method: ClientMethod | undefined; readonly attempt: PendingAttempt }
  | { readonly name: 'succeeded' }
  | { readonly name: 'closed' }

/** Authenticates one user on one connection. */
export class ClientAuth {
  readonly #options: ClientAuthOptions
  readonly #handlers: ClientAuthHandlers
  readonly #preferredAuth: readonly AuthMethodName[]
  #methods: ReadonlyMap<AuthMethodName, ClientMethod>
  readonly #exhausted = new Set<AuthMethodName>()
  readonly #attempts: AuthAttempt[] = []
  #state: State = { name: 'idle' }
  #serverMethods: readonly string[] | undefined
  #serverSignatureAlgorithms: readonly string[] | undefined
  #requests = 0
  #isTrivial = true
  #banners = 0
  #bannerText = 0

  constructor(options: ClientAuthOptions, handlers: ClientAuthHandlers) {
    this.#options = options
    this.#handlers = handlers
    this.#preferredAuth = options.preferredAuth ?? defaultAuthOrder
    this.#serverSignatureAlgorithms = options.serverSignatureAlgorithms
    this.#methods = this.#createMethods()
  }

  /** Everything that was tried so far. */
  get attempts(): readonly AuthAttempt[] {
    return this.#attempts
  }

  /** What the server said it would accept; undefined before its first answer. */
  get serverMethods(): readonly string[] | undefined {
    return this.#serverMethods
  }

  /** Begins; the server has accepted the service `ssh-userauth`. */
  start(): void {
    const publickey = this.#methods.get('publickey')
    if (this.#isOptimistic() && publickey !== undefined) publickey.next()
    else this.#requestNone()
  }

  /** `server-sig-algs` arrived (RFC 8308 §3.1). */
  setServerSignatureAlgorithms(names: readonly string[]): void {
    this.#serverSignatureAlgorithms = names
  }

  /**
   * One payload with a message number of 50 to 79.
   * @throws ProtocolError, WireError when the message is not legal now or malformed; the connection must end
   */
  receive(payload: Uint8Array): void {
    const state = this.#state
    if (state.name === 'closed') return
    const number = payload[0] ?? 0
    if (number >= 60 && state.name === 'waiting' && state.method !== undefined) {
      state.method.receive(payload)
      return
    }
    if (number >= 60 || state.name === 'succeeded') throw this.#unexpected(`message ${number}`)
    const message = userauthMessages.decode(payload)
    if (message.type === 'userauthBanner') {
      this.#show(message.message, message.languageTag)
      return
    }
    if (message.type === 'userauthRequest' || state.name !== 'waiting') throw this.#unexpected(message.type)
    this.#conclude(message, state.method, state.attempt)
  }

  /**
   * Ends, with the error to fail with when the connection ends before authentication did: tells what was tried.
   * @param cause what ended the connection
   */
  describeFailure(cause?: unknown): PermissionDenied {
    const why = cause instanceof Error ? cause.message : undefined
    this.close()
    return permissionDenied(this.#report(), why, cause)
  }

  /** Ends and forgets secrets; answers that are still to come are ignored. */
  close(): void {
    const state = this.#state
    if (state.name === 'waiting' && state.method) this.#note({ ...state.attempt, result: 'unanswered' })
    this.#forget()
  }

  #forget(): void {
    this.#state = { name: 'closed' }
    this.#methods = new Map()
  }

  #isOptimistic(): boolean {
    return this.#options.optimisticPublickey === true && this.#preferredAuth[0] === 'publickey'
  }

  #createMethods(): ReadonlyMap<AuthMethodName, ClientMethod> {
    const publickey = new PublickeyClient(this.#contextOf('publickey'), {
      signatureAlgorithms: this.#options.signatureAlgorithms,
      serverSignatureAlgorithms: () => this.#serverSignatureAlgorithms,
      isOptimistic: this.#isOptimistic(),
    })
    const password = new PasswordClient(this.#contextOf('password'))
    const keyboardInteractive = new KeyboardInteractiveClient(
      this.#contextOf('keyboard-interactive'),
      this.#options.answerPromptsWithPassword === true,
    )
    return new Map([publickey, password, keyboardInteractive].map((method) => [method.name, method]))
  }

  #contextOf(name: AuthMethodName): ClientMethodContext {
    return {
      userName: this.#options.userName,
      sessionIdentifier: this.#options.sessionIdentifier,
      ask: (pose, onAnswer, onSkip) => this.#ask(pose, onAnswer, onSkip),
      request: (attempt, methodData) => this.#request(name, attempt, methodData),
      reply: (attempt, payload) => this.#wait(name, attempt, payload),
      proving: () => {
        this.#isTrivial = false
      },
      skipped: (attempt, reason) => {
        this.#note({ ...attempt, result: 'skipped', ...(reason !== undefined && { reason }) })
      },
      exhausted: () => {
        this.#exhausted.add(name)
        this.#next()
      },
      show: (text, languageTag) => this.#show(text, languageTag),
    }
  }

  #ask<Answer>(
    pose: (answerable: Answerable<Answer>) => CredentialQuestion,
    onAnswer: (answer: Answer) => void,
    onSkip: (reason?: string) => void,
  ): void {
    const asking: State = { name: 'asking' }
    this.#state = asking
    // Each question has a state of its own, so a late or second answer finds another one and is dropped.
    const once = (use: () => void): void => {
      if (this.#state !== asking) return
      const answered: State = { name: 'asking' }
      this.#state = answered
      try {
        use()
      } catch (error) {
        // What was given cannot be sent, for instance a response that is no text: the question stays open.
        if (this.#state === answered) this.#state = asking
        throw error
      }
    }
    this.#handlers.onQuestion(
      pose({ answer: (answer) => once(() => onAnswer(answer)), skip: (reason) => once(() => onSkip(reason)) }),
    )
  }

  /** RFC 4252 §5.2: a request that is meant to fail, to learn what would not. */
  #requestNone(): void {
    this.#request('none', { method: 'none' }, new Uint8Array(0))
  }

  #request(methodName: AuthMethodName | 'none', attempt: PendingAttempt, methodData: Uint8Array): void {
    if (++this.#requests > maximumRequests) {
      this.#fail(`it refused ${maximumRequests} requests`)
      return
    }
    const { userName } = this.#options
    this.#wait(
      methodName,
      attempt,
      userauthRequest.encode({ userName, serviceName: services.connection, methodName, methodData }),
    )
  }

  #wait(methodName: AuthMethodName | 'none', attempt: PendingAttempt, payload: Uint8Array): void {
    const method = methodName === 'none' ? undefined : this.#methods.get(methodName)
    this.#state = { name: 'waiting', method, attempt }
    this.#handlers.onRequest?.(attempt)
    this.#handlers.send(payload)
  }

  /** The server's answer to a request. */
  #conclude(
    message: Extract<UserauthMessage, { type: 'userauthSuccess' | 'userauthFailure' }>,
    method: ClientMethod | undefined,
    attempt: PendingAttempt,
  ): void {
    if (message.type === 'userauthSuccess') {
      this.#succeed(attempt)
      return
    }
    this.#serverMethods = message.methodsThatCanContinue
    if (message.partialSuccess) {
      this.#note({ ...attempt, result: 'partial success' })
      method?.accepted()
      for (const each of this.#methods.values()) each.restart()
      this.#exhausted.clear()
    } else if (method !== undefined) {
      this.#note({ ...attempt, result: 'rejected' })
    } else {
      // A refused `none` is no attempt: it only asked for the list.
      this.#handlers.onAttempt?.({ ...attempt, result: 'rejected' })
    }
    this.#next()
  }

  #next(): void {
    if (this.#serverMethods === undefined) {
      this.#requestNone()
      return
    }
    const name = nextAuthMethod(this.#preferredAuth, this.#serverMethods, this.#exhausted)
    const method = name && this.#methods.get(name)
    if (method === undefined) this.#fail()
    else method.next()
  }

  #succeed(attempt: PendingAttempt): void {
    this.#note({ ...attempt, result: 'accepted' })
    if (this.#isTrivial && this.#options.disableTrivialAuth === true) {
      this.#fail('it asked for no credential, which disableTrivialAuth does not accept')
      return
    }
    const result = { userName: this.#options.userName, attempts: this.#attempts, isTrivial: this.#isTrivial }
    this.#methods = new Map()
    this.#state = { name: 'succeeded' }
    this.#handlers.onSuccess(result)
  }

  #fail(why?: string): void {
    const error = permissionDenied(this.#report(), why)
    this.#forget()
    this.#handlers.onFailure(error)
  }

  #note(attempt: AuthAttempt): void {
    this.#attempts.push(attempt)
    this.#handlers.onAttempt?.(attempt)
  }

  #report(): Parameters<typeof permissionDenied>[0] {
    return {
      userName: this.#options.userName,
      attempts: this.#attempts,
      serverMethods: this.#serverMethods,
      preferredAuth: this.#preferredAuth,
    }
  }

  #show(text: string, languageTag: string): void {
    this.#bannerText += text.length
    if (text === '' || ++this.#banners > maximumBanners || this.#bannerText > maximumBannerText) return
    this.#handlers.onBanner(displayText(text), displayText(languageTag))
  }

  #unexpected(what: string): ProtocolError {
    return new ProtocolError(
      'ERR_SSH_AUTH_UNEXPECTED_MESSAGE',
      `The server sent ${printable(what, 64)} while authentication was ${this.#state.name}`,
    )
  }
}
