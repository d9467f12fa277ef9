import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { encodeSignature, importPrivateKey, importPublicKey, parsePublicKey, parseSignature } from '../../src/index.js'
import { describeWycheproof, type WycheproofTest } from '../kex/wycheproof.js'
import { blob, mpintBytes, thrownBy } from './blobs.js'

const files = [
  { file: 'rsa_signature_2048_sha256_test.json', algorithm: 'rsa-sha2-256' },
  { file: 'rsa_signature_2048_sha512_test.json', algorithm: 'rsa-sha2-512' },
  { file: 'rsa_signature_4096_sha256_test.json', algorithm: 'rsa-sha2-256' },
  { file: 'rsa_signature_4096_sha512_test.json', algorithm: 'rsa-sha2-512' },
]

interface SignatureTest extends WycheproofTest {
  readonly msg: string
  readonly sig: string
}

describe.each(files)('ssh-rsa and $algorithm', ({ file, algorithm }) => {
  describeWycheproof<SignatureTest>(file, (tests) => {
    it('holds: every valid signature verifies, no invalid one does', () => {
      expect(tests.length).toBeGreaterThan(250)
      for (const { tcId, msg, sig, result, group } of tests) {
        const { modulus, publicExponent } = group.publicKey as { modulus: string; publicExponent: string }
        const [e, n] = [publicExponent, modulus].map((hex) => mpintBytes(Buffer.from(hex, 'hex')))
        const key = parsePublicKey(blob('ssh-rsa', e!, n!))
        const signature = encodeSignature({ algorithm, signature: Buffer.from(sig, 'hex') })
        if (result === 'acceptable') continue
        expect(key.verify(Buffer.from(msg, 'hex'), signature, algorithm), `test ${tcId}`).toBe(result === 'valid')
      }
    })
  })
})

describe('ssh-rsa', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const key = importPublicKey(publicKey.export({ type: 'spki', format: 'pem' }).toString())
  const data = Buffer.from('data')

  const parse = (n: Uint8Array, e: Uint8Array) =>
    thrownBy(() => parsePublicKey(blob('ssh-rsa', mpintBytes(e), mpintBytes(n))))?.code
  const modulus = (bits: number) => {
    const bytes = Buffer.alloc(Math.ceil(bits / 8))
    bytes[0] = 1 << ((bits - 1) % 8)
    bytes[bytes.length - 1]! |= 1
    return bytes
  }
  const exponent = Buffer.of(1, 0, 1)

  it('reads moduli of 1024 to 16384 bits and no others', () => {
    for (const bits of [1024, 3071, 16_384]) expect(parse(modulus(bits), exponent)).toBeUndefined()
    for (const bits of [1023, 16_385, 32_768]) expect(parse(modulus(bits), exponent)).toBe('ERR_SSH_KEY_IMPORT')
  })

  it('refuses an even modulus, and an exponent that is even, below 3 or longer than 32 bits', () => {
    const even = modulus(2048)
    even[even.length - 1] = 2
    expect(parse(even, exponent)).toBe('ERR_SSH_KEY_IMPORT')
    expect(parse(modulus(2048), Buffer.of(3))).toBeUndefined()
    for (const e of [[], [1], [2], [4], [1, 0, 0], [1, 0, 0, 0, 1]]) {
      expect(parse(modulus(2048), Buffer.from(e)), String(e)).toBe('ERR_SSH_KEY_IMPORT')
    }
  })

  it('accepts a signature without its leading zeros and refuses one that is longer than the modulus', () => {
    // One signature in 256 begins with a zero byte.
    let found: { message: Buffer; signature: Buffer } | undefined
    for (let index = 0; found === undefined; index++) {
      const message = Buffer.from(`message ${index}`)
      const signature = sign('sha512', message, privateKey)
      if (signature[0] === 0) found = { message, signature }
    }
    const { message, signature } = found
    const verify = (bytes: Uint8Array) =>
      key.verify(message, encodeSignature({ algorithm: 'rsa-sha2-512', signature: bytes }))
    expect(verify(signature)).toBe(true)
    expect(verify(signature.subarray(1))).toBe(true)
    expect(verify(Buffer.concat([Buffer.alloc(1), signature]))).toBe(false)
    expect(verify(signature.subarray(2))).toBe(false)
    expect(verify(new Uint8Array(0))).toBe(false)
    expect(verify(new Uint8Array(100_000))).toBe(false)
  })

  it('verifies only the algorithm that was agreed, and SHA-1 only when it was', async () => {
    const own = await importPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
    const algorithms = ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa']
    expect(own.signatureAlgorithms).toEqual(algorithms)
    for (const made of algorithms) {
      const signature = own.sign(data, made)
      for (const agreed of algorithms) expect(key.verify(data, signature, agreed)).toBe(agreed === made)
      expect(key.verify(data, signature)).toBe(made !== 'ssh-rsa')
      // The same bytes under another name are a signature over another hash.
      const renamed = { ...parseSignature(signature), algorithm: made === 'ssh-rsa' ? 'rsa-sha2-256' : 'ssh-rsa' }
      expect(key.verify(data, encodeSignature(renamed), renamed.algorithm)).toBe(false)
    }
    expect(parseSignature(own.sign(data)).algorithm).toBe('rsa-sha2-512')
  })

  it('refuses private numbers that do not belong together', async () => {
    const own = await importPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
    const jwk = privateKey.export({ format: 'jwk' })
    const { rsa } = await import('../../src/keys/rsa.js')
    expect(rsa.privateFromJwk(jwk).publicMaterial.blob).toEqual(own.publicKey.blob)
    for (const name of ['n', 'e', 'd', 'p', 'q', 'qi'] as const) {
      const bytes = Buffer.from(jwk[name]!, 'base64url')
      bytes[0]! ^= 2
      expect(thrownBy(() => rsa.privateFromJwk({ ...jwk, [name]: bytes.toString('base64url') }))?.code, name).toBe(
        'ERR_SSH_KEY_IMPORT',
      )
    }
    for (const factor of ['', 'AQ', 'Ag']) {
      expect(thrownBy(() => rsa.privateFromJwk({ ...jwk, p: factor }))?.code).toBe('ERR_SSH_KEY_IMPORT')
    }
  })
})
