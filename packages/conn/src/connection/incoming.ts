/** Which channels and global requests of the other end are answered here, and by whom: RFC 4254 §4 and §5.1. */

import type { ChannelOpenRequest } from './channel-open.js'
import type { GlobalRequest } from './global-requests.js'

/** What is said to whoever asks for a channel that nobody here answers. */
export interface Refusal {
  /** One of `openFailureReasons`. */
  readonly reasonCode: number
  readonly description: string
}

/** Takes an answer back. */
export type Unregister = () => void

/**
 * Starts with no answers at all, so that whatever a feature did not ask for is refused. A channel type or a request has
 * one answer at a time.
 */
export class Incoming {
  readonly #unknown: Refusal
  readonly #channels = new Map<string, (request: ChannelOpenRequest) => void>()
  readonly #globalRequests = new Map<string, (request: GlobalRequest) => void>()

  constructor(unknown: Refusal) {
    this.#unknown = unknown
  }

  /**
   * From now on `answer` accepts or rejects channels of this type, now or later.
   * @throws Error when the type has an answer already
   */
  onChannel(channelType: string, answer: (request: ChannelOpenRequest) => void): Unregister {
    return register(this.#channels, channelType, answer)
  }

  /**
   * From now on `answer` replies to global requests of this name, now or later; it must reply to each.
   * @throws Error when the name has an answer already
   */
  onGlobalRequest(requestName: string, answer: (request: GlobalRequest) => void): Unregister {
    return register(this.#globalRequests, requestName, answer)
  }

  /** @throws WireError when the type-specific part is not what its type says */
  channelRequested(request: ChannelOpenRequest): void {
    const answer = this.#channels.get(request.channelType)
    if (answer === undefined) request.reject(this.#unknown.reasonCode, this.#unknown.description)
    else answer(request)
  }

  /** @throws WireError when the request-specific part is not what its name says */
  globallyRequested(request: GlobalRequest): void {
    const answer = this.#globalRequests.get(request.requestName)
    if (answer === undefined) request.reply(false)
    else answer(request)
  }
}

function register<A>(answers: Map<string, A>, name: string, answer: A): Unregister {
  if (answers.has(name)) throw new Error(`${name} is answered already`)
  answers.set(name, answer)
  return () => {
    if (answers.get(name) === answer) answers.delete(name)
  }
}
