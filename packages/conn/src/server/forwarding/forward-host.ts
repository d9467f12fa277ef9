/** What the two halves of a server's forwarding need of the connection that they belong to. */

import { openFailureReasons, printable, SshError } from '@ssh/wire'
import type { ChannelOpener } from '../../connection/channel-open.js'
import type { Incoming } from '../../connection/incoming.js'
import type { Logger } from '../../log.js'
import type { ServerCallbacks } from '../server-callbacks.js'
import type { ServerConnection } from '../server-connection.js'
import type { ForwardSettings } from './forward-options.js'
import { type ForwardRequest, judgeForward } from './forward-policy.js'

export interface ForwardHostOptions {
  readonly connection: ServerConnection
  readonly incoming: Incoming
  readonly opener: ChannelOpener
  readonly settings: ForwardSettings
  /** Those of the builder, with their own object as `this`. */
  readonly callbacks: () => ServerCallbacks
  readonly logger: Logger | undefined
}

/** The callbacks about forwarding. */
export type ForwardCallback =
  | 'connectionRequested'
  | 'unixConnectionRequested'
  | 'serverRequested'
  | 'unixServerRequested'

/** Why a request is refused. */
export interface ForwardRefusal {
  readonly reasonCode: number
  readonly description: string
}

export function prohibited(description: string): ForwardRefusal {
  return { reasonCode: openFailureReasons.administrativelyProhibited, description }
}

/** What is said of whatever policy forbids; which rule it was is nobody's business. */
const notPermitted = prohibited('this forwarding is not permitted')

export class ForwardHost {
  readonly connection: ServerConnection
  readonly incoming: Incoming
  readonly opener: ChannelOpener
  readonly settings: ForwardSettings
  readonly #callbacks: () => ServerCallbacks
  readonly #logger: Logger | undefined
  readonly #ended = new AbortController()
  #isDraining = false

  constructor(options: ForwardHostOptions) {
    this.connection = options.connection
    this.incoming = options.incoming
    this.opener = options.opener
    this.settings = options.settings
    this.#callbacks = options.callbacks
    this.#logger = options.logger
  }

  /** Aborts when the connection is over. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** From now on all requests are refused. */
  drain(): void {
    this.#isDraining = true
  }

  end(reason: Error): void {
    this.#ended.abort(reason)
  }

  /**
   * What is to be done about a request: refuse it, ask the callback, or do it natively.
   * @param name callback that it is for
   * @param fault what is wrong with it as it stands
   */
  judge(request: ForwardRequest, name: ForwardCallback, fault: string | undefined): ForwardRefusal | 'ask' | 'native' {
    if (fault !== undefined) return prohibited(fault)
    if (this.#isDraining) return prohibited('this server is shutting down')
    const hasCallback = this.#callbacks()[name] !== undefined
    const verdict = judgeForward(request, this.settings, this.connection.restrictions, hasCallback)
    return verdict === 'refuse' ? notPermitted : verdict
  }

  /** Asks the builder. @throws ForwardRefused when the callback refuses by an error, or fails */
  async ask<A>(name: ForwardCallback, call: (callbacks: ServerCallbacks) => A | Promise<A>): Promise<A> {
    try {
      return await call(this.#callbacks())
    } catch (error) {
      const refusal = refusalBy(error)
      if (refusal !== undefined) throw new ForwardRefused(refusal)
      this.failed(name, error)
      throw new ForwardRefused(prohibited('the server failed to answer'))
    }
  }

  /** What a builder threw goes to the log, and to nobody else. */
  failed(callback: ForwardCallback, error: unknown): void {
    this.#logger?.warn?.({ layer: 'server', event: 'callback-failed', callback, error })
  }

  note(event: string, facts: Readonly<Record<string, unknown>>): void {
    this.#logger?.debug({ layer: 'forwarding', event, ...facts })
  }
}

/** Carries a refusal out of the work on a request. */
export class ForwardRefused extends Error {
  readonly refusal: ForwardRefusal

  constructor(refusal: ForwardRefusal) {
    super(refusal.description)
    this.refusal = refusal
  }
}

/** What a `ChannelOpenError` says, whichever copy of the package made it, and whether thrown here or got elsewhere. */
export function refusalBy(error: unknown): ForwardRefusal | undefined {
  if (!SshError.isSshError(error) || error.code !== 'ERR_SSH_CHANNEL_OPEN_REFUSED') return undefined
  const { reasonCode, description = error.message } = error.details
  if (typeof reasonCode !== 'number') return undefined
  return { reasonCode, description: printable(String(description)) }
}
