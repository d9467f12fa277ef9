/** Fingerprints of public key blobs, as ssh-keygen prints them. */

import { createHash } from 'node:crypto'
import { toBase64, toHex } from '@ssh/wire'

export type FingerprintHash = 'sha256' | 'sha512' | 'sha1' | 'md5'

/** `SHA256:` and unpadded base64 (also SHA512, SHA1), or `MD5:` and colon-separated hex. */
export function fingerprint(blob: Uint8Array, hash: FingerprintHash = 'sha256'): string {
  const digest = createHash(hash).update(blob).digest()
  const text = hash === 'md5' ? toHex(digest).replace(/..(?=.)/g, '$&:') : toBase64(digest, false)
  return `${hash.toUpperCase()}:${text}`
}
