/** Ciphers of OpenSSH key files: those of packets under the same names, but over the file's private part as a whole. */

import { type CipherGCMTypes, createCipheriv, createDecipheriv, timingSafeEqual } from 'node:crypto'
import { poly1305, poly1305TagLength } from '../ciphers/poly1305.js'
import { type AlgorithmRow, type Registry, registry } from '../registry.js'

export interface OpensshKeyCipher extends AlgorithmRow {
  readonly keyLength: number
  readonly ivLength: number
  /** What the plaintext is padded to. */
  readonly blockSize: number
  /** Bytes that follow the ciphertext. */
  readonly tagLength: number
  /** @returns ciphertext and tag */
  seal(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Buffer
  /** @throws Error when the tag does not fit */
  open(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array): Buffer
}

/** Every cipher an OpenSSH key file may name; the first is the one ssh-keygen uses. */
export const opensshKeyCiphers: Registry<OpensshKeyCipher> = registry(
  unauthenticated('aes256-ctr', 'aes-256-ctr', 32),
  unauthenticated('aes192-ctr', 'aes-192-ctr', 24),
  unauthenticated('aes128-ctr', 'aes-128-ctr', 16),
  aesGcm('aes256-gcm@openssh.com', 'aes-256-gcm', 32),
  aesGcm('aes128-gcm@openssh.com', 'aes-128-gcm', 16),
  chacha20Poly1305(),
  unauthenticated('aes256-cbc', 'aes-256-cbc', 32),
  unauthenticated('aes192-cbc', 'aes-192-cbc', 24),
  unauthenticated('aes128-cbc', 'aes-128-cbc', 16),
  unauthenticated('3des-cbc', 'des-ede3-cbc', 24, 8),
)

function unauthenticated(name: string, nodeName: string, keyLength: number, blockSize = 16): OpensshKeyCipher {
  return {
    name,
    status: 'supported',
    keyLength,
    ivLength: blockSize,
    blockSize,
    tagLength: 0,
    seal: (key, iv, plaintext) => createCipheriv(nodeName, key, iv).setAutoPadding(false).update(plaintext),
    open: (key, iv, ciphertext) => createDecipheriv(nodeName, key, iv).setAutoPadding(false).update(ciphertext),
  }
}

function aesGcm(name: string, nodeName: CipherGCMTypes, keyLength: number): OpensshKeyCipher {
  const options = { authTagLength: 16 }
  return {
    name,
    status: 'supported',
    keyLength,
    ivLength: 12,
    blockSize: 16,
    tagLength: options.authTagLength,
    seal(key, iv, plaintext) {
      const cipher = createCipheriv(nodeName, key, iv, options)
      return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
    },
    open(key, iv, ciphertext, tag) {
      const decipher = createDecipheriv(nodeName, key, iv, options).setAuthTag(tag)
      return Buffer.concat([decipher.update(ciphertext), decipher.final()])
    },
  }
}

/**
 * OpenSSH's own combination (PROTOCOL.chacha20poly1305) with sequence number 0. There is no length to encrypt, so the
 * second half of the key stays unused.
 */
function chacha20Poly1305(): OpensshKeyCipher {
  /** The key of the tag, and what the text is combined with: the stream's first block, and the rest. */
  const crypt = (key: Uint8Array, text: Uint8Array): { tagKey: Uint8Array; crypted: Buffer } => {
    const stream = createCipheriv('chacha20', key.subarray(0, 32), Buffer.alloc(16))
    return { tagKey: stream.update(Buffer.alloc(64)).subarray(0, 32), crypted: stream.update(text) }
  }
  return {
    name: 'chacha20-poly1305@openssh.com',
    status: 'supported',
    keyLength: 64,
    ivLength: 0,
    blockSize: 8,
    tagLength: poly1305TagLength,
    seal(key, _iv, plaintext) {
      const { tagKey, crypted } = crypt(key, plaintext)
      return Buffer.concat([crypted, poly1305(crypted, tagKey)])
    },
    open(key, _iv, ciphertext, tag) {
      const { tagKey, crypted } = crypt(key, ciphertext)
      if (!timingSafeEqual(poly1305(ciphertext, tagKey), tag)) throw new Error('The tag does not fit')
      return crypted
    },
  }
}
