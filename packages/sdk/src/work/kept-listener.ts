/** A port or path of the server that is asked for again on every new connection. */

import { type ListenAddress, Listener } from '@ssh/conn'
import type { SshClientConnection } from '../client/ssh-client-connection.js'
import { pauseBefore, type ReconnectPolicy } from './reconnect-options.js'

/** Asks a connection's server to listen. @param port the one that it had before, where the server chose it */
export type ListenOn = (connection: SshClientConnection, port: number | undefined) => Promise<Listener>

export class KeptListener {
  /** What users have of it: stays open while the link is down, and keeps its port. */
  readonly listener: Listener
  readonly #listen: ListenOn
  readonly #policy: ReconnectPolicy
  readonly #onFailure: (error: unknown, listener: Listener) => void
  #current: Listener
  readonly #addresses: readonly ListenAddress[]
  #attempts = 0
  #cancelPause: () => void = () => {}

  /** @param first what the server listens on already */
  constructor(
    first: Listener,
    listen: ListenOn,
    policy: ReconnectPolicy,
    onFailure: (error: unknown, listener: Listener) => void,
  ) {
    this.#current = first
    this.#addresses = first.addresses
    this.#listen = listen
    this.#policy = policy
    this.#onFailure = onFailure
    this.listener = new Listener({
      addresses: first.addresses,
      path: first.path,
      connections: () => this.#current.connections,
      stop: () => this.#stop(),
    })
  }

  /** There is a new connection: has its server listen, and asks again as long as it refuses and the connection lasts. */
  async renew(connection: SshClientConnection): Promise<void> {
    this.#cancelPause()
    this.#attempts = 0
    await this.#ask(connection)
  }

  async #ask(connection: SshClientConnection): Promise<void> {
    const isWanted = () => !this.listener.isClosed && !connection.isClosed
    if (!isWanted()) return
    try {
      const made = await this.#listen(connection, this.#addresses[0]?.port)
      this.#current = made
      if (this.listener.isClosed) await made.close()
    } catch (error) {
      // The server may still hold the port for the connection that broke, until it notices.
      if (!isWanted()) return
      const pauseMs = pauseBefore(++this.#attempts, this.#policy)
      this.#cancelPause = this.#policy.clock.schedule(() => void this.#ask(connection), pauseMs)
      this.#onFailure(error, this.listener)
    }
  }

  async #stop(): Promise<void> {
    this.#cancelPause()
    await this.#current.close()
  }
}
