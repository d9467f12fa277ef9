/** The public key that a file with a private key tells whoever has no passphrase. */

import { SshError } from '@ssh/wire'
import type { PublicKey } from '../keys/key.js'
import { parsePublicKey } from '../keys/public-key.js'
import { openKeySource } from './key-source.js'
import { readOuterPublicKey } from './openssh-private.js'

/**
 * Reads the public key that stands outside the encryption of an OpenSSH private key. It proves nothing: only what is
 * inside says which key it is. Good for finding the same key elsewhere, as in an agent.
 * @returns undefined for other formats, which do not tell, and for damaged files
 */
export function outerPublicKey(data: string | Uint8Array): PublicKey | undefined {
  try {
    const block = openKeySource(data).blocks.find(({ label }) => label === 'OPENSSH PRIVATE KEY')
    return block && parsePublicKey(readOuterPublicKey(block.body))
  } catch (error) {
    if (SshError.isSshError(error)) return undefined
    throw error
  }
}
