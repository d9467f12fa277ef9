/** A client's and a server's authentication joined in memory, with owners that answer from a script. */

import type { PrivateKey, Signer } from '@ssh/crypto'
import { asBuffer, userauthRequest } from '@ssh/wire'
import type { PermissionDenied } from '../../src/errors.js'
import type { AuthDecision, AuthenticatedUser } from '../../src/userauth/auth-decision.js'
import { ClientAuth } from '../../src/userauth/client-auth.js'
import type { ClientAuthHandlers, ClientAuthOptions, ClientAuthResult } from '../../src/userauth/client-auth-options.js'
import type { CredentialQuestion } from '../../src/userauth/credential-question.js'
import { ServerAuth } from '../../src/userauth/server-auth.js'
import type { ServerAuthHandlers, ServerAuthOptions } from '../../src/userauth/server-auth-options.js'

export const sessionIdentifier = Buffer.alloc(32, 0x5e)

/** Signature algorithms a server of the tests accepts. */
export const signatureAlgorithms = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256']

/** What a client says to each question. What it has nothing for is skipped. */
export interface ClientScript {
  readonly keys?: readonly (Signer | string)[]
  password?(attempt: number): string | undefined
  readonly newPassword?: string
  prompts?(prompts: readonly string[]): readonly string[] | undefined
}

/** Answers a client's questions at once. */
export function answerFrom(script: ClientScript): (question: CredentialQuestion) => void {
  let next = 0
  return (question) => {
    switch (question.method) {
      case 'publickey': {
        if (question.isFromStart) next = 0
        const key = script.keys?.[next++]
        if (key === undefined || typeof key === 'string') question.skip(key)
        else question.answer(key)
        break
      }
      case 'signature':
        question.answer((question.signer as PrivateKey).sign(question.data, question.algorithmName))
        break
      case 'password':
        answerOrSkip(question, script.password?.(question.attempt))
        break
      case 'password-change':
        answerOrSkip(
          question,
          script.newPassword === undefined
            ? undefined
            : { oldPassword: question.oldPassword, newPassword: script.newPassword },
        )
        break
      case 'keyboard-interactive':
        answerOrSkip(question, script.prompts?.(question.prompts.map((prompt) => prompt.prompt)))
    }
  }
}

function answerOrSkip<T>(question: { answer(value: T): void; skip(): void }, value: T | undefined): void {
  if (value === undefined) question.skip()
  else question.answer(value)
}

/** What a client saw of its authentication. */
export class ClientSide {
  readonly sent: Buffer[] = []
  readonly banners: string[] = []
  readonly questions: CredentialQuestion[] = []
  result: ClientAuthResult | undefined
  error: PermissionDenied | undefined
  readonly auth: ClientAuth

  constructor(
    options: Partial<ClientAuthOptions>,
    onQuestion: (question: CredentialQuestion) => void,
    handlers: Partial<ClientAuthHandlers> = {},
  ) {
    this.auth = new ClientAuth(
      { userName: 'alice', sessionIdentifier, ...options },
      {
        send: (payload) => void this.sent.push(asBuffer(payload)),
        onQuestion: (question) => {
          this.questions.push(question)
          onQuestion(question)
        },
        onBanner: (message) => void this.banners.push(message),
        onSuccess: (result) => {
          this.result = result
        },
        onFailure: (error) => {
          this.error = error
        },
        ...handlers,
      },
    )
  }

  /** Attempts as `method result`. */
  get story(): string[] {
    return this.auth.attempts.map(({ method, result }) => `${method} ${result}`)
  }

  /** Methods of the requests that were sent. */
  get requests(): string[] {
    return this.sent.filter((payload) => payload[0] === 50).map((payload) => userauthRequest.decode(payload).methodName)
  }
}

export type Decide = (decision: AuthDecision<string>) => void

/** Decides for a server: a verdict for the types that are named, rejection for the others. Anyone may begin. */
export function decideFrom(
  verdicts: { [T in AuthDecision<string>['type']]?: (decision: Extract<AuthDecision<string>, { type: T }>) => void },
): Decide {
  return (decision) => {
    const decide = verdicts[decision.type] as ((decision: AuthDecision<string>) => void) | undefined
    if (decide !== undefined) decide(decision)
    else if (decision.type === 'begin') decision.answer('authenticate')
    else decision.answer('reject')
  }
}

/** What a server saw of its authentication. */
export class ServerSide {
  readonly sent: Buffer[] = []
  readonly decisions: AuthDecision<string>[] = []
  user: AuthenticatedUser<string> | undefined
  error: Error | undefined
  ready = 0
  readonly auth: ServerAuth<string>

  constructor(options: Partial<ServerAuthOptions>, decide: Decide, handlers: Partial<ServerAuthHandlers<string>> = {}) {
    this.auth = new ServerAuth<string>(
      { sessionIdentifier, signatureAlgorithms, ...options },
      {
        send: (payload) => void this.sent.push(asBuffer(payload)),
        onDecision: (decision) => {
          this.decisions.push(decision)
          decide(decision)
        },
        onSuccess: (user) => {
          this.user = user
        },
        onFailure: (error) => {
          this.error = error
        },
        onReady: () => {
          this.ready++
        },
        ...handlers,
      },
    )
  }

  /** Types of the decisions that were asked for, without `begin`. */
  get asked(): string[] {
    return this.decisions.map((decision) => decision.type).filter((type) => type !== 'begin')
  }
}

/** Carries payloads both ways until nothing moves. */
export function pump(client: ClientSide, server: ServerSide): void {
  let toServer = 0
  let toClient = 0
  while (toServer < client.sent.length || toClient < server.sent.length) {
    const request = server.auth.isBusy ? undefined : client.sent[toServer]
    if (request !== undefined) {
      toServer++
      server.auth.receive(request)
    } else if (toClient < server.sent.length) {
      client.auth.receive(server.sent[toClient++]!)
    } else {
      return
    }
  }
}

/** Authenticates from start to end, with everything answered at once. */
export function authenticate(
  script: ClientScript,
  decide: Decide,
  options: { client?: Partial<ClientAuthOptions>; server?: Partial<ServerAuthOptions> } = {},
): { client: ClientSide; server: ServerSide } {
  const client = new ClientSide(options.client ?? {}, answerFrom(script))
  const server = new ServerSide(options.server ?? {}, decide)
  client.auth.start()
  pump(client, server)
  return { client, server }
}
