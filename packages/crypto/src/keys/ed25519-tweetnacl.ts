/** Ed25519 where node:crypto has none (a FIPS build, some other runtimes), and the second opinion of the tests. */

import nacl from 'tweetnacl'

export const tweetnaclEd25519 = {
  /** The public key of a 32-byte seed. */
  publicKeyOf: (seed: Uint8Array): Uint8Array => nacl.sign.keyPair.fromSeed(seed).publicKey,

  sign: (seed: Uint8Array, data: Uint8Array): Uint8Array =>
    nacl.sign.detached(data, nacl.sign.keyPair.fromSeed(seed).secretKey),

  /** @param signature 64 bytes; @param publicKey 32 bytes */
  verify: (publicKey: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean =>
    isReduced(signature.subarray(32)) && nacl.sign.detached.verify(data, signature, publicKey),
}

/** Order of the base point, little-endian as in a signature (RFC 8032 §5.1). */
const groupOrder = Buffer.from('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010', 'hex')

/** RFC 8032 §5.1.7: S below the order. tweetnacl does not look, and would let one signature have several forms. */
function isReduced(scalar: Uint8Array): boolean {
  for (let index = 31; index >= 0; index--) {
    const difference = (scalar[index] ?? 0) - (groupOrder[index] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
