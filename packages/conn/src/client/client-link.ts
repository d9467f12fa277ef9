/**
 * An established client connection before it has its public face: what connecting found out, and what happened
 * meanwhile. Events that come before anybody could subscribe are kept until somebody does.
 */

import type { Duplex } from 'node:stream'
import type { PublicKey } from '@ssh/crypto'
import { openFailureReasons } from '@ssh/wire'
import type { Logger } from '../log.js'
import { type LinkHandlers, type LinkOptions, PeerLink } from '../peer-link.js'
import type { NegotiatedAlgorithms } from '../transport/negotiate.js'
import type { HostKeyUpdate } from '../trust/host-key-update.js'
import { AgentForwarding } from './agent-forwarding.js'
import type { Configured } from './configured.js'

/** Events of a client connection, and what their listeners get. */
export interface ClientEvents {
  /** Text from the server, shown before login; control characters are escaped. */
  banner: [message: string, languageTag: string]
  /** SSH_MSG_DEBUG of the server (RFC 4253 §11.3). */
  debug: [message: string, alwaysDisplay: boolean]
  /**
   * The server told which host keys it has, and proved those that are not on file (OpenSSH PROTOCOL §2.5). At most once,
   * soon after login or after the first listener came; never with `knownHosts: null`.
   */
  hostKeys: [update: HostKeyUpdate]
  /** New keys are in use. */
  rekey: []
  /** The connection is over; with an error if that was not a normal end. */
  close: [error: Error | undefined]
}

type Teller = <E extends keyof ClientEvents>(event: E, ...values: ClientEvents[E]) => void

/** Where a client connected to, and as whom. */
export interface ClientTarget {
  readonly host: string
  readonly port: number
  readonly username: string
}

/** What is kept of what a server says before anybody can listen, in characters. */
const mostEarly = 512 * 1024
/** What an event without a text counts for. */
const overhead = 128

/** A server may open only what this side asked for. */
const notAskedFor = {
  reasonCode: openFailureReasons.administrativelyProhibited,
  description: 'this client did not ask for such channels',
} as const

export class ClientLink extends PeerLink {
  readonly target: ClientTarget
  algorithms: NegotiatedAlgorithms | undefined
  hostKey: PublicKey | undefined
  /** Of the options. */
  logger: Logger | undefined
  /** What ssh_config says of sessions and forwardings. */
  configured: Configured | undefined
  /** Which agent sessions may lend to the server. */
  readonly agentForwarding: AgentForwarding
  #teller: Teller | undefined
  /** Room for what the server says before somebody can hear it, in characters. */
  #earlyRoom = mostEarly
  #early: { readonly event: keyof ClientEvents; readonly tell: () => void }[] = []
  /** Events that somebody has listened to. */
  readonly #heard = new Set<keyof ClientEvents>()

  constructor(target: ClientTarget, socket: Duplex, options: LinkOptions, handlers: LinkHandlers) {
    super(socket, options, handlers, notAskedFor)
    this.target = target
    this.agentForwarding = new AgentForwarding(this.incoming)
  }

  /** Passes an event on, or keeps it until there is somebody to pass it to. */
  tell<E extends keyof ClientEvents>(event: E, ...values: ClientEvents[E]): void {
    const tell = () => this.#teller?.(event, ...values)
    if (this.#teller === undefined) this.#keep(event, values, tell)
    // Never from inside the protocol: what a listener throws is its own fault and must not end the connection.
    else setImmediate(tell)
  }

  /** What is too much is dropped, but for the end, which comes once. */
  #keep(event: keyof ClientEvents, values: readonly unknown[], tell: () => void): void {
    this.#earlyRoom -= values.reduce<number>(
      (sum, value) => sum + (typeof value === 'string' ? value.length : 0),
      overhead,
    )
    if (this.#earlyRoom >= 0 || event === 'close') this.#early.push({ event, tell })
  }

  /** Nobody will ever listen: from now on events go nowhere. */
  deliverToNobody(): void {
    this.#teller = () => {}
    this.#early = []
  }

  /** Does what only serves listeners of `event` once there is one: now, or in a turn of its own, or never. */
  onceHeard(event: keyof ClientEvents, action: () => void): void {
    if (this.#heard.has(event)) action()
    else this.#early.push({ event, tell: action })
  }

  /** From now on events go to `teller`, each in a turn of its own. */
  deliverTo(teller: Teller): void {
    this.#teller = teller
  }

  /** Somebody listens to `event` now: those that came before anybody could follow, each in a turn of its own. */
  deliverEarly(event: keyof ClientEvents): void {
    this.#heard.add(event)
    for (const early of this.#early) if (early.event === event) setImmediate(early.tell)
    this.#early = this.#early.filter((early) => early.event !== event)
  }
}
