/**
 * A key exchange algorithm is KEM-shaped arithmetic, ignorant of packets: one side initiates with a public value,
 * the other responds with its own, and both hold the same secret. Diffie-Hellman, elliptic curves and the hybrids
 * with a post-quantum KEM all fit. The rows themselves are in `kex-rows.ts`.
 */

import type { RandomSource } from '../random.js'
import type { AlgorithmRow } from '../registry.js'

/** Hash of a key exchange, by node:crypto's name. */
export type HashName = 'sha1' | 'sha256' | 'sha384' | 'sha512'

/** The client's half between its message and the server's answer. */
export interface KexInitiation {
  /** What the client sends. */
  readonly publicValue: Uint8Array
  /**
   * The shared secret from the server's public value. Call it once: the ephemeral key may be gone afterwards.
   * @throws CryptoError `ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE`
   */
  finish(serverPublicValue: Uint8Array): Uint8Array
}

/** The server's half: its public value, and the shared secret. */
export interface KexResponse {
  /** What the server sends. */
  readonly publicValue: Uint8Array
  /** Raw bytes; `secretEncoding` says how they enter the exchange hash. */
  readonly secret: Uint8Array
}

/** One key exchange algorithm. */
export interface KexAlgorithm extends AlgorithmRow {
  /** Document and section. */
  readonly source: string
  readonly hash: HashName
  /**
   * Whether servers leave it out unless asked: anyone can buy its milliseconds of the event loop with one cheap packet
   * (CVE-2002-20001). Clients need not care.
   */
  readonly isCostly?: boolean
  /** Whether public values travel as an mpint (RFC 4253 §8) or as a string (RFC 5656 §4 and what follows it). */
  readonly publicValueEncoding: 'mpint' | 'string'
  /** Whether the secret enters the exchange hash as an mpint or as a string (the hybrids: draft-ietf-sshm-mlkem-hybrid-kex). */
  readonly secretEncoding: 'mpint' | 'string'
  /**
   * The client's half.
   * @param random where the ephemeral key comes from; default the system's generator. Hand one in only to replay.
   */
  initiate(random?: RandomSource): KexInitiation
  /**
   * The server's half, in one step.
   * @param random as for `initiate`
   * @throws CryptoError `ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE`
   */
  respond(clientPublicValue: Uint8Array, random?: RandomSource): KexResponse
}
