/** Public keys as text. */

import { toBase64 } from '@ssh/wire'
import { KeyExportError } from '../errors.js'
import type { PublicKeyFormat } from '../keys/export-options.js'
import type { PublicKeyMaterial } from '../keys/key-type.js'
import { base64Lines } from './armour.js'

/**
 * A public key in the format asked for, ending in a line feed.
 * @throws KeyExportError for a format that has no room for such keys
 */
export function writePublicKey(
  algorithm: string,
  material: PublicKeyMaterial,
  comment: string,
  format: PublicKeyFormat,
): string {
  switch (format) {
    case 'openssh':
      return `${algorithm} ${toBase64(material.blob)} ${oneLine(comment)}`.trimEnd().concat('\n')
    case 'rfc4716':
      return rfc4716(material.blob, oneLine(comment))
    case 'pkcs8-pem':
      return material.keyObject.export({ type: 'spki', format: 'pem' }).toString()
    case 'pkcs1-pem':
      if (material.keyObject.asymmetricKeyType !== 'rsa') {
        throw new KeyExportError(`PKCS#1 holds RSA keys only, not ${algorithm}; use openssh, rfc4716 or pkcs8-pem`)
      }
      return material.keyObject.export({ type: 'pkcs1', format: 'pem' }).toString()
    default:
      throw new KeyExportError(`Public keys are written as openssh, rfc4716, pkcs1-pem or pkcs8-pem, not ${format}`)
  }
}

/** RFC 4716 §3: lines of at most 72 bytes, and a header that is longer goes on after a backslash. */
function rfc4716(blob: Uint8Array, comment: string): string {
  const header = comment === '' ? '' : `Comment: "${comment}"`.replace(/.{70}(?=.)/gu, '$&\\\n').concat('\n')
  return `---- BEGIN SSH2 PUBLIC KEY ----\n${header}${base64Lines(blob, 70)}---- END SSH2 PUBLIC KEY ----\n`
}

/** A comment comes from whoever made the key file: it must not start a line of its own in an authorized_keys file. */
function oneLine(comment: string): string {
  return comment.replace(/\p{Cc}+/gu, ' ').trim()
}
