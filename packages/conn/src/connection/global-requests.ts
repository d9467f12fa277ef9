/** Global requests of both directions: RFC 4254 §4. */

import { globalRequest, type MessageOf, requestFailure, requestSuccess } from '@ssh/wire'
import { type OnReply, OwedReplies, PendingReplies } from './replies.js'
import type { RoundTrip } from './round-trip.js'

/** A request of the peer that concerns no channel. */
export interface GlobalRequest {
  readonly requestName: string
  /** Layout by name: `globalRequests` of `@ssh/wire`. A view. */
  readonly data: Uint8Array
  readonly wantReply: boolean
  /**
   * Answers it, now or later; replies leave in the order of the requests. Without `wantReply` nothing is sent. Must be
   * called for every request, or the replies behind it wait for ever.
   * @param data the response-specific part; only success carries one
   */
  reply(success: boolean, data?: Uint8Array): void
}

export interface GlobalRequestsOptions {
  readonly clock: () => number
  readonly roundTrip: RoundTrip
  /** Requests of the peer that may wait for our answer. */
  readonly unansweredRequests: number
  send(payload: Uint8Array): void
}

export interface GlobalRequestHandlers {
  /** Absent: every request is refused. */
  onGlobalRequest?(request: GlobalRequest): void
}

export class GlobalRequests {
  readonly #send: (payload: Uint8Array) => void
  readonly #handlers: GlobalRequestHandlers
  readonly #pending: PendingReplies
  readonly #owed: OwedReplies

  constructor(options: GlobalRequestsOptions, handlers: GlobalRequestHandlers) {
    this.#send = options.send
    this.#handlers = handlers
    this.#pending = new PendingReplies(options.clock, options.roundTrip)
    this.#owed = new OwedReplies(options.unansweredRequests, options.send)
  }

  /** @param onReply called once with what became of it; absent, no reply is wanted */
  request(requestName: string, data: Uint8Array, onReply?: OnReply): void {
    if (onReply !== undefined) this.#pending.expect(onReply)
    this.#send(globalRequest.encode({ requestName, wantReply: onReply !== undefined, requestData: data }))
  }

  /** @throws ProtocolError when too many requests of the peer wait for an answer */
  receive(message: MessageOf<typeof globalRequest | typeof requestSuccess | typeof requestFailure>): void {
    switch (message.type) {
      case 'globalRequest':
        this.#receiveRequest(message)
        break
      case 'requestSuccess':
        this.#pending.settle({ outcome: 'success', data: message.responseData })
        break
      case 'requestFailure':
        this.#pending.settle({ outcome: 'failure' })
        break
    }
  }

  #receiveRequest({ requestName, wantReply, requestData }: MessageOf<typeof globalRequest>): void {
    const answer = wantReply ? this.#owed.owe() : undefined
    const reply = (success: boolean, data = noData): void =>
      answer?.(success ? requestSuccess.encode({ responseData: data }) : requestFailure.encode({}))
    if (this.#handlers.onGlobalRequest === undefined) reply(false)
    else this.#handlers.onGlobalRequest({ requestName, data: requestData, wantReply, reply })
  }

  /** The connection is over. */
  end(error: Error): void {
    this.#owed.end()
    this.#pending.end(error)
  }
}

const noData = new Uint8Array(0)
