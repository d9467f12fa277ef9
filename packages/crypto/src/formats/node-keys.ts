/** Between node:crypto's keys and ours: JSON Web Keys are what both can read and write. */

import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { KeyImportError } from '../errors.js'
import type { KeyType } from '../keys/key-type.js'
import { keyTypes } from '../keys/key-types.js'
import { SshPrivateKey } from '../keys/private-key.js'
import { SshPublicKey } from '../keys/public-key.js'
import { readDer, readOid, readSequence } from './der.js'

/** @param der PKCS#8, PKCS#1 or SEC1; @throws KeyImportError, or WireError when bytes are missing */
export function importPrivateDer(der: Uint8Array, type: 'pkcs8' | 'pkcs1' | 'sec1'): SshPrivateKey {
  if (type === 'pkcs8') expectKnownAlgorithm(der)
  const { keyType, jwk } = toJwk(der, () => createPrivateKey({ key: Buffer.from(der), format: 'der', type }))
  return new SshPrivateKey(keyType, keyType.privateFromJwk(jwk), '')
}

/** @param der SubjectPublicKeyInfo or PKCS#1; @throws KeyImportError, or WireError when bytes are missing */
export function importPublicDer(der: Uint8Array, type: 'spki' | 'pkcs1'): SshPublicKey {
  const { keyType, jwk } = toJwk(der, () => createPublicKey({ key: Buffer.from(der), format: 'der', type }))
  return new SshPublicKey(keyType, keyType.publicFromJwk(jwk), '')
}

/** RSA, elliptic curves by name, Ed25519. */
const pkcs8Algorithms = new Set(['1.2.840.113549.1.1.1', '1.2.840.10045.2.1', '1.3.101.112'])

/** OpenSSL computes the public half of some other kinds while it reads them, which a hostile file can make take hours. */
function expectKnownAlgorithm(der: Uint8Array): void {
  const [, algorithm] = readSequence(readDer(der))
  const oid = readOid(algorithm && readSequence(algorithm)[0])
  if (pkcs8Algorithms.has(oid)) return
  throw new KeyImportError(`SSH has no use for a key of kind ${oid}; supported are ${keyTypes.names.join(', ')}`)
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
