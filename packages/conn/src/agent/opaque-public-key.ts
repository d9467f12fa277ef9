/** A public key of a type that nobody here can take apart, as agents hold them: its name, its bytes, and no more. */

import { type FingerprintHash, fingerprint, KeyExportError, type PublicKey, type PublicKeyFormat } from '@ssh/crypto'
import { ascii, equalBytes, printable, Reader, SshError, toBase64 } from '@ssh/wire'
import { opaqueAlgorithmsOf } from './key-algorithms.js'

export class OpaquePublicKey implements PublicKey {
  /** As the blob says; empty when it does not even start with a name. */
  readonly algorithm: string
  readonly comment: string
  readonly blob: Uint8Array

  /** @param blob is copied */
  constructor(blob: Uint8Array, comment: string) {
    this.blob = Uint8Array.from(blob)
    this.comment = comment
    this.algorithm = nameIn(this.blob)
  }

  /** What its owner can log in by. Nothing here can verify such signatures. */
  get signatureAlgorithms(): readonly string[] {
    return opaqueAlgorithmsOf(this.algorithm)
  }

  /** Always false: nobody here knows how. */
  verify(): boolean {
    return false
  }

  getFingerprint(hash?: FingerprintHash): string {
    return fingerprint(this.blob, hash)
  }

  equals(other: PublicKey): boolean {
    return equalBytes(this.blob, other.blob)
  }

  /** The line of a `.pub` file. @throws KeyExportError for any other format */
  exportPublicKey(format: PublicKeyFormat = 'openssh'): string {
    if (format !== 'openssh' || this.algorithm === '') {
      throw new KeyExportError(
        `A key of type "${this.algorithm}" can be written as an OpenSSH line only, not as ${format}`,
      )
    }
    return `${[this.algorithm, toBase64(this.blob), printable(this.comment)].filter((part) => part !== '').join(' ')}\n`
  }

  toJSON(): { readonly algorithm: string; readonly fingerprint: string; readonly comment: string } {
    return { algorithm: this.algorithm, fingerprint: this.getFingerprint(), comment: printable(this.comment) }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `PublicKey ${JSON.stringify(this)}`
  }
}

function nameIn(blob: Uint8Array): string {
  try {
    const name = ascii.read(new Reader(blob))
    return name.length <= 64 ? name : ''
  } catch (error) {
    if (SshError.isSshError(error)) return ''
    throw error
  }
}
