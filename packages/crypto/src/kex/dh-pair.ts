/**
 * Key pairs of Diffie-Hellman modulo a prime, on plain numbers. By key objects, which take the numbers as they are:
 * `createDiffieHellman` tests the prime, since Node 24 also one that everybody knows, and that holds up the process for
 * 0.2 s at 2048 bits and for half a minute at 8192. It remains for runtimes that know no such keys (Bun).
 */

import { createDiffieHellman, createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto'
import { wipe } from '@ssh/wire'
import { contentOf, derTags, readDer, readSequence, writeDer, writeInteger } from '../formats/der.js'
import type { DhGroup } from './dh-primes.js'

export interface DhPair {
  /** Big-endian. */
  readonly publicValue: Uint8Array
  /**
   * The secret, as long as the prime.
   * @param peerPublicValue from 2 to the prime less 2
   * @throws Error of `node:crypto` when it refuses the value
   */
  agree(peerPublicValue: Uint8Array): Uint8Array
}

/** @param exponent stays the caller's */
export function dhPair(group: DhGroup, exponent: Uint8Array): DhPair {
  const algorithm = algorithmOf(group)
  const privateKey = tryImport(algorithm, exponent)
  if (privateKey === undefined) return testedPair(group, exponent)
  return {
    publicValue: publicValueOf(createPublicKey(privateKey)),
    agree(peerPublicValue) {
      const bits = writeDer(derTags.bitString, noUnusedBits, writeInteger(peerPublicValue))
      const key = writeDer(derTags.sequence, algorithm, bits)
      return diffieHellman({ privateKey, publicKey: createPublicKey({ key, format: 'der', type: 'spki' }) })
    },
  }
}

/** A pair of the older interface, whose runtime may test the prime. */
function testedPair({ prime, generator }: DhGroup, exponent: Uint8Array): DhPair {
  const pair = createDiffieHellman(prime, generator)
  pair.setPrivateKey(exponent)
  return { publicValue: pair.generateKeys(), agree: (peerPublicValue) => pair.computeSecret(peerPublicValue) }
}

/** dhKeyAgreement, 1.2.840.113549.1.3.1 (PKCS #3 §9). */
const dhKeyAgreement = Buffer.from('2a864886f70d010301', 'hex')
const version = writeInteger(Uint8Array.of(0))
const noUnusedBits = Uint8Array.of(0)

/** AlgorithmIdentifier with the group's numbers (RFC 5280 §4.1.1.2, PKCS #3 §9). */
function algorithmOf({ prime, generator }: DhGroup): Uint8Array {
  const numbers = writeDer(derTags.sequence, writeInteger(prime), writeInteger(generator))
  return writeDer(derTags.sequence, writeDer(derTags.oid, dhKeyAgreement), numbers)
}

/** The exponent as PKCS #8 (RFC 5958 §2); undefined where the runtime knows no Diffie-Hellman keys. */
function tryImport(algorithm: Uint8Array, exponent: Uint8Array): KeyObject | undefined {
  const number = writeInteger(exponent)
  const octets = writeDer(derTags.octetString, number)
  const key = writeDer(derTags.sequence, version, algorithm, octets)
  try {
    return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  } catch {
    return undefined
  } finally {
    for (const secret of [number, octets, key]) wipe(secret)
  }
}

function publicValueOf(publicKey: KeyObject): Uint8Array {
  const [, bits] = readSequence(readDer(publicKey.export({ format: 'der', type: 'spki' })))
  const integer = readDer(contentOf(bits, derTags.bitString).subarray(noUnusedBits.length))
  const digits = contentOf(integer, derTags.integer)
  return digits.subarray(digits.findIndex((byte) => byte !== 0))
}
