import { checkPrimeSync, createDiffieHellman, createPrivateKey, randomBytes } from 'node:crypto'
import { fromBigInt, toBigInt } from '@ssh/wire'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { initiateDh, respondDh } from '../../src/index.js'
import { dhPair } from '../../src/kex/dh-pair.js'
import { modpGroup14, modpGroup16, modpGroup18 } from '../../src/kex/dh-primes.js'
import { cryptoErrorCode } from '../ciphers/packets.js'

vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>()
  return {
    ...crypto,
    checkPrimeSync: vi.fn(crypto.checkPrimeSync),
    createDiffieHellman: vi.fn(crypto.createDiffieHellman),
    createPrivateKey: vi.fn(crypto.createPrivateKey),
  }
})

beforeEach(() => void vi.clearAllMocks())

describe('the prime of a group', () => {
  it('is not tested when everybody knows it: that takes up to half a minute', () => {
    for (const group of [modpGroup14, modpGroup16, modpGroup18]) {
      const client = initiateDh(group)
      const { publicValue, secret } = respondDh(group, client.publicValue)
      expect(Buffer.compare(client.finish(publicValue), secret)).toBe(0)
    }
    expect(vi.mocked(checkPrimeSync)).not.toHaveBeenCalled()
    expect(vi.mocked(createDiffieHellman)).not.toHaveBeenCalled()
  })

  it.each([
    ['composite', toBigInt(modpGroup14.prime) + 2n],
    ['prime, but not twice a prime and one', 2n ** 521n - 1n],
  ])('is refused when it is %s', (_what, prime) => {
    const group = { prime: fromBigInt(prime), generator: Buffer.of(2), exponentLength: 32 }
    expect(cryptoErrorCode(() => initiateDh(group))).toBe('ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE')
    expect(vi.mocked(checkPrimeSync)).toHaveBeenCalled()
  })

  it('is taken from a stranger when it is safe', () => {
    // The Oakley group of 1536 bits (RFC 3526 §2), which is none of ours.
    const prime = Buffer.from(
      'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd' +
        'ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed' +
        'ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f' +
        '83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca237327ffffffffffffffff',
      'hex',
    )
    const group = { prime, generator: Buffer.of(2), exponentLength: 32 }
    const client = initiateDh(group)
    const { publicValue, secret } = respondDh(group, client.publicValue)
    expect(Buffer.compare(client.finish(publicValue), secret)).toBe(0)
  })
})

describe('a runtime that knows no Diffie-Hellman keys', () => {
  it('gives the same numbers by the older interface', () => {
    const exponent = randomBytes(modpGroup14.exponentLength)
    const pair = dhPair(modpGroup14, exponent)
    vi.mocked(createPrivateKey).mockImplementationOnce(() => {
      throw new Error('unsupported')
    })
    const other = dhPair(modpGroup14, exponent)
    expect(vi.mocked(createDiffieHellman)).toHaveBeenCalledOnce()
    expect(Buffer.compare(pair.publicValue, other.publicValue)).toBe(0)
    expect(Buffer.compare(pair.agree(other.publicValue), other.agree(pair.publicValue))).toBe(0)
  })
})
