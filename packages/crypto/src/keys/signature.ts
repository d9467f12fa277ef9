/** Signature algorithms, and the blob that carries a signature (RFC 4253 §6.6). */

import { ascii, string, struct, WireError } from '@ssh/wire'
import { CryptoError } from '../errors.js'
import type { HashName } from '../kex/kex.js'
import { hasNodeCurve } from '../node-curve.js'
import { type AlgorithmRow, registry } from '../registry.js'

/** One signature algorithm: what a signature blob names, and what `server-sig-algs` lists. */
export interface SignatureAlgorithm extends AlgorithmRow {
  /** Document and section. */
  readonly source: string
  /** Type of the keys that make such signatures. */
  readonly keyType: string
  /** Hash over the data; absent where the algorithm brings its own. */
  readonly hash?: HashName
}

/** Signature algorithms, best first. `ssh-rsa` is SHA-1 and only used when asked for by name. */
export const signatureAlgorithms = registry<SignatureAlgorithm>(
  { name: 'ssh-ed25519', status: 'default', source: 'RFC 8709 §4', keyType: 'ssh-ed25519' },
  ecdsa('ecdsa-sha2-nistp256', 'sha256', 'prime256v1'),
  ecdsa('ecdsa-sha2-nistp384', 'sha384', 'secp384r1'),
  ecdsa('ecdsa-sha2-nistp521', 'sha512', 'secp521r1'),
  { name: 'rsa-sha2-512', status: 'default', source: 'RFC 8332 §3', keyType: 'ssh-rsa', hash: 'sha512' },
  { name: 'rsa-sha2-256', status: 'default', source: 'RFC 8332 §3', keyType: 'ssh-rsa', hash: 'sha256' },
  { name: 'ssh-rsa', status: 'legacy', source: 'RFC 4253 §6.6', keyType: 'ssh-rsa', hash: 'sha1' },
)

/** Names of the signature algorithms that keys of a type make and verify, best first. */
export function signatureAlgorithmsOf(keyType: string): readonly string[] {
  return signatureAlgorithms.rows.filter((row) => row.keyType === keyType).map((row) => row.name)
}

/** A signature blob taken apart. */
export interface Signature {
  /** Name of the signature algorithm. */
  readonly algorithm: string
  /** What that algorithm made; its layout is the algorithm's. */
  readonly signature: Uint8Array
}

const signatureBlob = struct('signature', { algorithm: ascii, signature: string })

/** Builds a signature blob: the algorithm's name and what it made. */
export function encodeSignature(value: Signature): Uint8Array {
  return signatureBlob.encode(value)
}

/**
 * Takes a signature blob apart; its fields are views into `blob`.
 * @throws CryptoError `ERR_SSH_CRYPTO_INVALID_SIGNATURE` unless it is exactly a name and a string
 */
export function parseSignature(blob: Uint8Array): Signature {
  try {
    return signatureBlob.decode(blob)
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    throw new CryptoError('ERR_SSH_CRYPTO_INVALID_SIGNATURE', `The signature is malformed: ${error.message}`, {
      cause: error,
    })
  }
}

function ecdsa(name: string, hash: HashName, nodeCurve: string): SignatureAlgorithm {
  const isAvailable = () => hasNodeCurve(nodeCurve)
  return { name, status: 'default', source: 'RFC 5656 §3.1.2', keyType: name, hash, isAvailable }
}
