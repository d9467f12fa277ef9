/** The seam for payload compression (RFC 4253 §6.2). The rows themselves are in `compression-rows.ts`. */

import type { AlgorithmStatus } from '../ciphers/cipher.js'

/** Compresses the payloads of one direction; state runs on from packet to packet. */
export interface Compressor {
  compress(payload: Uint8Array): Uint8Array
}

/** Undoes it. */
export interface Decompressor {
  /** @param maximumLength bytes the payload may grow to; @throws CryptoError beyond it */
  decompress(payload: Uint8Array, maximumLength: number): Uint8Array
}

/** One compression method. */
export interface CompressionAlgorithm {
  readonly name: string
  readonly status: AlgorithmStatus
  readonly source: string
  /** Whether it starts only after authentication (zlib@openssh.com). */
  readonly isDelayed: boolean
  /** Undefined: payloads pass unchanged. */
  createCompressor(): Compressor | undefined
  createDecompressor(): Decompressor | undefined
}
