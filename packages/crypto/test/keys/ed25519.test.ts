import { describe, expect, it } from 'vitest'
import { encodeSignature, KeyImportError, parsePublicKey } from '../../src/index.js'
import { tweetnaclEd25519 } from '../../src/keys/ed25519-tweetnacl.js'
import { describeWycheproof, type WycheproofTest } from '../kex/wycheproof.js'
import { blob } from './blobs.js'

interface SignatureTest extends WycheproofTest {
  readonly msg: string
  readonly sig: string
}

const name = 'ssh-ed25519'

describeWycheproof<SignatureTest>('ed25519_test.json', (tests) => {
  it('verifies every valid signature and no other, and tweetnacl agrees', () => {
    expect(tests.length).toBeGreaterThan(140)
    for (const { tcId, msg, sig, result, group } of tests) {
      const publicKey = Buffer.from((group.publicKey as { pk: string }).pk, 'hex')
      const [data, signature] = [Buffer.from(msg, 'hex'), Buffer.from(sig, 'hex')]
      const isValid = result === 'valid'
      const key = parsePublicKey(blob(name, publicKey))
      expect(key.verify(data, encodeSignature({ algorithm: name, signature })), `test ${tcId}`).toBe(isValid)
      if (signature.length !== 64) continue
      expect(tweetnaclEd25519.verify(publicKey, data, signature), `test ${tcId}, tweetnacl`).toBe(isValid)
    }
  })
})

describe('ssh-ed25519', () => {
  // RFC 8032 §7.1, TEST 2
  const seed = Buffer.from('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', 'hex')
  const publicKey = Buffer.from('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', 'hex')
  const data = Buffer.from('72', 'hex')
  const signature = Buffer.from(
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
      '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    'hex',
  )

  it.each([0, 31, 33, 64])('refuses a public key of %i bytes', (length) => {
    expect(() => parsePublicKey(blob(name, new Uint8Array(length)))).toThrow(KeyImportError)
  })

  it.each([0, 63, 65, 128])('does not verify a signature of %i bytes', (length) => {
    const wrong = Buffer.concat([signature, signature]).subarray(0, length)
    const key = parsePublicKey(blob(name, publicKey))
    expect(key.verify(data, encodeSignature({ algorithm: name, signature }))).toBe(true)
    expect(key.verify(data, encodeSignature({ algorithm: name, signature: wrong }))).toBe(false)
  })

  it('refuses bytes after the key', () => {
    expect(() => parsePublicKey(blob(name, publicKey, ''))).toThrow(/4 bytes after its last field/)
  })

  it('has a stand-in from tweetnacl that gives the answers of RFC 8032', () => {
    expect(Buffer.from(tweetnaclEd25519.publicKeyOf(seed))).toEqual(publicKey)
    expect(Buffer.from(tweetnaclEd25519.sign(seed, data))).toEqual(signature)
    expect(tweetnaclEd25519.verify(publicKey, data, signature)).toBe(true)
  })
})
