/** Private keys held in this process. */

import { printable, type Reader, text, Writer } from '@ssh/wire'
import { CryptoError, KeyExportError } from '../errors.js'
import { writeOpensshContainer } from '../formats/openssh-private.js'
import { writePrivatePem } from '../formats/write-private-pem.js'
import type { KeyExportOptions, PrivateKeyFormat, PublicKeyFormat } from './export-options.js'
import type { FingerprintHash } from './fingerprint.js'
import type { PrivateKey, PublicKey } from './key.js'
import type { KeyType, PrivateKeyMaterial } from './key-type.js'
import { describeKey, type KeyDescription, SshPublicKey } from './public-key.js'
import { importing, readKeyType } from './read-key-type.js'
import { encodeSignature, signatureAlgorithms } from './signature.js'

/** A private key of one of the {@link keyTypes}. */
export class SshPrivateKey implements PrivateKey {
  readonly publicKey: PublicKey
  readonly #type: KeyType
  readonly #material: PrivateKeyMaterial

  constructor(type: KeyType, material: PrivateKeyMaterial, comment: string) {
    this.#type = type
    this.#material = material
    this.publicKey = new SshPublicKey(type, material.publicMaterial, comment)
  }

  get algorithm(): string {
    return this.#type.name
  }

  get comment(): string {
    return this.publicKey.comment
  }

  get signatureAlgorithms(): readonly string[] {
    return this.#type.signatureAlgorithms
  }

  /** @throws CryptoError `ERR_SSH_CRYPTO_WRONG_KEY` when keys of this type do not sign with `algorithm` */
  sign(data: Uint8Array, algorithm = this.signatureAlgorithms[0] ?? this.algorithm): Uint8Array {
    const row = signatureAlgorithms.get(algorithm)
    if (row?.keyType !== this.algorithm) {
      throw new CryptoError(
        'ERR_SSH_CRYPTO_WRONG_KEY',
        `A key of type ${this.algorithm} signs with ${this.signatureAlgorithms.join(', ')}, not with ${printable(algorithm, 64)}`,
        { details: { algorithm, supported: this.signatureAlgorithms } },
      )
    }
    return encodeSignature({ algorithm, signature: this.#material.sign(row, data) })
  }

  getFingerprint(hash?: FingerprintHash): string {
    return this.publicKey.getFingerprint(hash)
  }

  convertToPublic(): PublicKey {
    return this.publicKey
  }

  /** @throws KeyExportError for a format that has no room for such keys, or options the format does not know */
  async exportPrivateKey(format: PrivateKeyFormat = 'openssh', options: KeyExportOptions = {}): Promise<string> {
    if (options.passphrase?.length === 0) {
      throw new KeyExportError('An empty passphrase protects nothing: leave it out to write the key unencrypted')
    }
    if (options.passphrase === undefined && options.cipher !== undefined) {
      throw new KeyExportError('A cipher was given but no passphrase, so the key would have been written unencrypted')
    }
    return format === 'openssh'
      ? writeOpensshContainer(this.publicKey.blob, this.encode(), options)
      : writePrivatePem(this.algorithm, this.#material.keyObject, format, options)
  }

  exportPublicKey(format?: PublicKeyFormat): string {
    return this.publicKey.exportPublicKey(format)
  }

  /** As {@link encodePrivateKey}. */
  encode(comment = this.comment): Uint8Array {
    const writer = new Writer(1024).writeUtf8(this.algorithm)
    this.#material.writeFields(writer)
    return writer.writeUtf8(comment).finish()
  }

  toJSON(): KeyDescription {
    return describeKey(this)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `PrivateKey ${JSON.stringify(describeKey(this))}`
  }
}

/**
 * A private key as agents (draft-ietf-sshm-ssh-agent §3.2) and OpenSSH key files (PROTOCOL.key §3) carry it: the type's
 * name, its fields, the comment. The bytes are secret.
 * @param comment default: that of the key
 * @throws KeyExportError for a key that is not held in this process
 */
export function encodePrivateKey(key: PrivateKey, comment?: string): Uint8Array {
  if (key instanceof SshPrivateKey) return key.encode(comment)
  throw new KeyExportError(`The ${key.algorithm} key is not held in this process, so its secret cannot be handed on`)
}

/**
 * Reads what {@link encodePrivateKey} writes and leaves the reader behind it. Keeps no view of the bytes.
 * @throws KeyImportError `ERR_SSH_KEY_IMPORT`
 */
export function readPrivateKey(reader: Reader): PrivateKey {
  return importing('private key', () => {
    const type = readKeyType(reader)
    const material = type.readPrivate(reader)
    return new SshPrivateKey(type, material, text.read(reader))
  })
}
