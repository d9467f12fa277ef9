import { createHash } from 'node:crypto'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { seededRandom } from '@ssh/testkit'
import nacl from 'tweetnacl'
import { describe, expect, it } from 'vitest'
import { kexAlgorithms } from '../../src/index.js'
import { cryptoErrorCode } from '../ciphers/packets.js'
import { scriptedRandom } from './scripted-random.js'
import { describeWycheproof, type WycheproofTest } from './wycheproof.js'

const kex = kexAlgorithms.get('mlkem768x25519-sha256')!
const invalid = 'ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE'
const bytes = (hex: string) => Buffer.from(hex, 'hex')

// One X25519 pair for each side; the vectors say nothing of it.
const random = seededRandom('hybrid')
const [clientScalar, serverScalar] = [random.bytes(32), random.bytes(32)]
const clientPoint = nacl.scalarMult.base(clientScalar)
const serverPoint = nacl.scalarMult.base(serverScalar)
const classical = nacl.scalarMult(clientScalar, serverPoint)
const combined = (postQuantum: Buffer) => createHash('sha256').update(postQuantum).update(classical).digest('hex')

interface DecapsulationTest extends WycheproofTest {
  readonly seed: string
  readonly ek?: string
  readonly c: string
  readonly K: string
}

interface EncapsulationTest extends WycheproofTest {
  readonly m: string
  readonly ek: string
  readonly c: string
  readonly K: string
}

describeWycheproof<DecapsulationTest>('mlkem_768_test.json', (tests) => {
  it('holds for the client: right secrets, bad sizes refused', () => {
    expect(tests.length).toBeGreaterThan(150)
    for (const test of tests) {
      const seed = bytes(test.seed)
      if (seed.length !== 64) {
        // Seeds are our own draws; the script refuses another size before the algorithm sees it.
        expect(test.result).toBe('invalid')
        continue
      }
      const client = kex.initiate(scriptedRandom(seed, clientScalar))
      if (test.ek !== undefined) {
        expect(Buffer.from(client.publicValue.subarray(0, 1184)).toString('hex')).toBe(test.ek)
      }
      const run = () => client.finish(Buffer.concat([bytes(test.c), serverPoint]))
      if (test.result === 'valid') {
        expect(Buffer.from(run()).toString('hex'), `test ${test.tcId}`).toBe(combined(bytes(test.K)))
      } else {
        expect(cryptoErrorCode(run), `test ${test.tcId}`).toBe(invalid)
      }
    }
  })
})

describeWycheproof<EncapsulationTest>('mlkem_768_encaps_test.json', (tests) => {
  it('holds for the server: right secrets, bad sizes and coefficients past the modulus refused', () => {
    expect(tests.length).toBeGreaterThan(200)
    for (const test of tests) {
      const run = () =>
        kex.respond(Buffer.concat([bytes(test.ek), clientPoint]), scriptedRandom(serverScalar, bytes(test.m)))
      if (test.result === 'valid') {
        const { publicValue, secret } = run()
        expect(Buffer.from(publicValue).toString('hex'), `test ${test.tcId}`).toBe(
          test.c + Buffer.from(serverPoint).toString('hex'),
        )
        expect(Buffer.from(secret).toString('hex'), `test ${test.tcId}`).toBe(combined(bytes(test.K)))
      } else {
        expect(cryptoErrorCode(run), `test ${test.tcId}`).toBe(invalid)
      }
    }
  })
})

describe('mlkem768x25519-sha256', () => {
  it('lays out its public values and its secret as the draft says', () => {
    const client = kex.initiate()
    const server = kex.respond(client.publicValue)
    expect(client.publicValue).toHaveLength(1184 + 32)
    expect(server.publicValue).toHaveLength(1088 + 32)
    expect(server.secret).toHaveLength(32)
    expect([kex.publicValueEncoding, kex.secretEncoding]).toEqual(['string', 'string'])
  })

  it('puts the post-quantum part first, on the wire and in the secret', () => {
    const seed = random.bytes(64)
    const keys = ml_kem768.keygen(seed)
    const client = kex.initiate(scriptedRandom(seed, clientScalar))
    expect(Buffer.concat([keys.publicKey, clientPoint]).equals(client.publicValue)).toBe(true)
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(keys.publicKey)
    const secret = client.finish(Buffer.concat([cipherText, serverPoint]))
    expect(Buffer.from(secret).toString('hex')).toBe(combined(Buffer.from(sharedSecret)))
  })

  it('refuses a point of low order on either side, whatever the post-quantum part', () => {
    const client = kex.initiate()
    const server = kex.respond(client.publicValue)
    const lowOrder = Buffer.alloc(32)
    lowOrder[0] = 1
    const hostileKey = Buffer.concat([client.publicValue.subarray(0, 1184), lowOrder])
    const hostileReply = Buffer.concat([server.publicValue.subarray(0, 1088), lowOrder])
    expect(cryptoErrorCode(() => kex.respond(hostileKey))).toBe(invalid)
    expect(cryptoErrorCode(() => client.finish(hostileReply))).toBe(invalid)
  })

  it('gives the two sides different secrets when the ciphertext was changed on its way', () => {
    const client = kex.initiate()
    const server = kex.respond(client.publicValue)
    const changed = Buffer.from(server.publicValue)
    changed[500] = (changed[500] ?? 0) ^ 1
    expect(Buffer.compare(client.finish(changed), server.secret)).not.toBe(0)
  })
})
