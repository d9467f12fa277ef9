import { createPrivateKey } from 'node:crypto'
import { seededRandom } from '@ssh/testkit'
import nacl from 'tweetnacl'
import { describe, expect, it } from 'vitest'
import { kexAlgorithms } from '../../src/index.js'
import { agreeNatively, nativeKeyPair, portableKeyPair } from '../../src/kex/x25519.js'
import { cryptoErrorCode } from '../ciphers/packets.js'
import { describeWycheproof, type WycheproofTest } from './wycheproof.js'

const invalid = 'ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE'
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** A private key of node:crypto from raw bytes. */
function importNatively(privateKey: Uint8Array) {
  const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), privateKey])
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

/** Both implementations behind one face: private key and peer's public key in, secret out. */
const implementations = [
  { name: 'node:crypto', agree: (own: Buffer, peer: Buffer) => agreeNatively(importNatively(own), peer) },
  { name: 'tweetnacl', agree: (own: Buffer, peer: Buffer) => portableKeyPair(own).agree(peer) },
]

interface XdhTest extends WycheproofTest {
  readonly public: string
  readonly private: string
  readonly shared: string
}

describeWycheproof<XdhTest>('x25519_test.json', (tests) => {
  it.each(implementations)('holds for $name: every secret right, every zero secret refused', ({ agree }) => {
    expect(tests.length).toBeGreaterThan(500)
    for (const test of tests) {
      const run = () => agree(Buffer.from(test.private, 'hex'), Buffer.from(test.public, 'hex'))
      if (test.flags.includes('ZeroSharedSecret')) expect(cryptoErrorCode(run), `test ${test.tcId}`).toBe(invalid)
      else expect(hex(run()), `test ${test.tcId}`).toBe(test.shared)
    }
  })
})

describe('X25519', () => {
  it.each(implementations)('agrees with RFC 7748 §5.2 by $name', ({ agree }) => {
    const scalar = Buffer.from('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4', 'hex')
    const point = Buffer.from('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c', 'hex')
    expect(hex(agree(scalar, point))).toBe('c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552')
  })

  it('gives the same secrets by node:crypto as by tweetnacl', () => {
    const random = seededRandom('x25519')
    for (let round = 0; round < 50; round++) {
      const [a, b] = [Buffer.from(random.bytes(32)), Buffer.from(random.bytes(32))]
      const publicB = Buffer.from(nacl.scalarMult.base(b))
      expect(hex(agreeNatively(importNatively(a), publicB))).toBe(hex(nacl.scalarMult(a, publicB)))
    }
  })

  it('lets a pair of one implementation meet a pair of the other', () => {
    const native = nativeKeyPair()!
    const portable = portableKeyPair(seededRandom('portable').bytes(32))
    expect(native.publicKey).toHaveLength(32)
    expect(hex(native.agree(portable.publicKey))).toBe(hex(portable.agree(native.publicKey)))
  })

  it('goes by two names for one algorithm', () => {
    const client = kexAlgorithms.get('curve25519-sha256')!.initiate()
    const server = kexAlgorithms.get('curve25519-sha256@libssh.org')!.respond(client.publicValue)
    expect(hex(client.finish(server.publicValue))).toBe(hex(server.secret))
  })
})
