/**
 * X25519 (RFC 7748 §5) on raw bytes: by node:crypto, or by tweetnacl where the runtime lacks it or where a session is
 * replayed, because node:crypto makes no key from handed-in randomness without leaving it in a string.
 */

import { createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { asBuffer, wipe } from '@ssh/wire'
import nacl from 'tweetnacl'
import { type RandomSource, systemRandom } from '../random.js'
import { expectLength, invalidPublicValue } from './invalid-public-value.js'

/** Bytes of a key, public or private, and of the secret. */
export const x25519Length = 32

const what = 'X25519 public key'

/** An ephemeral key. */
export interface X25519KeyPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /**
   * The shared secret, 32 bytes.
   * @throws CryptoError `ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE` unless it is 32 bytes and not a point of low order
   */
  agree(peerPublicKey: Uint8Array): Uint8Array
}

/** A new key pair. @param random anything but the system's generator means a replay, and goes the portable way */
export function x25519KeyPair(random: RandomSource = systemRandom): X25519KeyPair {
  return (random === systemRandom && nativeKeyPair()) || portableKeyPair(random.bytes(x25519Length))
}

/** A key pair of node:crypto; undefined where the runtime has no X25519. */
export function nativeKeyPair(): X25519KeyPair | undefined {
  const pair = tryGenerate()
  if (pair === undefined) return undefined
  const { x } = pair.publicKey.export({ format: 'jwk' })
  if (x === undefined) return undefined
  return {
    publicKey: Buffer.from(x, 'base64url'),
    agree: (peerPublicKey) => agreeNatively(pair.privateKey, peerPublicKey),
  }
}

/** @see X25519KeyPair.agree */
export function agreeNatively(privateKey: KeyObject, peerPublicKey: Uint8Array): Uint8Array {
  expectLength(peerPublicKey, x25519Length, what)
  // The key as JWK is three times as fast to import as DER.
  const key = { kty: 'OKP', crv: 'X25519', x: asBuffer(peerPublicKey).toString('base64url') }
  let secret: Buffer
  try {
    secret = diffieHellman({ privateKey, publicKey: createPublicKey({ key, format: 'jwk' }) })
  } catch (error) {
    throw invalidPublicValue(what, 'it gives no secret', error)
  }
  return refuseZero(secret)
}

/** A key pair of tweetnacl. @param privateKey 32 random bytes; owned and kept by the pair */
export function portableKeyPair(privateKey: Uint8Array): X25519KeyPair {
  return {
    publicKey: nacl.scalarMult.base(privateKey),
    agree(peerPublicKey) {
      expectLength(peerPublicKey, x25519Length, what)
      return refuseZero(nacl.scalarMult(privateKey, peerPublicKey))
    },
  }
}

/** RFC 8731 §3: a secret of zeros means a point of low order. Looks at every byte, whatever it finds. */
function refuseZero(secret: Uint8Array): Uint8Array {
  let seen = 0
  for (const byte of secret) seen |= byte
  if (seen === 0) {
    wipe(secret)
    throw invalidPublicValue(what, 'it is a point of low order')
  }
  return secret
}

function tryGenerate(): { publicKey: KeyObject; privateKey: KeyObject } | undefined {
  try {
    return generateKeyPairSync('x25519')
  } catch {
    return undefined
  }
}
