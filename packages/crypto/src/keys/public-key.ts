/** Public keys as the rest of the SDK sees them. */

import { equalBytes, printable, Reader } from '@ssh/wire'
import { CryptoError } from '../errors.js'
import { writePublicKey } from '../formats/write-public-key.js'
import type { PublicKeyFormat } from './export-options.js'
import { type FingerprintHash, fingerprint } from './fingerprint.js'
import type { PublicKey } from './key.js'
import type { KeyType, PublicKeyMaterial } from './key-type.js'
import { importing, readKeyType } from './read-key-type.js'
import { parseSignature, type Signature, signatureAlgorithms } from './signature.js'

/**
 * Reads a public key blob (RFC 4253 §6.6), strictly: exact lengths, the curve that the type names, a point on it,
 * an RSA modulus of 1024 to 16384 bits, nothing after the last field.
 * @param blob is copied
 * @throws KeyImportError `ERR_SSH_KEY_IMPORT` for anything else, and for certificates
 */
export function parsePublicKey(blob: Uint8Array, comment = ''): PublicKey {
  const copy = Uint8Array.from(blob)
  return importing('public key', () => {
    const reader = new Reader(copy)
    const type = readKeyType(reader)
    const material = type.readPublic(reader, copy)
    reader.expectEnd(`The ${type.name} public key`)
    return new SshPublicKey(type, material, comment)
  })
}

/** A public key of one of the {@link keyTypes}. */
export class SshPublicKey implements PublicKey {
  readonly comment: string
  readonly #type: KeyType
  readonly #material: PublicKeyMaterial

  constructor(type: KeyType, material: PublicKeyMaterial, comment: string) {
    this.#type = type
    this.#material = material
    this.comment = comment
  }

  get algorithm(): string {
    return this.#type.name
  }

  get blob(): Uint8Array {
    return this.#material.blob
  }

  get signatureAlgorithms(): readonly string[] {
    return this.#type.signatureAlgorithms
  }

  verify(data: Uint8Array, signature: Uint8Array, algorithm?: string): boolean {
    const parsed = tryParseSignature(signature)
    if (parsed === undefined) return false
    const row = signatureAlgorithms.get(parsed.algorithm)
    if (row?.keyType !== this.algorithm) return false
    if (algorithm === undefined ? row.status === 'legacy' : row.name !== algorithm) return false
    return this.#material.verify(row, data, parsed.signature)
  }

  getFingerprint(hash?: FingerprintHash): string {
    return fingerprint(this.blob, hash)
  }

  equals(other: PublicKey): boolean {
    return equalBytes(this.blob, other.blob)
  }

  /** @throws KeyExportError for a format that has no room for such keys */
  exportPublicKey(format: PublicKeyFormat = 'openssh'): string {
    return writePublicKey(this.algorithm, this.#material, this.comment, format)
  }

  toJSON(): KeyDescription {
    return describeKey(this)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `PublicKey ${JSON.stringify(describeKey(this))}`
  }
}

/** What printing or serialising a key shows: never a secret, and no control characters of its comment. */
export interface KeyDescription {
  readonly algorithm: string
  readonly fingerprint: string
  readonly comment: string
}

export function describeKey(key: Pick<PublicKey, 'algorithm' | 'comment' | 'getFingerprint'>): KeyDescription {
  return { algorithm: key.algorithm, fingerprint: key.getFingerprint(), comment: printable(key.comment) }
}

function tryParseSignature(blob: Uint8Array): Signature | undefined {
  try {
    return parseSignature(blob)
  } catch (error) {
    if (error instanceof CryptoError) return undefined
    throw error
  }
}
