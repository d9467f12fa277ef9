/** A connection of a pool: counts what is open on it, whoever opened it, and learns how much the server allows. */

import type { ClientLink, SessionChannelOptions, SessionClient } from '@ssh/conn'
import { SshClientConnection } from '../client/ssh-client-connection.js'
import type { SessionDefaults } from '../process/create-process.js'

/** Sessions that are asked for at once on a connection of which nothing is known: what OpenSSH allows by default. */
const firstAttempts = 10

/** Who is told of a pooled connection. */
export interface PooledConnectionOwner {
  /** A session opened, ended or was refused, or a lease was given back: there may be room now. */
  changed(): void
  /** Most sessions that a connection to this server may have, as far as is known. */
  readonly sessionLimit: number
  /** So many sessions are open on one connection. */
  opened(sessions: number): void
}

export class PooledConnection extends SshClientConnection {
  readonly #owner: PooledConnectionOwner
  /** Sessions that are asked for and not answered. */
  #opening = 0
  /** Sessions that are open. */
  #open = 0
  /** Most that were open at once. */
  #most = 0
  #leases = 0
  /** Sessions there were when the server refused another one; forgotten once none is open. */
  #refusedAt = Number.POSITIVE_INFINITY
  #ended = 0
  #isRetiring = false

  constructor(link: ClientLink, defaults: SessionDefaults, owner: PooledConnectionOwner) {
    super(link, defaults)
    this.#owner = owner
  }

  /** Sessions that are open or asked for. */
  get sessions(): number {
    return this.#open + this.#opening
  }

  /** Sessions that have ended so far. */
  get ended(): number {
    return this.#ended
  }

  get leases(): number {
    return this.#leases
  }

  /** Whether anything was ever opened on it, so that it was good for something once. */
  get hasServed(): boolean {
    return this.#most > 0
  }

  get isIdle(): boolean {
    return this.sessions === 0 && this.#leases === 0
  }

  /** Whether something new may be put on it. */
  get isUsable(): boolean {
    return !this.isClosed && !this.#isRetiring
  }

  get isRetiring(): boolean {
    return this.#isRetiring
  }

  /** Whether the server is known to allow no more than there are: another connection is needed. */
  get isExhausted(): boolean {
    return this.sessions >= Math.min(this.#refusedAt, this.#owner.sessionLimit)
  }

  /** Whether one more session may be asked for now. As long as nothing is refused, twice as many as ever at once. */
  get hasRoom(): boolean {
    return this.isUsable && !this.isExhausted && this.sessions < Math.max(firstAttempts, 2 * this.#most)
  }

  /** Takes nothing new any more; whoever owns it closes it once it is idle. */
  retire(): void {
    this.#isRetiring = true
  }

  /** Keeps the connection open although nothing runs on it. @returns gives it back; a second call does nothing */
  lease(): () => void {
    this.#leases++
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#leases--
      this.#owner.changed()
    }
  }

  /** The server refused a session for the number of the others. */
  refused(): void {
    this.#refusedAt = this.sessions
  }

  override async openSessionChannel(options: SessionChannelOptions = {}): Promise<SessionClient> {
    this.#opening++
    let session: SessionClient
    try {
      session = await super.openSessionChannel(options)
    } catch (error) {
      this.#opening--
      this.#owner.changed()
      throw error
    }
    this.#opening--
    this.#open++
    this.#most = Math.max(this.#most, this.#open)
    // What was refused before must have had another reason.
    if (this.#open > this.#refusedAt) this.#refusedAt = Number.POSITIVE_INFINITY
    session.closed.then(() => this.#sessionEnded())
    this.#owner.opened(this.#open)
    this.#owner.changed()
    return session
  }

  #sessionEnded(): void {
    this.#open--
    this.#ended++
    if (this.#open === 0) this.#refusedAt = Number.POSITIVE_INFINITY
    this.#owner.changed()
  }
}
