/** What a MAC row must say. The rows themselves are in `mac-rows.ts`. */

import type { AlgorithmStatus, KeyedMac } from '../ciphers/cipher.js'

/** One MAC. */
export interface MacAlgorithm {
  readonly name: string
  readonly status: AlgorithmStatus
  /** Document and section. */
  readonly source: string
  /** Bytes of key to derive. */
  readonly keyLength: number
  /** Bytes on the wire. */
  readonly length: number
  readonly isEncryptThenMac: boolean
  create(key: Uint8Array): KeyedMac
}
