/**
 * An established client connection before it has its public face: what connecting found out, and what happened
 * meanwhile. Events that come before anybody could subscribe are kept until somebody can.
 */

import type { Duplex } from 'node:stream'
import type { PublicKey } from '@ssh/crypto'
import { openFailureReasons, type SshError } from '@ssh/wire'
import type { ChannelOpenRequest } from '../connection/channel-open.js'
import { Deferred } from '../deferred.js'
import type { SocketDriver } from '../io/socket-driver.js'
import type { Peer } from '../peer/peer.js'
import type { NegotiatedAlgorithms } from '../transport/negotiate.js'

/** Events of a client connection, and what their listeners get. */
export interface ClientEvents {
  /** Text from the server, shown before login; control characters are escaped. */
  banner: [message: string, languageTag: string]
  /** SSH_MSG_DEBUG of the server (RFC 4253 §11.3). */
  debug: [message: string, alwaysDisplay: boolean]
  /** New keys are in use. */
  rekey: []
  /** The connection is over; with an error if that was not a normal end. */
  close: [error: Error | undefined]
}

type Teller = <E extends keyof ClientEvents>(event: E, ...values: ClientEvents[E]) => void

export class ClientLink {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly socket: Duplex
  readonly #closed = new Deferred<void>()
  #peer: Peer | undefined
  #driver: SocketDriver | undefined
  #teller: Teller | undefined
  #held: (() => void)[] = []
  algorithms: NegotiatedAlgorithms | undefined
  hostKey: PublicKey | undefined

  constructor(facts: { host: string; port: number; username: string; socket: Duplex }) {
    this.host = facts.host
    this.port = facts.port
    this.username = facts.username
    this.socket = facts.socket
  }

  /** Resolves when the connection is over, rejects with what broke it. Never an unhandled rejection. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  get peer(): Peer {
    if (this.#peer === undefined) throw new Error('The link has no peer yet')
    return this.#peer
  }

  get driver(): SocketDriver {
    if (this.#driver === undefined) throw new Error('The link has no driver yet')
    return this.#driver
  }

  connect(peer: Peer, driver: SocketDriver): void {
    this.#peer = peer
    this.#driver = driver
  }

  /** Passes an event on, or keeps it. */
  tell<E extends keyof ClientEvents>(event: E, ...values: ClientEvents[E]): void {
    if (this.#teller === undefined) this.#held.push(() => this.#teller?.(event, ...values))
    else this.#teller(event, ...values)
  }

  /** From now on events go to `teller`; those that were kept follow once its owner had time to subscribe. */
  deliverTo(teller: Teller): void {
    this.#teller = teller
    const held = this.#held
    this.#held = []
    if (held.length > 0) {
      setImmediate(() => {
        for (const tell of held) tell()
      })
    }
  }

  /** The server may open only what this side asked for. */
  refuseChannel(request: ChannelOpenRequest): void {
    request.reject(openFailureReasons.administrativelyProhibited, 'this client did not ask for such channels')
  }

  ended(error: SshError | undefined): void {
    if (error === undefined) this.#closed.resolve()
    else this.#closed.reject(error)
    this.tell('close', error)
  }
}
