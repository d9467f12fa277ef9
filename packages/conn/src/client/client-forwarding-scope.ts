/** What all forwarding of one connection shares: its end, and where failures of single connections go. */

import { setMaxListeners } from 'node:events'
import type { Mux } from '../connection/mux.js'
import type { Listener } from '../forwarding/listener.js'
import { LingeringSockets } from '../io/lingering-sockets.js'
import type { ClientLink } from './client-link.js'

/** Where failures of single connections go. */
export interface ForwardOptions {
  readonly onError?: ((error: Error) => unknown) | undefined
  readonly signal?: AbortSignal | undefined
}

/** What forwarding ends with. */
export type ForwardingLife = Pick<ClientLink, 'logger' | 'closed' | 'isClosed' | 'closedError'>

/** What forwarding needs of a connection. */
export interface ForwardingLink extends ForwardingLife, Pick<ClientLink, 'incoming'> {
  readonly peer: { readonly mux: Mux }
}

export class ForwardingScope {
  readonly life: ForwardingLife
  /** Sockets of this machine that tunnels lead to. */
  readonly sockets = new LingeringSockets()
  readonly #ended = new AbortController()
  readonly #listeners = new Set<Listener>()
  #keepsProcessAlive = true

  constructor(life: ForwardingLife) {
    this.life = life
    // One for each tunnel that is being opened.
    setMaxListeners(0, this.ended)
    const end = () => this.#end()
    life.closed.then(end, end)
  }

  /** Aborts when the connection is over. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** @throws ConnectionLost when the connection is over, or about to be */
  checkOpen(): void {
    if (this.life.isClosed) throw this.life.closedError()
  }

  /** From now on the listener closes with the connection, and when `signal` aborts. */
  keep(listener: Listener, signal: AbortSignal | undefined): Listener {
    const close = () => void listener.close()
    this.#listeners.add(listener)
    if (!this.#keepsProcessAlive) listener.unref()
    signal?.addEventListener('abort', close, { once: true })
    listener.closed.then(() => {
      this.#listeners.delete(listener)
      signal?.removeEventListener('abort', close)
    })
    if (signal?.aborted || this.life.isClosed) close()
    return listener
  }

  /** Whether listeners keep the process alive, those to come as well. */
  keepProcessAlive(keep: boolean): void {
    this.#keepsProcessAlive = keep
    for (const listener of this.#listeners) keep ? listener.ref() : listener.unref()
  }

  /** What to do with the failure of one connection, which is no failure of the others. */
  reporter({ onError }: ForwardOptions): (failure: unknown) => void {
    const { life } = this
    const failed = (error: unknown) =>
      life.logger?.warn?.({ layer: 'forwarding', event: 'callback-failed', callback: 'onError', error })
    return (failure) => {
      // That everything ended with the connection is told once, by the connection.
      if (life.isClosed) return
      const error = failure instanceof Error ? failure : new Error(String(failure))
      life.logger?.debug({ layer: 'forwarding', event: 'connection-failed', error })
      new Promise((resolve) => resolve(onError?.(error))).catch(failed)
    }
  }

  #end(): void {
    for (const listener of this.#listeners) void listener.close()
    this.#ended.abort(this.life.closedError())
    this.sockets.end()
  }
}
