/** Key exchange over the NIST curves: RFC 5656 §4. */

import { createECDH, type ECDH } from 'node:crypto'
import { wipe } from '@ssh/wire'
import { hasNodeCurve } from '../node-curve.js'
import { type RandomSource, systemRandom } from '../random.js'
import { expectLength, invalidPublicValue } from './invalid-public-value.js'
import type { HashName, KexAlgorithm } from './kex.js'

/** First byte of an uncompressed point (SEC 1 §2.3.3). */
const uncompressed = 0x04
/** A random string is no valid private key once in 2^32 times at worst (P-256): so many in a row are no accident. */
const maximumDraws = 8

/** A curve. */
interface NistCurve {
  /** node:crypto's name. */
  readonly nodeName: 'prime256v1' | 'secp384r1' | 'secp521r1'
  /** Name in messages, for instance `P-256`. */
  readonly title: string
  /** Bits of a private key, and of a coordinate. */
  readonly bits: number
}

/** Facts in which the rows differ. */
export interface EcdhFacts {
  readonly name: string
  readonly status: KexAlgorithm['status']
  readonly source: string
  readonly hash: HashName
  readonly curve: NistCurve
}

/** A row for ECDH over one curve. Points travel uncompressed, as every implementation sends them. */
export function ecdh({ curve, ...facts }: EcdhFacts): KexAlgorithm {
  return {
    ...facts,
    publicValueEncoding: 'string',
    secretEncoding: 'mpint',
    isAvailable: () => hasNodeCurve(curve.nodeName),
    initiate(random = systemRandom) {
      const pair = generate(curve, random)
      return { publicValue: pair.getPublicKey(), finish: (point) => agree(curve, pair, point) }
    },
    respond(clientPublicValue, random = systemRandom) {
      const pair = generate(curve, random)
      return { secret: agree(curve, pair, clientPublicValue), publicValue: pair.getPublicKey() }
    },
  }
}

/** A new pair. @param random anything but the system's generator means a replay */
function generate({ nodeName, bits }: NistCurve, random: RandomSource): ECDH {
  const pair = createECDH(nodeName)
  if (random === systemRandom) {
    pair.generateKeys()
    return pair
  }
  const length = Math.ceil(bits / 8)
  let refusal: unknown
  for (let draw = 0; draw < maximumDraws; draw++) {
    const privateKey = random.bytes(length)
    privateKey[0] = (privateKey[0] ?? 0) & (0xff >> (8 * length - bits))
    try {
      pair.setPrivateKey(privateKey)
      return pair
    } catch (error) {
      refusal = error
    } finally {
      wipe(privateKey)
    }
  }
  throw new Error('The source of randomness is broken: it gives no valid private key', { cause: refusal })
}

/** Checks the point, and multiplies. OpenSSL sees to it that the point is on the curve. */
function agree({ bits, title }: NistCurve, pair: ECDH, point: Uint8Array): Uint8Array {
  const what = `${title} point`
  // node:crypto would take a compressed or hybrid point, and RFC 5656 allows the former; nobody sends either.
  expectLength(point, 1 + 2 * Math.ceil(bits / 8), what)
  if (point[0] !== uncompressed) throw invalidPublicValue(what, 'it is not in uncompressed form')
  try {
    return pair.computeSecret(point)
  } catch (error) {
    throw invalidPublicValue(what, 'it is not on the curve', error)
  }
}
