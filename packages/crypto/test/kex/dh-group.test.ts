import { checkPrimeSync, getDiffieHellman } from 'node:crypto'
import { fromBigInt, toBigInt } from '@ssh/wire'
import { describe, expect, it } from 'vitest'
import { kexAlgorithms } from '../../src/index.js'
import { modpGroup14, modpGroup16, modpGroup18 } from '../../src/kex/dh-primes.js'
import { cryptoErrorCode } from '../ciphers/packets.js'

const groups = [
  // The constant c of RFC 3526 §3, §5 and §7, and the distance of the largest power of the generator from the prime.
  { name: 'diffie-hellman-group14-sha256', nodeName: 'modp14', group: modpGroup14, bits: 2048, c: 124476n, gap: 11n },
  { name: 'diffie-hellman-group16-sha512', nodeName: 'modp16', group: modpGroup16, bits: 4096, c: 240904n, gap: 5n },
  { name: 'diffie-hellman-group18-sha512', nodeName: 'modp18', group: modpGroup18, bits: 8192, c: 4743158n, gap: 19n },
]

/** floor(2^bits * pi), by Machin's formula with 64 bits to spare. */
function scaledPi(bits: number): bigint {
  const one = 1n << BigInt(bits + 64)
  const arccot = (x: bigint): bigint => {
    let sum = 0n
    let sign = 1n
    for (let power = one / x, n = 1n; power > 0n; power /= x * x, n += 2n, sign = -sign) sum += (sign * power) / n
    return sum
  }
  return (4n * (4n * arccot(5n) - arccot(239n))) >> 64n
}

describe.each(groups)('$name', ({ name, nodeName, group, bits, c, gap }) => {
  const kex = kexAlgorithms.get(name)!
  const prime = toBigInt(group.prime)

  it('uses the prime of RFC 3526: its formula and node:crypto agree', () => {
    const formula = (1n << BigInt(bits)) - (1n << BigInt(bits - 64)) - 1n + (scaledPi(bits - 130) + c) * (1n << 64n)
    expect(prime === formula).toBe(true)
    expect(getDiffieHellman(nodeName).getPrime().equals(group.prime)).toBe(true)
    expect(Buffer.from(group.generator).toString('hex')).toBe('02')
  })

  it('refuses what is not between 1 and p-1, from either side', () => {
    const client = kex.initiate()
    for (const bad of [0n, 1n, prime - 1n, prime, prime + 1n, prime + 2n, 2n * prime - 2n, 1n << BigInt(bits)]) {
      const value = fromBigInt(bad)
      expect(cryptoErrorCode(() => kex.respond(value))).toBe('ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE')
      expect(cryptoErrorCode(() => client.finish(value))).toBe('ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE')
    }
  })

  it('meets node:crypto on the other side', () => {
    const other = getDiffieHellman(nodeName)
    other.generateKeys()
    const server = kex.respond(other.getPublicKey())
    expect(server.secret).toHaveLength(bits / 8)
    expect(other.computeSecret(server.publicValue).equals(server.secret)).toBe(true)
    const client = kex.initiate()
    expect(Buffer.compare(client.finish(other.getPublicKey()), other.computeSecret(client.publicValue))).toBe(0)
  })

  // Some releases of OpenSSL refuse what is no power of the generator, as no honest peer sends it.
  it('takes the smallest and the largest public value that a peer can have', () => {
    for (const value of [2n, prime - gap]) expect(kex.respond(fromBigInt(value)).secret).toHaveLength(bits / 8)
  })
})

describe('group 14', () => {
  it('is a safe prime', () => {
    const prime = toBigInt(modpGroup14.prime)
    expect(checkPrimeSync(prime) && checkPrimeSync((prime - 1n) / 2n)).toBe(true)
  })
})
