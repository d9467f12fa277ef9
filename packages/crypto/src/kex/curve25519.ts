/** Key exchange with X25519: RFC 8731. */

import type { KexAlgorithm } from './kex.js'
import { x25519KeyPair } from './x25519.js'

/** A row for X25519; the same algorithm goes by two names. */
export function curve25519(facts: Pick<KexAlgorithm, 'name' | 'status' | 'source'>): KexAlgorithm {
  return {
    ...facts,
    hash: 'sha256',
    publicValueEncoding: 'string',
    secretEncoding: 'mpint',
    initiate(random) {
      const pair = x25519KeyPair(random)
      return { publicValue: pair.publicKey, finish: pair.agree }
    },
    respond(clientPublicValue, random) {
      const pair = x25519KeyPair(random)
      return { secret: pair.agree(clientPublicValue), publicValue: pair.publicKey }
    },
  }
}
