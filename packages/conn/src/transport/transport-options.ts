/** What a transport is told when it is made, and what it tells while it runs. */

import type { PrivateKey, PublicKey, RandomSource } from '@ssh/crypto'
import type { SshError } from '@ssh/wire'
import type { DisconnectError } from '../errors.js'
import type { NegotiatedAlgorithms } from './negotiate.js'
import type { Role } from './role.js'

/** Names to offer, best first, of each kind that is negotiated (RFC 4253 §7.1). */
export interface AlgorithmPreferences {
  readonly kex: readonly string[]
  readonly serverHostKey: readonly string[]
  /** Both directions. */
  readonly encryption: readonly string[]
  /** Both directions; not used with an AEAD cipher. */
  readonly mac: readonly string[]
  /** Both directions. */
  readonly compression: readonly string[]
}

/** When keys are changed; whichever comes first, in either direction. A cipher's own limit is always kept as well. */
export interface RekeyLimits {
  /** Bytes on the wire in one direction; default 1 GiB. */
  readonly bytes: number
  /** Age of the keys in milliseconds; default one hour; `Infinity` turns it off. */
  readonly intervalMs: number
  /** Packets in one direction; default 2^31 (RFC 4344 §3.1). */
  readonly packets: number
}

/** Bounds on what a peer may make this side hold or do. Crossing one ends the connection. */
export interface TransportLimits {
  /** Largest packet_length, and largest payload after decompression; default 256 KiB. */
  readonly packetLength: number
  /** Bytes a peer may send before it is authenticated; default 1 MiB. */
  readonly preAuthBytes: number
  /** Packets a peer may send before it is authenticated; default 1000. */
  readonly preAuthPackets: number
  /** Key exchanges, after the first, that a peer may begin before it is authenticated; default 32. */
  readonly preAuthRekeys: number
  /** Time for one key exchange, not counting the wait for a host key verdict; default 60 000. */
  readonly kexTimeoutMs: number
  /** Bytes kept while paused; default 4 MiB. A driver that stops reading when `isPaused` is far from it. */
  readonly pausedInputBytes: number
  /** Output waiting to be taken above which free replies (PONG, UNIMPLEMENTED) are dropped; default 256 KiB. */
  readonly replyBacklogBytes: number
  /** Key exchanges a peer may begin within one minute; default 1200. */
  readonly peerRekeysPerMinute: number
}

export interface TransportOptions {
  readonly role: Role
  /** softwareversion, and after a space comments, of our identification string: `SshSdk_0.1.0` (RFC 4253 §4.2). */
  readonly identification: string
  readonly algorithms: AlgorithmPreferences
  /** Server: keys to prove the host with, certificates included; at least one. Offered names follow from them. */
  readonly hostKeys?: readonly HostKey[]
  /** Server: signature algorithms accepted from users, announced as server-sig-algs (RFC 8308 §3.1). */
  readonly serverSigAlgs?: readonly string[]
  readonly rekey?: Partial<RekeyLimits>
  readonly limits?: Partial<TransportLimits>
  /** Monotonic milliseconds. */
  readonly clock: () => number
  readonly random: RandomSource
}

/** What a server proves itself with: a {@link PrivateKey}, or one whose `publicKey` is a certificate for it. */
export type HostKey = Pick<PrivateKey, 'publicKey' | 'signatureAlgorithms' | 'sign'>

/** The key a server showed. Its signature over this exchange has been verified; whether it is trusted has not. */
export interface HostKeyOffer {
  readonly key: PublicKey
  /** Public key blob (RFC 4253 §6.6), certificates as sent. */
  readonly blob: Uint8Array
  /** Negotiated name, for instance `rsa-sha2-512`. */
  readonly algorithm: string
  /** `SHA256:…` */
  readonly fingerprint: string
}

/** New keys are in use in both directions. */
export interface KeysChanged {
  readonly algorithms: NegotiatedAlgorithms
  /** Exchange hash of the first key exchange, for ever (RFC 4253 §7.2). */
  readonly sessionIdentifier: Uint8Array
  /** Blob of the host key that signed this exchange. */
  readonly hostKeyBlob: Uint8Array
  readonly isFirst: boolean
}

/**
 * Called synchronously from inside `receive`, `resume`, `acceptHostKey`, `tick` and the sending methods.
 * An SshError thrown from a handler ends the connection with that error's disconnect reason.
 */
export interface TransportHandlers {
  /** A payload of number 50 to 127 that is legal now. The memory is the receiver's to keep. */
  onPayload(payload: Uint8Array): void
  /** There is output to take; not repeated until `takeOutput` has been called. */
  onOutput(): void
  /**
   * Client: the server showed its key. Paused until `acceptHostKey` or `rejectHostKey`, which may be called from
   * inside. Not asked again at a rekey with the same key.
   */
  onHostKey(offer: HostKeyOffer): void
  /** A key exchange begins, whichever side wanted it. */
  onKeyExchange?(): void
  /** Keys are in use both ways; with `isFirst`, authentication may begin. */
  onKeysChanged(change: KeysChanged): void
  /** `isOpen` became true, for the first time or after a rekey. */
  onOpen(): void
  /** Client: the server started the service. Server: the client asked for the service and it was accepted. */
  onService(name: string): void
  /** The peer's EXT_INFO (RFC 8308): extension name → value. */
  onExtensionInfo?(extensions: ReadonlyMap<string, Uint8Array>): void
  /** The peer's debug text, unfiltered. */
  onDebug?(message: string, alwaysDisplay: boolean): void
  /** The answer to a `ping` sent with `sendTransport`. */
  onPong?(data: Uint8Array): void
  /** The peer does not know the message it received with this sequence number. */
  onUnimplemented?(packetSequenceNumber: number): void
  /** The peer ended the connection. Nothing is called afterwards. */
  onDisconnected(error: DisconnectError): void
  /**
   * The connection failed; the DISCONNECT that tells the peer, if there is anything to tell, is in the output.
   * Nothing is called afterwards. Exactly one of `onDisconnected` and `onError` is called, once, unless this side
   * called `disconnect`.
   */
  onError(error: SshError): void
}

export const defaultRekeyLimits: RekeyLimits = { bytes: 2 ** 30, intervalMs: 3_600_000, packets: 2 ** 31 }

export const defaultTransportLimits: TransportLimits = {
  packetLength: 256 * 1024,
  preAuthBytes: 1024 * 1024,
  preAuthPackets: 1000,
  preAuthRekeys: 32,
  kexTimeoutMs: 60_000,
  pausedInputBytes: 4 * 1024 * 1024,
  replyBacklogBytes: 256 * 1024,
  peerRekeysPerMinute: 1200,
}
