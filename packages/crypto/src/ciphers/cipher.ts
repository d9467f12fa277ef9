/** What a cipher row must say. The rows themselves are in `cipher-rows.ts`. */

import type { PacketOpener, PacketSealer } from './packet-cipher.js'

/** Where an algorithm stands: offered by default, available when asked for by name, or only for old peers. */
export type AlgorithmStatus = 'default' | 'supported' | 'legacy'

/** The MAC half of a packet cipher, keyed for one direction (RFC 4253 §6.4). */
export interface KeyedMac {
  readonly length: number
  /** Whether the MAC covers the ciphertext and the length stays in clear (OpenSSH PROTOCOL §1.5). */
  readonly isEncryptThenMac: boolean
  /** MAC over the sequence number and the parts; `length` bytes. */
  compute(sequenceNumber: number, ...parts: Uint8Array[]): Buffer
}

/** One cipher. */
export interface CipherAlgorithm {
  readonly name: string
  readonly status: AlgorithmStatus
  /** Document and section. */
  readonly source: string
  /** Bytes of key to derive. */
  readonly keyLength: number
  /** Bytes of initial IV to derive. */
  readonly ivLength: number
  /** Multiple that packets are padded to; at least 8. */
  readonly blockSize: number
  /** True when the cipher authenticates by itself and no MAC is negotiated. */
  readonly isAead: boolean
  /** Bytes after which keys must be changed for this cipher's sake (RFC 4344 §3.2). */
  readonly rekeyAfterBytes: number
  /** Whether this runtime's crypto has the primitives; absent: every runtime has. Cheap, and asked only on first use. */
  isAvailable?(): boolean
  /**
   * Key and IV are copied: the caller may wipe them afterwards.
   * @param mac absent exactly when `isAead`
   */
  createSealer(key: Uint8Array, iv: Uint8Array, mac?: KeyedMac): PacketSealer
  /** @param mac absent exactly when `isAead` */
  createOpener(key: Uint8Array, iv: Uint8Array, mac?: KeyedMac): PacketOpener
}
