/** Every cipher, in order of preference: add one by adding its row. CBC is left out on purpose (CVE-2008-5161). */

import { registry } from '../registry.js'
import { aesGcm } from './aes-gcm.js'
import { blockCipher } from './block-cipher.js'
import { chacha20Poly1305 } from './chacha20-poly1305.js'
import type { CipherAlgorithm } from './cipher.js'

/** What the AES-CTR rows share. A key serves 2^32 blocks: RFC 4344 §3.2 with blocks of 128 bits. */
const ctr = {
  status: 'default',
  source: 'RFC 4344 §4',
  ivLength: 16,
  blockSize: 16,
  rekeyAfterBytes: 2 ** 36,
} as const

/** The ciphers. AES-GCM first: it is the fastest where the processor helps, which is nearly everywhere. */
export const ciphers = registry<CipherAlgorithm>(
  aesGcm({
    name: 'aes128-gcm@openssh.com',
    status: 'default',
    source: 'RFC 5647 §7, OpenSSH PROTOCOL §1.6',
    nodeName: 'aes-128-gcm',
    keyLength: 16,
  }),
  aesGcm({
    name: 'aes256-gcm@openssh.com',
    status: 'default',
    source: 'RFC 5647 §7, OpenSSH PROTOCOL §1.6',
    nodeName: 'aes-256-gcm',
    keyLength: 32,
  }),
  chacha20Poly1305({
    name: 'chacha20-poly1305@openssh.com',
    status: 'default',
    source: 'OpenSSH PROTOCOL.chacha20poly1305',
  }),
  blockCipher({ ...ctr, name: 'aes128-ctr', nodeName: 'aes-128-ctr', keyLength: 16 }),
  blockCipher({ ...ctr, name: 'aes192-ctr', nodeName: 'aes-192-ctr', keyLength: 24 }),
  blockCipher({ ...ctr, name: 'aes256-ctr', nodeName: 'aes-256-ctr', keyLength: 32 }),
)
