import { createECDH, ECDH } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { kexAlgorithms } from '../../src/index.js'
import { cryptoErrorCode } from '../ciphers/packets.js'
import { scriptedRandom } from './scripted-random.js'
import { describeWycheproof, type WycheproofTest } from './wycheproof.js'

const invalid = 'ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE'

const curves = [
  { name: 'ecdh-sha2-nistp256', nodeName: 'prime256v1', file: 'ecdh_secp256r1_ecpoint_test.json', length: 32 },
  { name: 'ecdh-sha2-nistp384', nodeName: 'secp384r1', file: 'ecdh_secp384r1_ecpoint_test.json', length: 48 },
  { name: 'ecdh-sha2-nistp521', nodeName: 'secp521r1', file: 'ecdh_secp521r1_ecpoint_test.json', length: 66 },
] as const

interface EcpointTest extends WycheproofTest {
  readonly public: string
  readonly private: string
  readonly shared: string
}

/** A private key of Wycheproof, which may have lost or gained leading zeros, at the length that is drawn. */
function atLength(hexNumber: string, length: number): Buffer {
  return Buffer.from(
    BigInt(`0x${hexNumber}`)
      .toString(16)
      .padStart(length * 2, '0'),
    'hex',
  )
}

describe.each(curves)('$name', ({ name, nodeName, file, length }) => {
  const kex = kexAlgorithms.get(name)!

  describeWycheproof<EcpointTest>(file, (tests) => {
    it('holds: every valid point gives its secret, every other is refused', { timeout: 60_000 }, () => {
      expect(tests.length).toBeGreaterThan(200)
      for (const test of tests) {
        const point = Buffer.from(test.public, 'hex')
        const run = () => kex.initiate(scriptedRandom(atLength(test.private, length))).finish(point)
        if (test.result === 'valid') expect(Buffer.from(run()).toString('hex'), `test ${test.tcId}`).toBe(test.shared)
        else expect(cryptoErrorCode(run), `test ${test.tcId}`).toBe(invalid)
      }
    })
  })

  it('sends uncompressed points of full length', () => {
    const { publicValue } = kex.initiate()
    expect(publicValue).toHaveLength(1 + 2 * length)
    expect(publicValue[0]).toBe(4)
  })

  it('refuses compressed and hybrid forms, the point at infinity, and points off the curve', () => {
    const pair = createECDH(nodeName)
    pair.generateKeys()
    const good = pair.getPublicKey()
    const off = Buffer.from(good)
    off[off.length - 1] = (off[off.length - 1] ?? 0) ^ 1
    const tooLarge = Buffer.from(good).fill(0xff, 1)
    const bad = [
      pair.getPublicKey(null, 'compressed'),
      ECDH.convertKey(good, nodeName, undefined, undefined, 'hybrid') as Buffer,
      Buffer.of(0),
      Buffer.concat([Buffer.of(4), Buffer.alloc(2 * length)]),
      off,
      tooLarge,
    ]
    for (const point of bad) {
      expect(cryptoErrorCode(() => kex.respond(point))).toBe(invalid)
      expect(cryptoErrorCode(() => kex.initiate().finish(point))).toBe(invalid)
    }
    expect(kex.respond(good).secret).toHaveLength(length)
  })

  it('draws again when a draw is no private key, and gives up on a broken source', () => {
    const zero = Buffer.alloc(length)
    const one = Buffer.alloc(length)
    one[length - 1] = 1
    const generator = kex.initiate(scriptedRandom(zero, zero, one)).publicValue
    expect(Buffer.compare(generator, kex.initiate(scriptedRandom(one)).publicValue)).toBe(0)
    expect(() => kex.initiate({ bytes: (size) => new Uint8Array(size) })).toThrow('source of randomness is broken')
  })
})

describe('P-521', () => {
  it('uses just 521 of the 528 bits it draws', () => {
    const draw = Buffer.alloc(66, 0x11)
    const same = Buffer.from(draw)
    same[0] = 0xf1
    const p521 = kexAlgorithms.get('ecdh-sha2-nistp521')!
    expect(
      Buffer.compare(p521.initiate(scriptedRandom(draw)).publicValue, p521.initiate(scriptedRandom(same)).publicValue),
    ).toBe(0)
  })
})
