/** Between node:crypto's keys and ours: JSON Web Keys are what both can read and write. */

import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { KeyImportError } from '../errors.js'
import type { KeyType } from '../keys/key-type.js'
import { keyTypes } from '../keys/key-types.js'
import { SshPrivateKey } from '../keys/private-key.js'
import { SshPublicKey } from '../keys/public-key.js'
import { readDer } from './der.js'

/** @param der PKCS#8, PKCS#1 or SEC1; @throws KeyImportError, or WireError when bytes are missing */
export function importPrivateDer(der: Uint8Array, type: 'pkcs8' | 'pkcs1' | 'sec1'): SshPrivateKey {
  const { keyType, jwk } = toJwk(der, () => createPrivateKey({ key: Buffer.from(der), format: 'der', type }))
  return new SshPrivateKey(keyType, keyType.privateFromJwk(jwk), '')
}

/** @param der SubjectPublicKeyInfo or PKCS#1; @throws KeyImportError, or WireError when bytes are missing */
export function importPublicDer(der: Uint8Array, type: 'spki' | 'pkcs1'): SshPublicKey {
  const { keyType, jwk } = toJwk(der, () => createPublicKey({ key: Buffer.from(der), format: 'der', type }))
  return new SshPublicKey(keyType, keyType.publicFromJwk(jwk), '')
}

function toJwk(der: Uint8Array, read: () => KeyObject): { keyType: KeyType; jwk: JsonWebKey } {
  // OpenSSL reads one value and says nothing of what follows it.
  readDer(der)
  let key: KeyObject
  try {
    key = read()
  } catch (cause) {
    throw new KeyImportError('The key is damaged, or of a kind this runtime does not know', { cause })
  }
  try {
    const jwk = key.export({ format: 'jwk' })
    const keyType = keyTypes.rows.find((row) => row.jwk.kty === jwk.kty && row.jwk.crv === jwk.crv)
    if (keyType) return { keyType, jwk }
  } catch {
    // node:crypto has no JSON Web Key for this kind: the same answer as for one that SSH has no name for.
  }
  const curve = key.asymmetricKeyDetails?.namedCurve
  const kind = [key.asymmetricKeyType, curve].filter((part) => part !== undefined).join(' ')
  throw new KeyImportError(`SSH has no use for a key of kind "${kind}"; supported are ${keyTypes.names.join(', ')}`)
}
