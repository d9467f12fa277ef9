/** Opens the encryption of old PEM files: `Proc-Type: 4,ENCRYPTED` and `DEK-Info` (RFC 1421 §4.6), OpenSSL's way. */

import { createHash } from 'node:crypto'
import { printable } from '@ssh/wire'
import { KeyImportError } from '../errors.js'
import type { ArmouredBlock } from './armour.js'
import { aes128Cbc, aes192Cbc, aes256Cbc, type BlockDecryption, desCbc, tripleDesCbc } from './block-decryption.js'
import { isContainer } from './der.js'
import { requirePassphrase, wrongPassphrase } from './passphrase.js'

const ciphers = new Map<string, BlockDecryption>([
  ['AES-256-CBC', aes256Cbc],
  ['AES-192-CBC', aes192Cbc],
  ['AES-128-CBC', aes128Cbc],
  ['DES-EDE3-CBC', tripleDesCbc],
  ['DES-CBC', desCbc],
])
const saltLength = 8

/**
 * @returns the DER in a PEM block, decrypted when its headers say that it is encrypted
 * @throws KeyImportError, KeyEncryptionError
 */
export async function decryptPem(
  { headers, body }: ArmouredBlock,
  passphrase: string | Uint8Array | undefined,
): Promise<Uint8Array> {
  const encryption = headers.get('dek-info')
  if (encryption === undefined) return body
  const [name = '', hex = ''] = encryption.split(',').map((part) => part.trim())
  const cipher = ciphers.get(name.toUpperCase())
  if (cipher === undefined) {
    throw new KeyImportError(
      `The key is encrypted with "${printable(name, 64)}", which is not supported; known are ${[...ciphers.keys()].join(', ')}`,
    )
  }
  const iv = Buffer.from(hex, 'hex')
  if (iv.length !== cipher.ivLength || hex.length !== 2 * iv.length) {
    throw new KeyImportError(`DEK-Info must carry ${cipher.ivLength} bytes in hexadecimal for ${name}: it is damaged`)
  }
  const key = deriveKey(requirePassphrase(passphrase), iv.subarray(0, saltLength), cipher.keyLength)
  const plain = await cipher.decrypt(key, iv, body)
  // Padding fits by chance once in 256 wrong passphrases.
  if (plain !== undefined && isContainer(plain)) return plain
  throw wrongPassphrase()
}

/** OpenSSL's EVP_BytesToKey: a chain of MD5, each over the one before, the passphrase and the salt. */
function deriveKey(passphrase: Uint8Array, salt: Uint8Array, length: number): Uint8Array {
  let key = Buffer.alloc(0)
  for (let last = Buffer.alloc(0); key.length < length; key = Buffer.concat([key, last])) {
    last = createHash('md5').update(last).update(passphrase).update(salt).digest()
  }
  return key.subarray(0, length)
}
