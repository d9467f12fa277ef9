/** What the rest of the SDK knows of keys. */

import type { KeyExportOptions, PrivateKeyFormat, PublicKeyFormat } from './export-options.js'

/** A public key, or a certificate standing in for one. */
export interface PublicKey {
  /** Key type as in the blob, for instance `ssh-ed25519` or `ssh-rsa`. */
  readonly algorithm: string
  /** Free text that came with the key; empty when there was none. */
  readonly comment: string
  /** Public key blob (RFC 4253 §6.6). */
  readonly blob: Uint8Array
  /** Signature algorithms this key can verify, best first: `rsa-sha2-512`, `rsa-sha2-256`, `ssh-rsa` for an RSA key. */
  readonly signatureAlgorithms: readonly string[]
  /**
   * Whether `signature` (a signature blob, RFC 4253 §6.6) over `data` was made by this key. Never throws for hostile bytes.
   * @param algorithm the algorithm that must have been used; default: any of `signatureAlgorithms` but SHA-1
   */
  verify(data: Uint8Array, signature: Uint8Array, algorithm?: string): boolean
  /** `SHA256:` and unpadded base64, or for md5 `MD5:` and colon-separated hex, as ssh-keygen prints it. */
  getFingerprint(hash?: 'sha256' | 'sha512' | 'sha1' | 'md5'): string
  /** Whether both are the same key; comments do not matter. */
  equals(other: PublicKey): boolean
  /** Text of a `.pub` file or a PEM file, ending in a line feed; default `openssh`, the line `type base64 comment`. */
  exportPublicKey(format?: PublicKeyFormat): string
}

/** Makes signatures with one key: in this process, in an agent, or in hardware. */
export interface Signer {
  readonly publicKey: PublicKey
  /** Signature algorithms it can make, best first. */
  readonly signatureAlgorithms: readonly string[]
  /**
   * @param algorithm one of `signatureAlgorithms`; default the first
   * @returns a signature blob (RFC 4253 §6.6)
   */
  sign(data: Uint8Array, algorithm?: string): Uint8Array | Promise<Uint8Array>
}

/** A private key held in this process. Printing or serialising one shows no secret. */
export interface PrivateKey extends Signer {
  readonly algorithm: string
  readonly comment: string
  sign(data: Uint8Array, algorithm?: string): Uint8Array
  getFingerprint(hash?: 'sha256' | 'sha512' | 'sha1' | 'md5'): string
  convertToPublic(): PublicKey
  /** Text of a key file, ending in a line feed; default `openssh`. @throws KeyExportError */
  exportPrivateKey(format?: PrivateKeyFormat, options?: KeyExportOptions): Promise<string>
  exportPublicKey(format?: PublicKeyFormat): string
}
