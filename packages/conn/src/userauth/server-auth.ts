/**
 * The server's half of RFC 4252: which requests are answered, counted and asked about, and when a user is in.
 * What the parts of a request mean is the method's own business, in `methods/`.
 */

import type { PublicKey } from '@ssh/crypto'
import {
  disconnectReasons,
  printable,
  SshError,
  services,
  userauthBanner,
  userauthFailure,
  userauthRequest,
  userauthSuccess,
} from '@ssh/wire'
import { PermissionDenied, ProtocolError } from '../errors.js'
import type { AuthFactor, AuthVerdict, RequiredMethods } from './auth-decision.js'
import type { AuthMethodName } from './auth-order.js'
import { readKeyboardInteractiveRequest } from './methods/keyboard-interactive.js'
import { readPasswordRequest } from './methods/password.js'
import { readPublickeyRequest } from './methods/publickey.js'
import {
  isShortEnough,
  type PoseDecision,
  type ReadServerRequest,
  type RunServerRequest,
  type ServerMethodContext,
} from './methods/server-method.js'
import {
  afterSuccess,
  anyMethod,
  checkRequiredMethods,
  isComplete,
  methodsThatCanContinue,
} from './required-methods.js'
import type { ServerAuthAttempt, ServerAuthHandlers, ServerAuthOptions } from './server-auth-options.js'

type State =
  /** The next message is the client's to choose. */
  | { readonly name: 'ready' }
  /** The owner owes a verdict. */
  | { readonly name: 'deciding' }
  /** The client was asked something; its message 61 is the answer. */
  | { readonly name: 'prompting'; readonly onResponse: (payload: Uint8Array) => void }
  | { readonly name: 'succeeded' }
  | { readonly name: 'closed' }

/** Who is being authenticated, and how far that is. Thrown away as a whole when another user name comes up. */
interface Candidate<Grant> {
  readonly userName: string
  remaining: RequiredMethods
  readonly factors: AuthFactor<Grant>[]
}

const readers = new Map<string, ReadServerRequest>([
  ['publickey', readPublickeyRequest],
  ['password', readPasswordRequest],
  ['keyboard-interactive', readKeyboardInteractiveRequest],
] satisfies [AuthMethodName, ReadServerRequest][])

/** Number of SSH_MSG_USERAUTH_INFO_RESPONSE, the only message of a method that a client sends. */
const infoResponseNumber = 61

/** Authenticates the client of one connection. `Grant` is what the owner attaches to an accepted credential. */
export class ServerAuth<Grant = never> {
  readonly #options: ServerAuthOptions
  readonly #handlers: ServerAuthHandlers<Grant>
  readonly #requiredMethods: RequiredMethods
  #state: State = { name: 'ready' }
  #candidate: Candidate<Grant> | undefined
  #requests = 0
  #failures = 0
  /** Whether our own code is on the stack, so that whoever called us sees `isBusy` afterwards. */
  #isRunning = false

  /** @throws OptionsError when `requiredMethods` has an empty list */
  constructor(options: ServerAuthOptions, handlers: ServerAuthHandlers<Grant>) {
    this.#options = options
    this.#handlers = handlers
    this.#requiredMethods = checkRequiredMethods(options.requiredMethods ?? anyMethod)
  }

  /** Whether a decision is pending. Nothing may be passed to `receive` meanwhile. */
  get isBusy(): boolean {
    return this.#state.name === 'deciding'
  }

  /**
   * One payload with a message number of 50 to 79. Ignored once the user is in (RFC 4252 §5.3).
   * @throws ProtocolError, WireError when the message is not legal or malformed; the connection must end
   * @throws SshError `ERR_SSH_AUTH_BUSY` while a decision is pending: the caller must wait
   */
  receive(payload: Uint8Array): void {
    const state = this.#state
    if (state.name === 'succeeded' || state.name === 'closed') return
    if (state.name === 'deciding') {
      throw new SshError('ERR_SSH_AUTH_BUSY', 'A login decision is pending; read on after onReady')
    }
    this.#whileRunning(() => {
      if (++this.#requests > (this.#options.maximumRequests ?? 128)) this.#end('too many requests')
      else if (payload[0] === infoResponseNumber) this.#respond(state, payload)
      else this.#request(state, payload)
    })
  }

  /** Shows text to the user (RFC 4252 §5.4). Ignored once the user is in. */
  sendBanner(message: string, languageTag = ''): void {
    if (this.#isOpen) this.#handlers.send(userauthBanner.encode({ message, languageTag }))
  }

  /** Ends; the answer that is still to come is ignored. */
  close(): void {
    this.#state = { name: 'closed' }
    this.#candidate = undefined
  }

  get #isOpen(): boolean {
    return this.#state.name !== 'succeeded' && this.#state.name !== 'closed'
  }

  #whileRunning(act: () => void): void {
    const wasRunning = this.#isRunning
    this.#isRunning = true
    try {
      act()
    } finally {
      this.#isRunning = wasRunning
    }
  }

  #respond(state: State, payload: Uint8Array): void {
    // Nobody asked, or what was asked has been given up: refused like any wrong answer.
    if (state.name !== 'prompting') {
      this.#refuse()
      return
    }
    this.#state = { name: 'ready' }
    state.onResponse(payload)
  }

  #request(state: State, payload: Uint8Array): void {
    if (payload[0] !== userauthRequest.number) {
      throw new ProtocolError(
        'ERR_SSH_AUTH_UNEXPECTED_MESSAGE',
        `Expected an authentication request, found message ${payload[0]}`,
      )
    }
    const { userName, serviceName, methodName, methodData } = userauthRequest.decode(payload)
    if (serviceName !== services.connection) {
      throw new ProtocolError(
        'ERR_SSH_AUTH_UNKNOWN_SERVICE',
        `Expected a login for ${services.connection}, found ${printable(serviceName, 64)}`,
        { disconnectReason: disconnectReasons.serviceNotAvailable },
      )
    }
    const run = readers.get(methodName)?.(methodData)
    // A client that leaves its prompts unanswered used up a try (RFC 4256 §3.1 lets it go on).
    if (state.name === 'prompting' && this.#countFailure()) return
    this.#state = { name: 'ready' }
    if (!isShortEnough(userName)) {
      this.#refuse()
      return
    }
    this.#withCandidate(userName, (candidate) => this.#run(candidate, methodName, run))
  }

  /** Whoever the request is for. Another name than before begins from nothing (RFC 4252 §5). */
  #withCandidate(userName: string, use: (candidate: Candidate<Grant>) => void): void {
    if (this.#candidate?.userName === userName) {
      use(this.#candidate)
      return
    }
    this.#candidate = undefined
    this.#decide<'authenticate' | 'accept' | { readonly requiredMethods: RequiredMethods }>(
      (answer) => ({ type: 'begin', userName, answer }),
      (verdict) => {
        const remaining =
          typeof verdict === 'object' ? checkRequiredMethods(verdict.requiredMethods) : this.#requiredMethods
        const candidate: Candidate<Grant> = { userName, remaining, factors: [] }
        this.#candidate = candidate
        if (verdict === 'accept') this.#succeed(candidate)
        else use(candidate)
      },
    )
  }

  #run(candidate: Candidate<Grant>, methodName: string, run: RunServerRequest | undefined): void {
    // The first `none` only asks what there is (RFC 4252 §5.2), and costs nothing.
    if (methodName === 'none' && this.#requests === 1) {
      this.#sendFailure(candidate, false)
      return
    }
    const method = methodsThatCanContinue(candidate.remaining).find((name) => name === methodName)
    if (run === undefined || method === undefined) {
      this.#refuse()
      return
    }
    run(this.#contextOf(candidate, method))
  }

  #contextOf(candidate: Candidate<Grant>, method: AuthMethodName): ServerMethodContext<Grant> {
    return {
      userName: candidate.userName,
      sessionIdentifier: this.#options.sessionIdentifier,
      signatureAlgorithms: this.#options.signatureAlgorithms,
      allowPasswordChange: this.#options.allowPasswordChange ?? false,
      isSpent: (publicKey) => candidate.factors.some((factor) => factor.publicKey?.equals(publicKey)),
      decide: (pose, onVerdict) => this.#decide(pose, onVerdict),
      settle: (verdict, publicKey) => this.#settle(candidate, method, verdict, publicKey),
      fail: () => {
        this.#handlers.onAttempt?.({ userName: candidate.userName, method, result: 'rejected' })
        this.#refuse()
      },
      send: (payload) => this.#handlers.send(payload),
      prompt: (payload, onResponse) => {
        this.#state = { name: 'prompting', onResponse }
        this.#handlers.send(payload)
      },
    }
  }

  #decide<Verdict>(pose: PoseDecision<Grant, Verdict>, onVerdict: (verdict: Verdict) => void): void {
    const deciding: State = { name: 'deciding' }
    this.#state = deciding
    this.#handlers.onDecision(
      pose((verdict) => {
        // Each decision has a state of its own, so a late or second answer finds another one and is dropped.
        if (this.#state !== deciding) return
        const decided: State = { name: 'ready' }
        this.#state = decided
        try {
          this.#whileRunning(() => onVerdict(verdict))
        } catch (error) {
          // The verdict cannot be carried out, for instance a prompt that is no text: it stays to be made.
          if (this.#state === decided) this.#state = deciding
          throw error
        }
        this.#announceReady()
      }),
    )
  }

  #announceReady(): void {
    if (!this.#isRunning && !this.isBusy && this.#state.name !== 'closed') this.#handlers.onReady()
  }

  #settle(
    candidate: Candidate<Grant>,
    method: AuthMethodName,
    verdict: AuthVerdict<Grant>,
    publicKey: PublicKey | undefined,
  ): void {
    const tell = (result: ServerAuthAttempt['result']) =>
      this.#handlers.onAttempt?.({ userName: candidate.userName, method, result, ...(publicKey && { publicKey }) })
    if (verdict === 'reject') {
      tell('rejected')
      this.#refuse()
      return
    }
    const grant = typeof verdict === 'string' ? undefined : 'accept' in verdict ? verdict.accept : verdict.grant
    candidate.factors.push({ method, ...(publicKey && { publicKey }), ...(grant !== undefined && { grant }) })
    candidate.remaining =
      typeof verdict === 'object' && 'partial' in verdict
        ? checkRequiredMethods(verdict.partial.map((name) => [name]))
        : afterSuccess(candidate.remaining, method)
    const isLast = isComplete(candidate.remaining)
    tell(isLast ? 'accepted' : 'partial success')
    if (isLast) this.#succeed(candidate)
    else this.#sendFailure(candidate, true)
  }

  #succeed({ userName, factors }: Candidate<Grant>): void {
    this.#state = { name: 'succeeded' }
    this.#candidate = undefined
    this.#handlers.send(userauthSuccess.encode({}))
    this.#handlers.onSuccess({ userName, factors })
  }

  /** Refuses one request, in words that tell nothing about why or about the user. */
  #refuse(): void {
    if (!this.#countFailure()) this.#sendFailure(this.#candidate, false)
  }

  /** Counts a failure; true when it was one too many and everything is over. */
  #countFailure(): boolean {
    if (++this.#failures < (this.#options.maximumFailures ?? 6)) return false
    this.#end('too many failures')
    return true
  }

  #sendFailure(candidate: Candidate<Grant> | undefined, partialSuccess: boolean): void {
    const remaining = candidate?.remaining ?? this.#requiredMethods
    this.#handlers.send(
      userauthFailure.encode({ methodsThatCanContinue: methodsThatCanContinue(remaining), partialSuccess }),
    )
  }

  #end(why: string): void {
    const userName = this.#candidate?.userName
    this.close()
    const who = userName === undefined ? 'The client' : `User "${printable(userName, 64)}"`
    this.#handlers.onFailure(
      new PermissionDenied(`${who} could not log in: ${why}`, { details: { userName, failures: this.#failures } }),
    )
  }
}
