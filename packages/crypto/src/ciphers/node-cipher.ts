/** Whether node:crypto really has a cipher. */

import { type CipherGCMTypes, createCipheriv } from 'node:crypto'

/** Ciphers that need the size of their tag told. */
const authenticated = { authTagLength: 16 }

/**
 * Tries the cipher on one block. Runtimes built on BoringSSL list names that they then refuse, so the list of
 * `getCiphers` proves nothing; using it takes a few microseconds.
 */
export function hasNodeCipher(nodeName: string, keyLength: number, ivLength: number): boolean {
  try {
    const cipher = createCipheriv(
      nodeName as CipherGCMTypes,
      Buffer.alloc(keyLength),
      Buffer.alloc(ivLength),
      authenticated,
    )
    return cipher.update(Buffer.alloc(16)).length === 16
  } catch {
    return false
  }
}
