/** One kind of place that the other end listens on for us: what was asked for, what is granted, whose a channel is. */

import { AbortError } from '@ssh/wire'
import type { ChannelOpenRequest } from '../connection/channel-open.js'
import type { Refusal } from '../connection/incoming.js'
import type { OnReply } from '../connection/replies.js'
import { ChannelListenError } from '../errors.js'

/** How a kind of place is asked for, and told from others. */
export interface ListenProtocol<P> {
  request(place: P, onReply: OnReply): void
  cancel(place: P, onReply: OnReply): void
  /** What was granted; undefined when the reply does not say. @param reply the response-specific part */
  bound(place: P, reply: Uint8Array): P | undefined
  /** Whether both cannot be listened on at once. */
  isSame(a: P, b: P): boolean
  refused(place: P): ChannelListenError
  /** Which of the places a channel is for, from what its opening says. */
  route(named: P, listening: readonly P[]): P | undefined
}

/** A place that is listened on for us. */
export interface RemoteListening<P> {
  /** With the real port. */
  readonly place: P
  /** Channels that come from now on are refused; resolves once the other end has answered. Never rejects. */
  stop(): Promise<void>
}

type OnOpened<P, O> = (request: ChannelOpenRequest, place: P, origin: O) => void

/** @typeParam O what an opening says beside the place */
export class ListenTable<P, O> {
  readonly #protocol: ListenProtocol<P>
  readonly #refusal: Refusal
  /** Granted, in the order of the replies. */
  readonly #listening = new Map<P, OnOpened<P, O>>()
  /** Asked for, and not answered yet. */
  readonly #asked = new Set<P>()
  /**
   * Channels that may be for a place whose reply is still to come: a server may accept a connection before it says that
   * it listens. Their number is bounded by that of all channels.
   */
  #early: { readonly request: ChannelOpenRequest; readonly named: P; readonly origin: O }[] = []

  /** @param refusal what is said to whoever opens a channel for anything else */
  constructor(protocol: ListenProtocol<P>, refusal: Refusal) {
    this.#protocol = protocol
    this.#refusal = refusal
  }

  /**
   * Asks the other end to listen.
   * @param onOpened called for each channel, from within the mux
   * @throws ChannelListenError; AbortError; what ended the connection
   */
  listen(place: P, onOpened: OnOpened<P, O>, signal?: AbortSignal): Promise<RemoteListening<P>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw new AbortError(signal.reason)
      for (const other of [...this.#listening.keys(), ...this.#asked]) {
        if (this.#protocol.isSame(place, other)) throw askedAlready(place)
      }
      let isAborted = false
      const onAbort = (): void => {
        isAborted = true
        reject(new AbortError(signal?.reason))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#asked.add(place)
      this.#protocol.request(place, (reply) => {
        signal?.removeEventListener('abort', onAbort)
        this.#asked.delete(place)
        if (reply.outcome === 'success') {
          const bound = this.#protocol.bound(place, reply.data)
          if (bound === undefined || isAborted) {
            this.#protocol.cancel(bound ?? place, () => {})
            reject(noPort())
          } else {
            // Here and now: the next message may be a channel for it.
            this.#listening.set(bound, onOpened)
            resolve({ place: bound, stop: () => this.#stop(bound) })
          }
        } else {
          reject(reply.outcome === 'failure' ? this.#protocol.refused(place) : reply.error)
        }
        this.#routeEarly()
      })
    })
  }

  /** The other end wants a channel. @param named the place it says it is for */
  opened(request: ChannelOpenRequest, named: P, origin: O): void {
    const place = this.#protocol.route(named, [...this.#listening.keys()])
    const onOpened = place === undefined ? undefined : this.#listening.get(place)
    if (place !== undefined && onOpened !== undefined) onOpened(request, place, origin)
    else if (this.#asked.size > 0) this.#early.push({ request, named, origin })
    else request.reject(this.#refusal.reasonCode, this.#refusal.description)
  }

  #routeEarly(): void {
    for (const { request, named, origin } of this.#early.splice(0)) {
      if (request.isPending) this.opened(request, named, origin)
    }
  }

  #stop(place: P): Promise<void> {
    this.#listening.delete(place)
    return new Promise((resolve) => this.#protocol.cancel(place, () => resolve()))
  }
}

function askedAlready(place: unknown): ChannelListenError {
  return new ChannelListenError('This connection listens there already; close that listener first', {
    details: { place },
  })
}

function noPort(): ChannelListenError {
  return new ChannelListenError(
    'The server says that it listens, but not on which port; ask for a certain port instead',
  )
}
