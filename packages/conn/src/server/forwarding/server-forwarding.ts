/** Everything that one client may have forwarded: what it asks for, who answers, and its end. */

import { setMaxListeners } from 'node:events'
import type { Duplex } from 'node:stream'
import { ConnectionRequests } from './connection-requests.js'
import { pathKey, portKey } from './forward.js'
import { ForwardHost, type ForwardHostOptions } from './forward-host.js'
import { ListenRequests } from './listen-requests.js'
import { Tunnels } from './tunnels.js'

export class ServerForwarding {
  readonly #host: ForwardHost
  readonly #tunnels: Tunnels
  readonly #listening: ListenRequests

  /** Answers what the client asks for from now on. */
  constructor(options: ForwardHostOptions) {
    this.#host = new ForwardHost(options)
    // One for each connection that is being made, and those have a limit of their own.
    setMaxListeners(0, this.#host.ended)
    this.#tunnels = new Tunnels(options.settings.maxTunnels)
    this.#listening = new ListenRequests(this.#host, this.#tunnels)
    new ConnectionRequests(this.#host, this.#tunnels)
  }

  /** @throws as {@link ListenRequests.open} */
  openConnection(
    listenHost: string,
    listenPort: number,
    originHost: string,
    originPort: number,
    signal: AbortSignal | undefined,
  ): Promise<Duplex> {
    return this.#listening.open(portKey(listenHost, listenPort), { originHost, originPort }, signal)
  }

  /** @throws as {@link ListenRequests.open} */
  openUnixConnection(listenPath: string, signal: AbortSignal | undefined): Promise<Duplex> {
    return this.#listening.open(pathKey(listenPath), { originHost: '', originPort: 0 }, signal)
  }

  /** Takes no more requests; what is listened on already goes on bringing connections. */
  drain(): void {
    this.#host.drain()
  }

  /** Resolves once no connection is forwarded. */
  idle(): Promise<void> {
    return this.#tunnels.idle()
  }

  /** The connection is over. */
  end(reason: Error): void {
    this.#host.end(reason)
    this.#listening.end()
    this.#tunnels.sockets.end()
  }
}
