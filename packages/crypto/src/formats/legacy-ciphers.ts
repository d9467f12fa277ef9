/** DES and RC2, which OpenSSL 3 keeps out of reach and old key files still use. Decryption only, through node-forge. */

import { asBuffer } from '@ssh/wire'

/** @returns the plaintext without its padding; undefined when the padding is wrong */
export async function decryptDesCbc(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Promise<Buffer | undefined> {
  const { default: forge } = await import('node-forge')
  const decipher = forge.cipher.createDecipher('DES-CBC', toForge(key))
  decipher.start({ iv: toForge(iv) })
  decipher.update(forge.util.createBuffer(toForge(data)))
  return decipher.finish() ? fromForge(decipher.output.getBytes()) : undefined
}

/** As {@link decryptDesCbc}; all bits of the key are effective. */
export async function decryptRc2Cbc(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Promise<Buffer | undefined> {
  const { default: forge } = await import('node-forge')
  const decipher = forge.rc2.createDecryptionCipher(toForge(key), key.length * 8)
  decipher.start(toForge(iv))
  decipher.update(forge.util.createBuffer(toForge(data)))
  return decipher.finish() ? fromForge(decipher.output.getBytes()) : undefined
}

/** The key derivation of PKCS#12 (RFC 7292 appendix B.2) with SHA-1. @param purpose 1: a key, 2: an initial vector */
export async function pkcs12Kdf(
  passphrase: Uint8Array,
  salt: Uint8Array,
  purpose: 1 | 2,
  iterations: number,
  length: number,
): Promise<Buffer> {
  const { default: forge } = await import('node-forge')
  const text = new TextDecoder().decode(passphrase)
  const saltBuffer = forge.util.createBuffer(toForge(salt))
  return fromForge(forge.pkcs12.generateKey(text, saltBuffer, purpose, iterations, length).getBytes())
}

/** node-forge keeps bytes in strings of one character each. */
function toForge(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1')
}

function fromForge(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}
