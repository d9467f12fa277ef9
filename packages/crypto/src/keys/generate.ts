/** New keys. */

import { printable } from '@ssh/wire'
import { CryptoError } from '../errors.js'
import type { PrivateKey } from './key.js'
import { keyTypes } from './key-types.js'
import { SshPrivateKey } from './private-key.js'

export type GeneratedKeyAlgorithm =
  | 'ssh-ed25519'
  | 'ecdsa-sha2-nistp256'
  | 'ecdsa-sha2-nistp384'
  | 'ecdsa-sha2-nistp521'
  | 'ssh-rsa'

export interface KeyGenerationOptions {
  /** Bits of an RSA modulus, 2048 to 16384; default 3072, as ssh-keygen. Other types have one size and ignore it. */
  readonly bits?: number
  /** Default empty. */
  readonly comment?: string
}

/**
 * Makes a key from the system's randomness. RSA takes its time (0.1 to 10 s and more), off the event loop.
 * @param algorithm default `ssh-ed25519`
 * @throws CryptoError `ERR_SSH_CRYPTO_UNSUPPORTED` for another algorithm or number of bits
 */
export async function generatePrivateKey(
  algorithm: GeneratedKeyAlgorithm = 'ssh-ed25519',
  { bits, comment = '' }: KeyGenerationOptions = {},
): Promise<PrivateKey> {
  const type = keyTypes.get(algorithm)
  if (type === undefined) {
    throw new CryptoError(
      'ERR_SSH_CRYPTO_UNSUPPORTED',
      `Keys of type "${printable(algorithm, 64)}" cannot be made; choose one of ${keyTypes.names.join(', ')}`,
    )
  }
  return new SshPrivateKey(type, await type.generate(bits), comment)
}
