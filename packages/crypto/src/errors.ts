/** Errors of keys, key files and primitives. */

import { SshError, type SshErrorOptions } from '@ssh/wire'

export type CryptoErrorCode =
  /** A tag or MAC did not fit: the packet was changed on its way. */
  | 'ERR_SSH_CRYPTO_INTEGRITY'
  /** A public value of the peer is out of range, off the curve, of the wrong length, or gives an all-zero secret. */
  | 'ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE'
  /** A signature is malformed, or of another algorithm than was agreed. */
  | 'ERR_SSH_CRYPTO_INVALID_SIGNATURE'
  /** This runtime's crypto lacks a primitive and there is no fallback. */
  | 'ERR_SSH_CRYPTO_UNSUPPORTED'
  /** A signing operation was asked of a key that cannot do it. */
  | 'ERR_SSH_CRYPTO_WRONG_KEY'

/** A primitive refused its input. */
export class CryptoError extends SshError {
  declare readonly code: CryptoErrorCode

  constructor(code: CryptoErrorCode, message: string, options?: SshErrorOptions) {
    super(code, message, options)
  }
}

/** A key or certificate could not be read: unknown format, damaged, or outside the limits. */
export class KeyImportError extends SshError {
  constructor(message: string, options?: SshErrorOptions) {
    super('ERR_SSH_KEY_IMPORT', message, options)
  }
}

/** A key could not be written in the format asked for. */
export class KeyExportError extends SshError {
  constructor(message: string, options?: SshErrorOptions) {
    super('ERR_SSH_KEY_EXPORT', message, options)
  }
}

/** A key is encrypted and the passphrase is missing or wrong. */
export class KeyEncryptionError extends SshError {
  declare readonly code: 'ERR_SSH_KEY_PASSPHRASE_MISSING' | 'ERR_SSH_KEY_PASSPHRASE_WRONG'

  constructor(
    code: 'ERR_SSH_KEY_PASSPHRASE_MISSING' | 'ERR_SSH_KEY_PASSPHRASE_WRONG',
    message: string,
    options?: SshErrorOptions,
  ) {
    super(code, message, options)
  }
}
