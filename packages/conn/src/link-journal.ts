/** What one connection tells whoever watches: log entries and traces. Of both roles, and never a secret. */

import { printable } from '@ssh/wire'
import { describeAlgorithms } from './connection-algorithms.js'
import type { LogEntry, Logger } from './log.js'
import {
  type AuthTrace,
  authChannel,
  beginTrace,
  channelOpenChannel,
  isTraced,
  type KexTrace,
  kexChannel,
  type Trace,
  type TracedConnection,
} from './tracing.js'
import type { HostKeyOffer, KeysChanged } from './transport/transport-options.js'
import type { AuthDecision } from './userauth/auth-decision.js'
import type { AuthMethodName } from './userauth/auth-order.js'
import type { AuthAttempt } from './userauth/auth-report.js'
import type { ServerAuthAttempt } from './userauth/server-auth-options.js'

/** A credential, as far as it may be told. */
type TracedAttempt = Pick<AuthTrace, 'method' | 'keyFingerprint' | 'algorithm'> & { readonly username?: string }

/** Decisions that are about a credential, and its method. */
const methodOf = new Map<AuthDecision<unknown>['type'], AuthMethodName>([
  ['publickey', 'publickey'],
  ['password', 'password'],
  ['password-change', 'password'],
  ['keyboard-interactive', 'keyboard-interactive'],
  ['keyboard-interactive-response', 'keyboard-interactive'],
])

/** Tells connections of one process apart in its log. */
let lastConnection = 0

export class LinkJournal {
  readonly logger: Logger | undefined
  readonly #describe: () => TracedConnection
  readonly #connection = ++lastConnection
  #kex: Trace<KexTrace> | undefined
  #hasKeys = false
  #auth: Trace<AuthTrace> | undefined
  #hasEnded = false

  /** @param describe whom it is about, as far as that is known by now */
  constructor(logger: Logger | undefined, describe: () => TracedConnection) {
    this.logger = logger
    this.#describe = describe
  }

  /** Client: the address is being dialled. */
  connecting(): void {
    this.#debug('client', 'connecting')
  }

  /** There is a stream to speak over. */
  connected(addresses: {
    readonly remoteAddress?: string | undefined
    readonly remotePort?: number | undefined
  }): void {
    this.#debug(this.#describe().role, 'connected', addresses)
  }

  /** Client: connecting failed before there was a stream. */
  connectFailed(error: unknown): void {
    this.#warn('client', 'connect-failed', { error })
  }

  kexBegins(): void {
    const isFirst = !this.#hasKeys
    this.#kex = beginTrace(kexChannel, () => ({ ...this.#describe(), isFirst }))
    this.#debug('transport', 'kex', { isFirst })
  }

  keysChanged({ algorithms, isFirst }: KeysChanged): void {
    this.#hasKeys = true
    this.#kex?.succeed({ algorithms })
    this.#kex = undefined
    this.#debug('transport', 'keys-changed', { isFirst, ...describeAlgorithms(algorithms) })
  }

  /** Client: whether the server's key is believed. @param error why not */
  hostKeyJudged({ algorithm, fingerprint }: HostKeyOffer, error?: unknown): void {
    if (error === undefined) this.#debug('trust', 'host-key-accepted', { algorithm, fingerprint })
    else this.#warn('trust', 'host-key-refused', { algorithm, fingerprint, error })
  }

  /** Client: a credential is with the server. */
  authBegins(attempt: TracedAttempt): void {
    this.#auth ??= beginTrace(authChannel, () => ({ ...this.#describe(), ...attempt }))
  }

  /** Client: what became of a credential; also of one that was not sent. */
  authAttempt(attempt: AuthAttempt): void {
    if (attempt.result !== 'skipped') {
      this.authBegins(attempt)
      this.#auth?.succeed({ ...attempt })
      this.#auth = undefined
    }
    this.#debug('auth', 'attempt', attempt)
  }

  /** Server: somebody is to judge a credential. */
  authAsked({ type, userName }: AuthDecision<unknown>): void {
    const method = methodOf.get(type)
    if (method !== undefined) this.authBegins({ method, username: printable(userName) })
  }

  /** Server: what became of a credential. */
  authJudged({ userName, method, result, publicKey }: ServerAuthAttempt): void {
    if (this.logger === undefined && this.#auth === undefined && !isTraced(authChannel)) return
    const username = printable(userName)
    const key = publicKey && { keyFingerprint: publicKey.getFingerprint() }
    this.authBegins({ method, username })
    this.#auth?.succeed({ result, ...key })
    this.#auth = undefined
    this.#debug('auth', 'attempt', { username, method, result, ...key })
  }

  /** The user is in. */
  authenticated(): void {
    this.#debug('auth', 'authenticated')
  }

  /**
   * This side asks for a channel.
   * @returns what to call with the outcome; undefined when nobody watches
   */
  channelOpening(channelType: string): ((error?: Error) => void) | undefined {
    const trace = beginTrace(channelOpenChannel, () => ({ ...this.#describe(), channelType }))
    if (trace === undefined && this.logger === undefined) return undefined
    return (error) => {
      if (error === undefined) {
        trace?.succeed()
        this.#debug('connection', 'channel-open', { channelType })
      } else {
        trace?.fail(error)
        this.#debug('connection', 'channel-refused', { channelType, error })
      }
    }
  }

  /** The connection is over. @param error what broke it */
  ended(error: Error | undefined): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    const cause = error ?? new Error('The connection was closed meanwhile')
    this.#kex?.fail(cause)
    this.#kex = undefined
    this.#auth?.fail(cause, { result: 'unanswered' })
    this.#auth = undefined
    if (error === undefined) this.#debug('connection', 'closed')
    else this.#broken(isSilence(error) ? 'keepalive-lost' : 'broken', error)
  }

  /** Nothing a server should worry about: connections of all the world break before anybody is logged in. */
  #broken(event: string, error: Error): void {
    if (this.#describe().role === 'client') this.#warn('connection', event, { error })
    else this.#debug('connection', event, { error })
  }

  #debug(layer: string, event: string, facts: object = {}): void {
    const { logger } = this
    if (logger !== undefined) logger.debug(this.#entry(layer, event, facts))
  }

  #warn(layer: string, event: string, facts: object): void {
    const { logger } = this
    if (logger?.warn !== undefined) logger.warn(this.#entry(layer, event, facts))
    else this.#debug(layer, event, facts)
  }

  #entry(layer: string, event: string, facts: object): LogEntry {
    const { role, host, port, username } = this.#describe()
    return { layer, event, connection: this.#connection, role, host, port, username: printable(username), ...facts }
  }
}

function isSilence(error: Error): boolean {
  return 'code' in error && error.code === 'ERR_SSH_CONNECTION_TIMEOUT'
}
