/**
 * The SSH transport of one connection end, sans I/O: bytes in, payloads and events out (RFC 4253).
 * Knows neither users nor channels: those are what numbers 50 and up are for, and go to `onPayload`.
 */

import type { SshError } from '@ssh/wire'
import type { NegotiatedAlgorithms } from './negotiate.js'
import type { TransportHandlers, TransportOptions } from './transport-options.js'

export declare class Transport {
  /** @throws OptionsError when the identification, an algorithm name or the host keys cannot be used */
  constructor(options: TransportOptions, handlers: TransportHandlers)

  /** Queues the identification string and KEXINIT at once. */
  start(): void
  /** Bytes from the peer, in any chunks. The transport keeps the memory: do not write to it afterwards. */
  receive(bytes: Uint8Array): void
  /** The peer's byte stream ended. Before an orderly end this fails with ConnectionLost telling how far things were. */
  end(): void

  /** Whether `seal` may be called: keys are in use both ways and none are being exchanged from this side. */
  readonly isOpen: boolean
  /**
   * Sends one payload of number 50 or more, given in parts that are copied once, straight into the packet.
   * May begin a rekey: look at `isOpen` before each call.
   * @throws Error when not open: whoever sends must ask first
   */
  seal(parts: readonly Uint8Array[]): void
  /** Sends a transport message (disconnect excepted, see `disconnect`): ignore, debug, ping, unimplemented. */
  sendTransport(payload: Uint8Array): void
  /** Client: asks for a service (RFC 4253 §10); sent as soon as our keys are in use. Answer: `onService`. */
  requestService(name: string): void

  /** Bytes waiting in the output. */
  readonly outputLength: number
  /** Sealed packets in order, to be written to the socket. */
  takeOutput(): Uint8Array[]

  /** Whether input is only kept, not decoded: the driver should stop reading. */
  readonly isPaused: boolean
  /** Stops decoding after the current packet, until `resume`. For verdicts that take time. */
  pause(): void
  /** Goes on decoding; handlers are called from inside. */
  resume(): void

  /** Client: the host key is trusted. */
  acceptHostKey(): void
  /** Client: it is not; the connection fails with `error`. */
  rejectHostKey(error: SshError): void

  /** Changes keys as soon as possible; nothing happens while that is under way already. */
  rekey(): void
  /** Authentication is done. Server: right after sealing SUCCESS; client: from inside `onPayload` of SUCCESS. */
  setAuthenticated(): void

  /** When `tick` wants to be called next, on the clock's scale; undefined: not at all. */
  readonly nextDeadline: number | undefined
  /** Time has passed: starts a rekey that is due, or ends an exchange that takes too long. */
  tick(now: number): void

  /** Tells the peer goodbye and stops. No handler is called but `onOutput`. */
  disconnect(reasonCode: number, description: string): void
  /** Stops with `error`: tells the peer its `disconnectReason` if it has one, then `onError`. */
  fail(error: SshError): void
  /** Whether it has ended, for whichever reason. */
  readonly isClosed: boolean

  /** The peer's identification string without line end, control characters escaped; undefined until it came. */
  readonly remoteIdentification: string | undefined
  /** The exchange hash of the first key exchange; undefined before. */
  readonly sessionIdentifier: Uint8Array | undefined
  /** What is in use; undefined before the first keys. */
  readonly algorithms: NegotiatedAlgorithms | undefined
  /** Whether strict key exchange was agreed (OpenSSH PROTOCOL §1.10). */
  readonly isStrict: boolean
}
