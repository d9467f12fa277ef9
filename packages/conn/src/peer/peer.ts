/**
 * One end of a connection, still sans I/O: routes payloads between transport, authentication and connection layer,
 * and is the only place that seals. It looks at the first byte of a payload and at no field of any message.
 *
 * Bytes go in by `receive`, come out by `takeOutput`; time goes in by `tick`. Everything that leaves passes the one
 * pull point in `takeOutput`, where key exchange, socket pressure and fairness between channels meet.
 *
 * Over 300 lines, as it is where the rooms meet that know nothing of each other.
 */

import { disconnectReasons, type SshError, services } from '@ssh/wire'
import { Mux } from '../connection/mux.js'
import type { DisconnectError } from '../errors.js'
import { giveBackSlab } from '../transport/slab-pool.js'
import { Transport } from '../transport/transport.js'
import { asSshError } from '../transport/transport-errors.js'
import type { KeysChanged } from '../transport/transport-options.js'
import { Keepalive, type KeepaliveLimits } from './keepalive.js'
import { Outbox } from './outbox.js'
import {
  connectionBroke,
  connectionClosed,
  connectionIdle,
  loginTimeout,
  outputFlood,
  peerSilent,
  verdictTimeout,
} from './peer-errors.js'
import type { AuthHalf, PeerHandlers, PeerOptions } from './peer-options.js'

/** First message number of the connection protocol (RFC 4251 §7); below it are authentication's. */
const firstConnectionMessage = 80

/** How long a closing side waits for the other to take anything at all. */
const closeTimeoutMs = 30_000

/** Bytes that are read and kept undecoded while a verdict is pending. */
const heldInputLength = 64 * 1024

/** Output that waits in the transport above which reading stops: what is read might only make it more. */
const outputPressureLength = 1024 * 1024

/** How long a verdict about a host key that changed at a rekey may take. */
const verdictTimeoutMs = 120_000

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
  /** When closing counts as hopeless; undefined while nobody closes. */
  #closeDeadline: number | undefined
  #verdictDeadline: number | undefined
  #hasEnded = false
  #authenticatedAt: number | undefined

  /** @throws OptionsError when the transport's options cannot be used */
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
        send: (payload) => this.send(payload),
        wake: () => handlers.onWake(),
      },
      {
        onChannelOpen: (request) => handlers.onChannelOpen(request),
        onGlobalRequest: (request) => handlers.onGlobalRequest(request),
        onOpening: (channelType) => handlers.onChannelOpening?.(channelType),
      },
    )
    this.transport = new Transport(options.transport, {
      onPayload: (payload) => this.#route(payload),
      onOutput: () => handlers.onWake(),
      onOpen: () => handlers.onWake(),
      onHostKey: (offer) => {
        // Before the login, the login's own limit holds.
        if (this.isAuthenticated) this.#verdictDeadline = this.#clock() + verdictTimeoutMs
        handlers.onHostKey(offer)
      },
      onKeyExchange: () => handlers.onKeyExchange?.(),
      onKeysChanged: (change) => this.#keysChanged(change),
      onService: () => this.#serviceStarted(),
      onExtensionInfo: (extensions) => handlers.onExtensionInfo(extensions),
      onDebug: (message, alwaysDisplay) => handlers.onDebug(message, alwaysDisplay),
      onDisconnected: (error) => this.#disconnected(error),
      onError: (error) => this.#end(error),
    })
  }

  /** Begins to speak. */
  start(): void {
    if (!this.#hasEnded) this.transport.start()
  }

  get isAuthenticated(): boolean {
    return this.#authState === 'done'
  }

  /** Whether reading should stop for now. */
  get isPaused(): boolean {
    const { isPaused, isOpen, bufferedInput, outputLength } = this.transport
    // A little is read even while a verdict is pending, or nobody would notice that the other end has left.
    if (isPaused) return bufferedInput >= heldInputLength
    // While keys change the outbox waits for the peer's answer, so reading must go on however full it is.
    return isOpen && (this.#outbox.isUnderPressure || outputLength >= outputPressureLength)
  }

  /** Whether the connection is over; `takeOutput` may still have something to send. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Whether the connection is over or about to be, so that nothing new should begin. */
  get isClosing(): boolean {
    return this.#hasEnded || this.#closeDeadline !== undefined
  }

  /** Bytes from the other end. */
  receive(bytes: Uint8Array): void {
    if (this.#hasEnded) return
    this.#keepalive.heard(this.#clock())
    this.transport.receive(bytes)
  }

  /** The byte stream is over. */
  connectionEnded(cause?: Error): void {
    // Whoever says goodbye need not wait for an answer: while we close, any end is a good end.
    if (this.isClosing) this.#end(undefined)
    else if (cause === undefined) this.transport.end()
    else this.#end(connectionBroke(cause, this.isAuthenticated ? 'authenticated' : 'login'))
  }

  /**
   * Sealed packets to send now, about `maximumLength` bytes at most: what the transport has to say, then control
   * messages, then data of the channels in turn.
   */
  takeOutput(maximumLength: number): readonly Uint8Array[] {
    const { transport } = this
    try {
      let hasMore = true
      while (hasMore && transport.isOpen && transport.outputLength < maximumLength) hasMore = this.#sendNext()
      // Only once all the rest is out, so that a goodbye never waits behind what a slow peer takes long to read.
      if (this.#closeDeadline !== undefined && transport.isOpen && transport.outputLength === 0) this.disconnect()
    } catch (error) {
      this.fail(asSshError(error))
    }
    const output = transport.takeOutput()
    if (output.length > 0 && this.#closeDeadline !== undefined) this.#closeDeadline = this.#clock() + closeTimeoutMs
    return output
  }

  /** A chunk of output has been written, and nobody reads from its memory any more. */
  giveBack(chunk: Uint8Array): void {
    giveBackSlab(chunk)
  }

  nextDeadline(): number | undefined {
    if (this.#hasEnded) return undefined
    const deadlines = [
      this.transport.nextDeadline,
      this.#authState === 'done' ? this.#keepalive.nextDeadline : this.#loginDeadline,
      this.#closeDeadline,
      this.#verdictDeadline,
      this.#idleDeadline,
    ].filter((deadline) => deadline !== undefined)
    return deadlines.length === 0 ? undefined : Math.min(...deadlines)
  }

  tick(now: number): void {
    if (this.#hasEnded) return
    this.transport.tick(now)
    if (this.#closeDeadline !== undefined && now >= this.#closeDeadline) this.disconnect()
    else if (this.#verdictDeadline !== undefined && now >= this.#verdictDeadline)
      this.fail(verdictTimeout(verdictTimeoutMs))
    else if (this.#idleDeadline !== undefined && now >= this.#idleDeadline) this.#endIdle()
    else if (this.#authState === 'done') this.#checkKeepalive(now)
    else if (this.#loginDeadline !== undefined && now >= this.#loginDeadline)
      this.fail(loginTimeout(this.#options.loginTimeoutMs, this.#loginPhase))
  }

  /** Keeps what arrives, undecoded, until `resume`: for verdicts that take time. */
  pause(): void {
    this.transport.pause()
    this.#handlers.onWake()
  }

  resume(): void {
    this.transport.resume()
    this.#handlers.onWake()
  }

  /** Client: the host key may be believed. */
  acceptHostKey(): void {
    if (this.#hasEnded) return
    this.#verdictDeadline = undefined
    this.transport.acceptHostKey()
    this.#handlers.onWake()
  }

  /** Changes keys; does nothing while that is under way. */
  rekey(): void {
    if (!this.#hasEnded) this.transport.rekey()
  }

  /** Sends one whole payload, once what waits before it is sent and keys allow it. */
  send(payload: Uint8Array): void {
    if (this.#hasEnded) return
    this.#outbox.add(payload)
    if (this.#outbox.isFlooded) this.fail(outputFlood())
    this.#handlers.onWake()
  }

  setKeepalive(limits: KeepaliveLimits): void {
    this.#keepalive.configure(limits, this.#clock())
    this.#handlers.onWake()
  }

  get keepaliveLimits(): KeepaliveLimits {
    return this.#keepalive.limits
  }

  /**
   * Sends what was written, then says goodbye and ends. What waits for window of the other end is dropped, and writers
   * are not told of room any more, or they might never let it end.
   */
  close(): void {
    if (this.isClosing) return
    if (this.#authState !== 'done') return this.disconnect()
    this.#closeDeadline = this.#clock() + closeTimeoutMs
    this.mux.stopAsking()
    this.#handlers.onWake()
  }

  /** Says goodbye and ends at once; what was not sent is dropped. */
  disconnect(reasonCode: number = disconnectReasons.byApplication, description = ''): void {
    if (this.#hasEnded) return
    this.transport.disconnect(reasonCode, description)
    this.#end(undefined)
  }

  /** Ends with an error, telling the peer its reason, or else that this side wants it so. */
  fail(error: SshError): void {
    if (this.#hasEnded) return
    if (error.disconnectReason !== undefined) return this.transport.fail(error)
    this.transport.disconnect(disconnectReasons.byApplication, '')
    this.#end(error)
  }

  /** Seals the next message; false when there is none. */
  #sendNext(): boolean {
    const payload = this.#outbox.take()
    if (payload !== undefined) {
      this.transport.seal([payload])
      // From the moment the client can know, its requests are legal.
      if (this.#authState === 'sending-success' && this.#outbox.isEmpty) this.#authenticated()
      return true
    }
    return this.#authState === 'done' && this.mux.pull((parts) => this.transport.seal(parts))
  }

  #route(payload: Uint8Array): void {
    const number = payload[0] ?? 0
    if (number >= firstConnectionMessage) {
      // Numbers that the connection protocol does not define were answered by the transport.
      this.mux.receive(payload)
    } else if (this.#authState === 'pending') {
      // After the login, requests to log in are ignored (RFC 4252 §5.3).
      this.#auth?.receive(payload)
      if (this.#auth?.isBusy) this.pause()
    }
  }

  #keysChanged(change: KeysChanged): void {
    this.#handlers.onKeysChanged(change)
    if (!change.isFirst || this.#options.transport.role !== 'client') return
    this.transport.requestService(services.userauth)
    // The first request follows the service request at once: a server reads them in order, and a round trip is saved.
    this.#startAuth(change.sessionIdentifier)
  }

  #serviceStarted(): void {
    const { sessionIdentifier } = this.transport
    if (this.#options.transport.role === 'server' && sessionIdentifier !== undefined) this.#startAuth(sessionIdentifier)
  }

  #startAuth(sessionIdentifier: Uint8Array): void {
    const auth = this.#handlers.createAuth({
      sessionIdentifier,
      send: (payload) => this.send(payload),
      ready: () => this.resume(),
      succeeded: () => {
        if (this.#options.transport.role === 'client') this.#authenticated()
        else this.#authState = 'sending-success'
      },
      failed: (error) => this.fail(error),
    })
    if (this.#hasEnded) auth.close()
    else this.#auth = auth
  }

  #authenticated(): void {
    this.#authState = 'done'
    this.#authenticatedAt = this.#clock()
    this.#auth?.close()
    this.#auth = undefined
    this.transport.setAuthenticated()
    this.#keepalive.excuse(this.#clock())
    this.#handlers.onAuthenticated()
    this.#handlers.onWake()
  }

  get #idleDeadline(): number | undefined {
    const { idleTimeoutMs = 0 } = this.#options
    const { idleSinceMs } = this.mux
    if (idleTimeoutMs === 0 || idleSinceMs === undefined || this.#authenticatedAt === undefined) return undefined
    return Math.max(idleSinceMs, this.#authenticatedAt) + idleTimeoutMs
  }

  /** Unlike other errors of this side, this one is told to whoever is at the other end. */
  #endIdle(): void {
    const error = connectionIdle(this.#options.idleTimeoutMs ?? 0)
    this.transport.disconnect(disconnectReasons.byApplication, error.message)
    this.#end(error)
  }

  #checkKeepalive(now: number): void {
    // An exchange has a limit of its own, and until it is done nothing else may be sent.
    if (!this.transport.isOpen) return this.#keepalive.excuse(now)
    switch (this.#keepalive.check(now)) {
      case 'ask':
        // Any answer will do, and a refusal is one.
        this.mux.globalRequest('keepalive@openssh.com', new Uint8Array(0), () => {})
        break
      case 'lost':
        this.fail(peerSilent(this.#keepalive.limits))
    }
  }

  get #loginPhase(): string {
    if (this.transport.remoteIdentification === undefined) return 'any sign that the peer speaks SSH'
    if (this.#auth !== undefined) return 'authentication'
    return this.transport.isPaused ? 'a verdict of this side' : 'the key exchange'
  }

  #disconnected(error: DisconnectError): void {
    // Once logged in, "by application" is how an orderly end is said; what is pending still hears the words.
    const isOrderly = this.isAuthenticated && error.reasonCode === disconnectReasons.byApplication
    this.#end(isOrderly || this.isClosing ? undefined : error, error)
  }

  /** @param reason what to tell whatever is pending */
  #end(error: SshError | undefined, reason: SshError = error ?? connectionClosed()): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#outbox.clear()
    this.#auth?.close()
    try {
      this.mux.end(reason)
    } finally {
      this.#handlers.onEnd(error)
      this.#handlers.onWake()
    }
  }
}
