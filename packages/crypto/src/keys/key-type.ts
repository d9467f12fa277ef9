/** What a row of the key type table must say, and the two halves of a key it makes. The rows are in `key-types.ts`. */

import type { JsonWebKey, KeyObject } from 'node:crypto'
import type { Reader, Writer } from '@ssh/wire'
import type { AlgorithmRow } from '../registry.js'
import type { SignatureAlgorithm } from './signature.js'

/** The numbers of one public key, checked. */
export interface PublicKeyMaterial {
  /** Public key blob (RFC 4253 §6.6). */
  readonly blob: Uint8Array
  /** node:crypto's form; made once, at the latest when first asked for. */
  readonly keyObject: KeyObject
  /** Whether `signature` (what the blob's second field holds) fits. False, never an exception, for hostile bytes. */
  verify(algorithm: SignatureAlgorithm, data: Uint8Array, signature: Uint8Array): boolean
}

/** The numbers of one private key, checked and consistent with its public half. */
export interface PrivateKeyMaterial {
  readonly publicMaterial: PublicKeyMaterial
  readonly keyObject: KeyObject
  /** @returns what the second field of a signature blob holds */
  sign(algorithm: SignatureAlgorithm, data: Uint8Array): Uint8Array
  /** The fields that follow the type's name in key files and agent messages (draft-ietf-sshm-ssh-agent §3.2). */
  writeFields(writer: Writer): void
}

/** One key type. Readers throw WireError or KeyImportError; callers turn both into a KeyImportError. */
export interface KeyType extends AlgorithmRow {
  /** Document and section. */
  readonly source: string
  /** Type of certificates for such keys (OpenSSH PROTOCOL.certkeys). */
  readonly certificateType: string
  /** `kty` and, where keys have one, `crv` of the type's JSON Web Keys (RFC 7517), which node:crypto reads and writes. */
  readonly jwk: { readonly kty: string; readonly crv?: string }
  /** Names of the signature algorithms such keys make and verify, best first. */
  readonly signatureAlgorithms: readonly string[]
  /** Reads the fields after the name in a public key blob. What it reads is not copied. */
  readPublic(reader: Reader, blob: Uint8Array): PublicKeyMaterial
  /** Reads the fields that {@link PrivateKeyMaterial.writeFields} writes. Keeps nothing of what it reads. */
  readPrivate(reader: Reader): PrivateKeyMaterial
  publicFromJwk(jwk: JsonWebKey): PublicKeyMaterial
  privateFromJwk(jwk: JsonWebKey): PrivateKeyMaterial
  /** @param bits size of the modulus, for types that have one */
  generate(bits?: number): Promise<PrivateKeyMaterial>
}
