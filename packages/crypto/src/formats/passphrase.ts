/** Passphrases of encrypted keys. */

import { toUtf8 } from '@ssh/wire'
import { KeyEncryptionError } from '../errors.js'

/** @throws KeyEncryptionError `ERR_SSH_KEY_PASSPHRASE_MISSING` when there is none, or an empty one */
export function requirePassphrase(passphrase: string | Uint8Array | undefined): Uint8Array {
  if (passphrase !== undefined && passphrase.length > 0) {
    return typeof passphrase === 'string' ? toUtf8(passphrase) : passphrase
  }
  throw new KeyEncryptionError('ERR_SSH_KEY_PASSPHRASE_MISSING', 'The key is encrypted: give its passphrase')
}

/** The error for a key that does not come out of its encryption. A damaged file looks the same. */
export function wrongPassphrase(cause?: unknown): KeyEncryptionError {
  return new KeyEncryptionError(
    'ERR_SSH_KEY_PASSPHRASE_WRONG',
    'The passphrase does not decrypt the key: it is another one, or the file is damaged',
    { cause },
  )
}
