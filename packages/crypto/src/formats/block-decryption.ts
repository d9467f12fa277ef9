/** Decrypting a key container with a block cipher in CBC mode, whose padding tells whether it worked. */

import { createDecipheriv } from 'node:crypto'
import { decryptDesCbc, decryptRc2Cbc } from './legacy-ciphers.js'

export interface BlockDecryption {
  readonly keyLength: number
  readonly ivLength: number
  /** @returns the plaintext without its padding; undefined when the padding is wrong */
  decrypt(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Promise<Buffer | undefined>
}

export const aes128Cbc = fromNode('aes-128-cbc', 16, 16)
export const aes192Cbc = fromNode('aes-192-cbc', 24, 16)
export const aes256Cbc = fromNode('aes-256-cbc', 32, 16)
export const tripleDesCbc = fromNode('des-ede3-cbc', 24, 8)
export const desCbc: BlockDecryption = { keyLength: 8, ivLength: 8, decrypt: decryptDesCbc }

/** All bits of the key are effective. */
export function rc2Cbc(keyLength: number): BlockDecryption {
  return { keyLength, ivLength: 8, decrypt: decryptRc2Cbc }
}

function fromNode(nodeName: string, keyLength: number, ivLength: number): BlockDecryption {
  return {
    keyLength,
    ivLength,
    async decrypt(key, iv, data) {
      const decipher = createDecipheriv(nodeName, key, iv)
      const start = decipher.update(data)
      try {
        return Buffer.concat([start, decipher.final()])
      } catch {
        return undefined
      }
    },
  }
}
