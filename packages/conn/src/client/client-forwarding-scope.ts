/** What all forwarding of one connection shares: its end, and where failures of single connections go. */

import type { ByteChannel } from '@ssh/wire'
import type { Mux } from '../connection/mux.js'
import type { Listener } from '../forwarding/listener.js'
import type { ClientLink } from './client-link.js'

/** Where failures of single connections go. */
export interface ForwardOptions {
  readonly onError?: ((error: Error) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** What forwarding ends with. */
export type ForwardingLife = Pick<ClientLink, 'logger' | 'closed' | 'isClosed' | 'closedError'>

/** What forwarding needs of a connection. */
export interface ForwardingLink extends ForwardingLife, Pick<ClientLink, 'incoming'> {
  readonly peer: { readonly mux: Mux }
}

export class ForwardingScope {
  readonly link: ForwardingLife
  readonly #listeners = new Set<Listener>()
  /** What is under way and ends with the connection. A set, because one signal for all would warn of so many listeners. */
  readonly #underWay = new Set<(reason: Error) => void>()

  constructor(link: ForwardingLife) {
    this.link = link
    const end = () => this.#end()
    link.closed.then(end, end)
  }

  /** @throws ConnectionLost when the connection is over, or about to be */
  checkOpen(): void {
    if (this.link.isClosed) throw this.link.closedError()
  }

  /** From now on the listener closes with the connection, and when `signal` aborts. */
  keep(listener: Listener, signal: AbortSignal | undefined): Listener {
    const close = () => void listener.close()
    this.#listeners.add(listener)
    signal?.addEventListener('abort', close, { once: true })
    listener.closed.then(() => {
      this.#listeners.delete(listener)
      signal?.removeEventListener('abort', close)
    })
    if (signal?.aborted || this.link.isClosed) close()
    return listener
  }

  /** Ends `stream` with the connection, as long as `work` goes on. */
  during(stream: ByteChannel, work: Promise<void>): Promise<void> {
    return this.#until((reason) => stream.abort(reason), work)
  }

  /** Does something that takes a signal, and aborts that when the connection is over. */
  whileOpen<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const aborting = new AbortController()
    return this.#until((reason) => aborting.abort(reason), work(aborting.signal))
  }

  async #until<T>(abort: (reason: Error) => void, work: Promise<T>): Promise<T> {
    this.#underWay.add(abort)
    try {
      return await work
    } finally {
      this.#underWay.delete(abort)
    }
  }

  /** What to do with the failure of one connection, which is no failure of the others. */
  reporter({ onError }: ForwardOptions): (failure: unknown) => void {
    const { link } = this
    return (failure) => {
      // That everything ended with the connection is told once, by the connection.
      if (link.isClosed) return
      const error = failure instanceof Error ? failure : new Error(String(failure))
      link.logger?.debug({ layer: 'forwarding', event: 'connection-failed', error })
      try {
        onError?.(error)
      } catch (thrown) {
        link.logger?.warn?.({ layer: 'forwarding', event: 'callback-failed', callback: 'onError', error: thrown })
      }
    }
  }

  #end(): void {
    for (const listener of this.#listeners) void listener.close()
    for (const abort of this.#underWay) abort(this.link.closedError())
  }
}
