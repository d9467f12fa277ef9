/**
 * ML-KEM-768 and X25519 together: the secret holds as long as one of them does
 * (draft-ietf-sshm-mlkem-hybrid-kex; ML-KEM is FIPS 203).
 */

import { createHash } from 'node:crypto'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { concatBytes, wipe } from '@ssh/wire'
import { systemRandom } from '../random.js'
import { expectLength, invalidPublicValue } from './invalid-public-value.js'
import type { KexAlgorithm } from './kex.js'
import { x25519KeyPair, x25519Length } from './x25519.js'

/** Sizes of FIPS 203 §8, in bytes. */
const encapsulationKeyLength = 1184
const ciphertextLength = 1088
const seedLength = 64
const messageLength = 32

/** A row for the hybrid. The client sends an encapsulation key and a point, the server a ciphertext and a point. */
export function mlkem768X25519(facts: Pick<KexAlgorithm, 'name' | 'status' | 'source'>): KexAlgorithm {
  return {
    ...facts,
    hash: 'sha256',
    publicValueEncoding: 'string',
    secretEncoding: 'string',
    initiate(random = systemRandom) {
      const seed = random.bytes(seedLength)
      const kem = ml_kem768.keygen(seed)
      wipe(seed)
      const pair = x25519KeyPair(random)
      return {
        publicValue: concatBytes([kem.publicKey, pair.publicKey]),
        finish(serverPublicValue) {
          expectLength(
            serverPublicValue,
            ciphertextLength + x25519Length,
            'ML-KEM-768 ciphertext and X25519 public key',
          )
          // The point first: a bad one is refused; a bad ciphertext yields a secret that the server cannot know.
          const classical = pair.agree(serverPublicValue.subarray(ciphertextLength))
          const postQuantum = ml_kem768.decapsulate(serverPublicValue.subarray(0, ciphertextLength), kem.secretKey)
          wipe(kem.secretKey)
          return combine(postQuantum, classical)
        },
      }
    },
    respond(clientPublicValue, random = systemRandom) {
      expectLength(clientPublicValue, encapsulationKeyLength + x25519Length, 'ML-KEM-768 and X25519 public key')
      const pair = x25519KeyPair(random)
      const classical = pair.agree(clientPublicValue.subarray(encapsulationKeyLength))
      const message = random.bytes(messageLength)
      const { cipherText, sharedSecret } = encapsulate(clientPublicValue.subarray(0, encapsulationKeyLength), message)
      wipe(message)
      return { secret: combine(sharedSecret, classical), publicValue: concatBytes([cipherText, pair.publicKey]) }
    },
  }
}

/** Checks the key as FIPS 203 §7.2 demands, and makes a secret for its owner. */
function encapsulate(encapsulationKey: Uint8Array, message: Uint8Array) {
  try {
    return ml_kem768.encapsulate(encapsulationKey, message)
  } catch (error) {
    throw invalidPublicValue('ML-KEM-768 public key', 'a coefficient is not below the modulus', error)
  }
}

/** SHA-256 over both secrets, the post-quantum one first. */
function combine(postQuantum: Uint8Array, classical: Uint8Array): Uint8Array {
  const secret = createHash('sha256').update(postQuantum).update(classical).digest()
  wipe(postQuantum)
  wipe(classical)
  return secret
}
