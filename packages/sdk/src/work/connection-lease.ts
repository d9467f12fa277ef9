/** A connection of a pool, held by one who uses it together with others. */

import type { SshClientConnection } from '../client/ssh-client-connection.js'

/**
 * A shared connection that stays open until the lease is released, for what a pool does not offer itself: forwards,
 * streams to other hosts, events. Made by `connect` of a pool.
 *
 * @example
 * await using lease = await pool.connect('user@host')
 * const stream = await lease.connection.openConnection('db.internal', 5432)
 */
export class ConnectionLease {
  /** Others use it as well: closing it ends what they run. What is left open on it ends when the pool closes it. */
  readonly connection: SshClientConnection
  readonly #release: () => void

  /** Made by `connect` of a pool. */
  constructor(connection: SshClientConnection, release: () => void) {
    this.connection = connection
    this.#release = release
  }

  /** Gives the connection back; a second call does nothing. */
  release(): void {
    this.#release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release()
  }
}
