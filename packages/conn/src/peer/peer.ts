/**
 * One end of a connection, still sans I/O: routes payloads between transport, authentication and connection layer,
 * and is the only place that seals. It looks at the first byte of a payload and at no field of any message.
 *
 * Bytes go in by `receive`, come out by `takeOutput`; time goes in by `tick`. Everything that leaves passes the one
 * pull point in `takeOutput`, where key exchange, socket pressure and fairness between channels meet.
 */

import { disconnectReasons, SshError } from '@ssh/wire'
import type { ChannelOpenRequest } from '../connection/channel-open.js'
import type { GlobalRequest } from '../connection/global-requests.js'
import type { MuxLimits } from '../connection/limits.js'
import { Mux } from '../connection/mux.js'
import { ConnectionLost, TimeoutError } from '../errors.js'
import { Transport } from '../transport/transport.js'
import type { HostKeyOffer, KeysChanged, TransportOptions } from '../transport/transport-options.js'
import { Keepalive, type KeepaliveLimits } from './keepalive.js'
import { Outbox } from './outbox.js'

/** First message number of the connection protocol (RFC 4251 §7); below it are authentication's. */
const firstConnectionMessage = 80

/** Authentication as the peer sees it, whichever role it plays. */
export interface AuthHalf {
  /** One payload of number 50 to 79. */
  receive(payload: Uint8Array): void
  /** Whether nothing may be passed to `receive` until `PeerAuth.ready` is called. */
  readonly isBusy?: boolean
  close(): void
}

/** What authentication tells its peer. */
export interface PeerAuth {
  readonly sessionIdentifier: Uint8Array
  send(payload: Uint8Array): void
  /** `receive` may be called again. */
  ready(): void
  succeeded(): void
  failed(error: SshError): void
}

export interface PeerOptions {
  readonly transport: TransportOptions
  readonly limits?: Partial<MuxLimits>
  readonly keepalive: KeepaliveLimits
  /** From `start` to the end of authentication, in milliseconds; 0: no limit. */
  readonly loginTimeoutMs: number
}

export interface PeerHandlers {
  /** There may be output, a new deadline or a pause. Called often; must be cheap. */
  onWake(): void
  /** Client: see {@link TransportHandlers.onHostKey}; answer with `acceptHostKey` or `fail`. */
  onHostKey(offer: HostKeyOffer): void
  /** The first keys are in use: here is the way to authenticate. */
  createAuth(auth: PeerAuth): AuthHalf
  onExtensionInfo(extensions: ReadonlyMap<string, Uint8Array>): void
  onKeysChanged(change: KeysChanged): void
  onDebug(message: string, alwaysDisplay: boolean): void
  onAuthenticated(): void
  onChannelOpen(request: ChannelOpenRequest): void
  onGlobalRequest(request: GlobalRequest): void
  /** The connection is over; nothing is called afterwards. No error: this side closed it. */
  onEnd(error: SshError | undefined): void
}

export class Peer {
  readonly transport: Transport
  readonly mux: Mux
  readonly #options: PeerOptions
  readonly #handlers: PeerHandlers
  readonly #clock: () => number
  readonly #outbox = new Outbox()
  readonly #keepalive: Keepalive
  readonly #loginDeadline: number | undefined
  #auth: AuthHalf | undefined
  /** `sending-success`: a server's USERAUTH_SUCCESS is still in the outbox. */
  #authState: 'pending' | 'sending-success' | 'done' = 'pending'
  #isClosing = false
  #hasEnded = false

  constructor(options: PeerOptions, handlers: PeerHandlers) {
    this.#options = options
    this.#handlers = handlers
    this.#clock = options.transport.clock
    const now = this.#clock()
    this.#keepalive = new Keepalive(options.keepalive, now)
    this.#loginDeadline = options.loginTimeoutMs === 0 ? undefined : now + options.loginTimeoutMs
    this.mux = new Mux(
      {
        limits: options.limits ?? {},
        clock: this.#clock,
        send: (payload) => this.#send(payload),
        wake: () => handlers.onWake(),
      },
      {
        onChannelOpen: (request) => handlers.onChannelOpen(request),
        onGlobalRequest: (request) => handlers.onGlobalRequest(request),
      },
    )
    this.transport = new Transport(options.transport, {
      onPayload: (payload) => this.#route(payload),
      onOutput: () => handlers.onWake(),
      onOpen: () => handlers.onWake(),
      onHostKey: (offer) => handlers.onHostKey(offer),
      onKeysChanged: (change) => this.#keysChanged(change),
      onService: (name) => this.#serviceStarted(name),
      onExtensionInfo: (extensions) => handlers.onExtensionInfo(extensions),
      onDebug: (message, alwaysDisplay) => handlers.onDebug(message, alwaysDisplay),
      onDisconnected: (error) => this.#end(error),
      onError: (error) => this.#end(error),
    })
  }

  /** Begins to speak. */
  start(): void {
    this.transport.start()
  }

  get isAuthenticated(): boolean {
    return this.#authState === 'done'
  }

  /** Whether reading should stop for now. */
  get isPaused(): boolean {
    // While keys change the outbox waits for the peer's answer, so reading must go on however full it is.
    return this.transport.isPaused || (this.transport.isOpen && this.#outbox.isUnderPressure)
  }

  /** Whether nothing more will be sent than what `takeOutput` still gives. */
  get isFinished(): boolean {
    return this.#hasEnded && this.transport.outputLength === 0
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Bytes from the other end. */
  receive(bytes: Uint8Array): void {
    if (this.#hasEnded) return
    this.#keepalive.heard(this.#clock())
    this.transport.receive(bytes)
  }

  /** The byte stream is over. */
  connectionEnded(cause?: Error): void {
    if (this.#hasEnded) return
    if (cause === undefined) {
      this.transport.end()
      this.#end(undefined)
    } else {
      this.#end(
        new ConnectionLost('ERR_SSH_CONNECTION_LOST', `The connection broke: ${cause.message}`, {
          cause,
          details: { phase: this.isAuthenticated ? 'authenticated' : 'login' },
        }),
      )
    }
  }

  /**
   * Sealed packets to send now, about `maximumLength` bytes at most: what the transport has to say, then control
   * messages, then data of the channels in turn.
   */
  takeOutput(maximumLength: number): readonly Uint8Array[] {
    const { transport, mux } = this
    try {
      while (!this.#hasEnded && transport.isOpen && transport.outputLength < maximumLength) {
        const payload = this.#outbox.take()
        if (payload !== undefined) {
          transport.seal([payload])
          continue
        }
        if (this.#authState === 'sending-success') this.#authenticated()
        if (this.#authState === 'done' && mux.pull((parts) => transport.seal(parts))) continue
        if (this.#isClosing) this.disconnect()
        break
      }
    } catch (error) {
      this.#failWith(error)
    }
    return transport.takeOutput()
  }

  nextDeadline(): number | undefined {
    if (this.#hasEnded) return undefined
    return earliest(
      this.transport.nextDeadline,
      this.#authState === 'done' ? this.#keepalive.nextDeadline : this.#loginDeadline,
    )
  }

  tick(now: number): void {
    if (this.#hasEnded) return
    this.transport.tick(now)
    if (this.#authState === 'done') this.#checkKeepalive(now)
    else if (this.#loginDeadline !== undefined && now >= this.#loginDeadline) this.fail(this.#loginTimeout())
  }

  /** Client: the host key may be believed. */
  acceptHostKey(): void {
    if (!this.#hasEnded) this.transport.acceptHostKey()
  }

  setKeepalive(limits: KeepaliveLimits): void {
    this.#keepalive.configure(limits, this.#clock())
    this.#handlers.onWake()
  }

  get keepaliveLimits(): KeepaliveLimits {
    return this.#keepalive.limits
  }

  /** Sends what can be sent, then says goodbye and ends. What waits for window of the other end is dropped. */
  close(): void {
    if (this.#hasEnded) return
    this.#isClosing = true
    if (this.#authState !== 'done') this.disconnect()
    this.#handlers.onWake()
  }

  /** Says goodbye and ends at once; what was not sent is dropped. */
  disconnect(reasonCode: number = disconnectReasons.byApplication, description = ''): void {
    if (this.#hasEnded) return
    this.transport.disconnect(reasonCode, description)
    this.#end(undefined)
  }

  /** Ends with an error, telling the peer its reason. */
  fail(error: SshError): void {
    if (!this.#hasEnded) this.transport.fail(error)
  }

  #send(payload: Uint8Array): void {
    if (this.#hasEnded) return
    this.#outbox.add(payload)
    this.#handlers.onWake()
  }

  #route(payload: Uint8Array): void {
    const number = payload[0] ?? 0
    if (number >= firstConnectionMessage) return void this.mux.receive(payload)
    // After the login, requests to log in are ignored (RFC 4252 §5.3).
    if (this.#auth === undefined || this.#authState !== 'pending') return
    this.#auth.receive(payload)
    if (this.#auth?.isBusy) this.transport.pause()
  }

  #keysChanged(change: KeysChanged): void {
    this.#handlers.onKeysChanged(change)
    if (!change.isFirst || this.#options.transport.role !== 'client') return
    this.transport.requestService('ssh-userauth')
    // The first request follows the service request at once: a server reads them in order, and a round trip is saved.
    this.#startAuth(change.sessionIdentifier)
  }

  #serviceStarted(_name: string): void {
    const { sessionIdentifier } = this.transport
    if (this.#options.transport.role === 'server' && this.#auth === undefined && sessionIdentifier !== undefined) {
      this.#startAuth(sessionIdentifier)
    }
  }

  #startAuth(sessionIdentifier: Uint8Array): void {
    this.#auth = this.#handlers.createAuth({
      sessionIdentifier,
      send: (payload) => this.#send(payload),
      ready: () => this.transport.resume(),
      succeeded: () => {
        if (this.#options.transport.role === 'client') this.#authenticated()
        else this.#authState = 'sending-success'
      },
      failed: (error) => this.fail(error),
    })
  }

  #authenticated(): void {
    this.#authState = 'done'
    this.#auth?.close()
    this.#auth = undefined
    this.transport.setAuthenticated()
    this.#keepalive.heard(this.#clock())
    this.#handlers.onAuthenticated()
    this.#handlers.onWake()
  }

  #checkKeepalive(now: number): void {
    // An exchange has a limit of its own, and until it is done nothing else may be sent.
    if (!this.transport.isOpen) return this.#keepalive.heard(now)
    switch (this.#keepalive.check(now)) {
      case 'ask':
        // Any answer will do, and a refusal is one.
        this.mux.globalRequest('keepalive@openssh.com', new Uint8Array(0), () => {})
        break
      case 'lost': {
        const { intervalMs, countMax } = this.#keepalive.limits
        this.fail(
          new ConnectionLost(
            'ERR_SSH_CONNECTION_TIMEOUT',
            `The peer answered none of ${countMax} keepalives sent every ${intervalMs} ms; the connection counts as lost`,
            { details: { intervalMs, countMax } },
          ),
        )
      }
    }
  }

  #loginTimeout(): TimeoutError {
    const { loginTimeoutMs } = this.#options
    return new TimeoutError('ERR_SSH_LOGIN_TIMEOUT', `Key exchange and login took longer than ${loginTimeoutMs} ms`, {
      details: { timeoutMs: loginTimeoutMs },
      disconnectReason: disconnectReasons.byApplication,
    })
  }

  #failWith(error: unknown): void {
    this.fail(
      SshError.isSshError(error)
        ? error
        : new SshError('ERR_SSH_INTERNAL', 'An unexpected error inside the connection', { cause: error }),
    )
  }

  #end(error: SshError | undefined): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#outbox.clear()
    this.#auth?.close()
    this.mux.end(error ?? new ConnectionLost('ERR_SSH_CONNECTION_CLOSED', 'The connection is closed'))
    this.#handlers.onEnd(error)
    this.#handlers.onWake()
  }
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Math.min(a, b)
}
