/** A peer on its socket: what the connections of both roles have in common, and the promises of its life. */

import type { Duplex } from 'node:stream'
import { systemRandom } from '@ssh/crypto'
import { debug, disconnectReasons, SshError } from '@ssh/wire'
import { Incoming, type Refusal } from './connection/incoming.js'
import { Deferred } from './deferred.js'
import { monotonicClock } from './io/clock.js'
import { addressesOf, keepProcessAlive, type SocketAddresses } from './io/socket-address.js'
import { SocketDriver } from './io/socket-driver.js'
import type { LinkJournal } from './link-journal.js'
import { Peer } from './peer/peer.js'
import { connectionClosed } from './peer/peer-errors.js'
import type { PeerHandlers, PeerOptions } from './peer/peer-options.js'
import type { TransportOptions } from './transport/transport-options.js'

/** What a peer is told, but for time and chance, which a link brings along. */
export interface LinkOptions extends Omit<PeerOptions, 'transport'> {
  readonly transport: Omit<TransportOptions, 'clock' | 'random'>
  /** Told of what happens. Absent: nobody is. */
  readonly journal?: LinkJournal
}

/** What a link tells; channels and requests of the other end go to {@link PeerLink.incoming}. */
export type LinkHandlers = Omit<PeerHandlers, 'onWake' | 'onChannelOpen' | 'onGlobalRequest'>

export class PeerLink {
  readonly peer: Peer
  /** Who answers what the other end asks for. */
  readonly incoming: Incoming
  /** Kept, as a closed socket knows them no more. */
  readonly addresses: SocketAddresses
  /** Our identification string (RFC 4253 §4.2). */
  readonly localIdentification: string
  readonly #socket: Duplex
  readonly #driver: SocketDriver
  readonly #closed = new Deferred<void>()
  #rekeyed: Deferred<void> | undefined
  #endError: SshError | undefined

  /** @param unknown what is said to whoever asks for a channel that nobody answers */
  constructor(socket: Duplex, options: LinkOptions, handlers: LinkHandlers, unknown: Refusal) {
    this.#socket = socket
    this.incoming = new Incoming(unknown)
    this.addresses = addressesOf(socket)
    this.localIdentification = `SSH-2.0-${options.transport.identification}`
    const { journal } = options
    const transport = { ...options.transport, clock: monotonicClock, random: systemRandom }
    this.peer = new Peer(
      { ...options, transport },
      {
        ...handlers,
        onWake: () => this.#driver.wake(),
        onChannelOpen: (request) => this.incoming.channelRequested(request),
        onGlobalRequest: (request) => this.incoming.globallyRequested(request),
        onChannelOpening: (channelType) => journal?.channelOpening(channelType),
        onKeyExchange: () => journal?.kexBegins(),
        onKeysChanged: (change) => {
          journal?.keysChanged(change)
          handlers.onKeysChanged(change)
          this.#rekeyed?.resolve()
          this.#rekeyed = undefined
        },
        onEnd: (error) => {
          journal?.ended(error)
          this.#ended(error)
          handlers.onEnd(error)
        },
      },
    )
    this.#driver = new SocketDriver(socket, this.peer, monotonicClock)
  }

  /** Begins to read and to speak. */
  start(): void {
    this.peer.start()
    this.#driver.start()
  }

  /** Resolves when the connection ended as it should, rejects with what broke it. Never an unhandled rejection. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /** Whether the connection is over, or about to be. */
  get isClosed(): boolean {
    return this.peer.isClosing
  }

  /** What whoever comes too late is told. */
  closedError(): SshError {
    return connectionClosed(this.#endError)
  }

  /** Sends what can be sent, says goodbye and closes; resolves when the socket is closed. Never rejects. */
  async close(): Promise<void> {
    this.peer.close()
    await this.#finished()
  }

  /** Says goodbye with a reason of RFC 4253 §11.1 and closes at once; resolves when the socket is closed. Never rejects. */
  async disconnect(reasonCode: number, description: string): Promise<void> {
    this.peer.disconnect(reasonCode, description)
    await this.#finished()
  }

  /** Ends at once; whatever is open or pending fails with `reason`. */
  abort(reason: Error = connectionAborted()): void {
    this.peer.fail(SshError.isSshError(reason) ? reason : connectionAborted(reason))
  }

  /** As `abort`, and waits for nobody: the socket is closed when this returns. */
  destroy(reason: SshError): void {
    this.peer.fail(reason)
    this.#driver.destroy()
  }

  /** Changes keys (RFC 4253 §9); resolves once new ones are in use. */
  rekey(): Promise<void> {
    if (this.isClosed) return Promise.reject(this.closedError())
    this.#rekeyed ??= new Deferred()
    const { promise } = this.#rekeyed
    this.peer.rekey()
    return promise
  }

  /** Sends SSH_MSG_DEBUG (RFC 4253 §11.3); does nothing once the connection is over. */
  sendDebug(message: string, alwaysDisplay: boolean): void {
    this.peer.send(debug.encode({ alwaysDisplay, message, languageTag: '' }))
  }

  /** Whether the open connection keeps the process alive. */
  keepProcessAlive(keep: boolean): void {
    keepProcessAlive(this.#socket, keep)
  }

  /** Whoever waits for the end keeps the process alive until it comes, which is soon, also after {@link keepProcessAlive}. */
  async #finished(): Promise<void> {
    this.keepProcessAlive(true)
    await this.#driver.finished
  }

  #ended(error: SshError | undefined): void {
    this.#endError = error
    this.#rekeyed?.reject(this.closedError())
    if (error === undefined) this.#closed.resolve()
    else this.#closed.reject(error)
  }
}

function connectionAborted(cause?: Error): SshError {
  const why = cause === undefined ? '' : `: ${cause.message}`
  return new SshError('ERR_SSH_CONNECTION_ABORTED', `The connection was aborted${why}`, {
    ...(cause && { cause }),
    disconnectReason: disconnectReasons.byApplication,
  })
}
