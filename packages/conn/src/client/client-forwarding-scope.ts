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

/** What forwarding needs of a connection. */
export interface ForwardingLink
  extends Pick<ClientLink, 'incoming' | 'logger' | 'closed' | 'isClosed' | 'closedError'> {
  readonly peer: { readonly mux: Mux }
}

export class ForwardingScope {
  readonly link: ForwardingLink
  readonly #listeners = new Set<Listener>()
  readonly #ended = new AbortController()

  constructor(link: ForwardingLink) {
    this.link = link
    const end = () => this.#end()
    link.closed.then(end, end)
  }

  /** Aborts when the connection is over; its reason is why. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** @throws ConnectionLost when the connection is over, or about to be */
  checkOpen(): void {
    if (this.link.isClosed || this.ended.aborted) throw this.link.closedError()
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
    if (signal?.aborted || this.ended.aborted) close()
    return listener
  }

  /** Ends `stream` with the connection, as long as `work` goes on. */
  async during(stream: ByteChannel, work: Promise<void>): Promise<void> {
    const abort = () => stream.abort(this.link.closedError())
    this.ended.addEventListener('abort', abort, { once: true })
    if (this.ended.aborted) abort()
    try {
      await work
    } finally {
      this.ended.removeEventListener('abort', abort)
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
    this.#ended.abort(this.link.closedError())
    for (const listener of this.#listeners) void listener.close()
  }
}
