/** Diffie-Hellman over the integers modulo a safe prime: RFC 4253 §8, with the fixed groups of RFC 8268. */

import { checkPrimeSync } from 'node:crypto'
import { equalBytes, toBigInt, wipe } from '@ssh/wire'
import { type RandomSource, systemRandom } from '../random.js'
import { type DhPair, dhPair } from './dh-pair.js'
import { type DhGroup, modpGroup14, modpGroup16, modpGroup18 } from './dh-primes.js'
import { invalidPublicValue } from './invalid-public-value.js'
import type { HashName, KexAlgorithm, KexInitiation, KexResponse } from './kex.js'

/** Facts in which the rows differ. */
export interface DhGroupFacts {
  readonly name: string
  readonly status: KexAlgorithm['status']
  readonly source: string
  readonly hash: HashName
  readonly group: DhGroup
  readonly isCostly?: boolean
}

/** A row for a fixed group. */
export function dhGroup({ group, ...facts }: DhGroupFacts): KexAlgorithm {
  return {
    ...facts,
    publicValueEncoding: 'mpint',
    secretEncoding: 'mpint',
    initiate: (random) => initiateDh(group, random),
    respond: (clientPublicValue, random) => respondDh(group, clientPublicValue, random),
  }
}

/**
 * The client's half over any group; the arithmetic of group exchange (RFC 4419) too.
 * @throws CryptoError `ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE` when the prime is not a safe prime
 */
export function initiateDh(group: DhGroup, random: RandomSource = systemRandom): KexInitiation {
  const pair = generate(group, random)
  return {
    publicValue: pair.publicValue,
    finish(serverPublicValue) {
      expectInRange(serverPublicValue, group)
      return agree(pair, serverPublicValue)
    },
  }
}

/** The server's half over any group. A bad public value is refused before any exponentiation. */
export function respondDh(
  group: DhGroup,
  clientPublicValue: Uint8Array,
  random: RandomSource = systemRandom,
): KexResponse {
  expectInRange(clientPublicValue, group)
  const pair = generate(group, random)
  return { secret: agree(pair, clientPublicValue), publicValue: pair.publicValue }
}

const what = 'Diffie-Hellman public value'
/** Rounds of Miller and Rabin: what OpenSSL does to a prime that somebody else chose. */
const checks = 64

function generate(group: DhGroup, random: RandomSource): DhPair {
  if (!isWellKnown(group) && !isSafePrime(toBigInt(group.prime))) {
    throw invalidPublicValue('Diffie-Hellman group', 'its prime is not a safe prime')
  }
  const exponent = random.bytes(group.exponentLength)
  const pair = dhPair(group, exponent)
  wipe(exponent)
  return pair
}

function isWellKnown({ prime }: DhGroup): boolean {
  return [modpGroup14, modpGroup16, modpGroup18].some((known) => equalBytes(known.prime, prime))
}

function isSafePrime(prime: bigint): boolean {
  return checkPrimeSync(prime, { checks }) && checkPrimeSync((prime - 1n) / 2n, { checks })
}

/** The secret, as long as the prime. */
function agree(pair: DhPair, publicValue: Uint8Array): Uint8Array {
  try {
    return pair.agree(publicValue)
  } catch (error) {
    throw invalidPublicValue(what, 'it is not in the group', error)
  }
}

/** RFC 4253 §8 refuses what is outside [1, p-1]; RFC 8268 §4 narrows it to [2, p-2]: 1 and p-1 give a known secret. */
function expectInRange(publicValue: Uint8Array, { prime }: DhGroup): void {
  // The length first: it bounds the work on the numbers.
  if (publicValue.length > prime.length) {
    throw invalidPublicValue(what, `it has ${publicValue.length} bytes, more than the prime's ${prime.length}`)
  }
  const value = toBigInt(publicValue)
  if (value <= 1n || value >= toBigInt(prime) - 1n) {
    throw invalidPublicValue(what, 'it is not between 1 and the prime less 1')
  }
}
