import { inspect } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  encodePrivateKey,
  type GeneratedKeyAlgorithm,
  generatePrivateKey,
  keyTypes,
  type PrivateKey,
  parsePublicKey,
  parseSignature,
} from '../../src/index.js'
import { thrownBy } from './blobs.js'

describe.each(keyTypes.names)('a private key of type %s', (name) => {
  const data = Buffer.from('data')
  let key: PrivateKey

  beforeAll(async () => {
    key = await generatePrivateKey(name as GeneratedKeyAlgorithm, { comment: 'my key' })
  })

  it('signs with its best algorithm unless told, and its public key verifies', () => {
    expect(parseSignature(key.sign(data)).algorithm).toBe(key.signatureAlgorithms[0])
    for (const algorithm of key.signatureAlgorithms) {
      const signature = key.sign(data, algorithm)
      expect(parseSignature(signature).algorithm).toBe(algorithm)
      expect(key.publicKey.verify(data, signature, algorithm)).toBe(true)
      expect(key.publicKey.verify(Buffer.from('date'), signature, algorithm)).toBe(false)
    }
    expect(key.publicKey.verify(new Uint8Array(0), key.sign(new Uint8Array(0)))).toBe(true)
  })

  it('does not sign with an algorithm of another type', () => {
    const others = ['', 'none', name === 'ssh-ed25519' ? 'ssh-rsa' : 'ssh-ed25519']
    for (const other of others) expect(thrownBy(() => key.sign(data, other))?.code).toBe('ERR_SSH_CRYPTO_WRONG_KEY')
  })

  it('is verified by no other key, and under no other name', async () => {
    const other = await generatePrivateKey(name as GeneratedKeyAlgorithm)
    expect(other.publicKey.verify(data, key.sign(data))).toBe(false)
    expect(other.publicKey.equals(key.publicKey)).toBe(false)
    expect(key.publicKey.verify(data, key.sign(data), 'ecdsa-sha2-nistp999')).toBe(false)
  })

  it('shows what it is and no secret when printed or serialised', async () => {
    const printed = [
      inspect(key, { depth: 9, showHidden: true }),
      JSON.stringify(key),
      JSON.stringify({ key }),
      String(key),
    ]
    for (const text of printed.slice(0, 3)) expect(text).toContain(key.getFingerprint())
    const secret = Buffer.from(encodePrivateKey(key)).subarray(
      key.publicKey.blob.length + 8,
      key.publicKey.blob.length + 24,
    )
    for (const text of printed) {
      for (const encoding of ['hex', 'base64', 'base64url', 'latin1'] as const) {
        expect(text).not.toContain(secret.toString(encoding).slice(0, 12))
      }
      expect(text).not.toMatch(/#?(seed|material|keyObject)/)
    }
    expect(inspect(key.publicKey)).toBe(
      `PublicKey {"algorithm":"${name}","fingerprint":"${key.getFingerprint()}","comment":"my key"}`,
    )
  })

  it('H1: shows no control characters of a comment when printed or serialised', () => {
    const hostile = parsePublicKey(key.publicKey.blob, 'a\u001b[2J\u009b\u202eb')
    for (const text of [inspect(hostile), JSON.stringify(hostile)]) {
      expect(text).toContain('\\\\x1b[2J\\\\x9b\\\\u202eb')
      expect(text).not.toMatch(/\p{Cc}|\p{Cf}/u)
    }
  })

  it('has a public key that survives its blob, and owns a copy of it', () => {
    const bytes = Uint8Array.from(key.publicKey.blob)
    const parsed = parsePublicKey(bytes, 'copied')
    bytes.fill(0)
    expect(parsed.equals(key.publicKey)).toBe(true)
    expect(parsed.comment).toBe('copied')
    expect(parsed.verify(data, key.sign(data))).toBe(true)
    expect(key.convertToPublic().equals(parsed)).toBe(true)
  })
})

describe('exportPrivateKey', () => {
  it('refuses formats without room for the key, unknown formats and unknown ciphers', async () => {
    const ed25519 = await generatePrivateKey('ssh-ed25519')
    const ecdsa = await generatePrivateKey('ecdsa-sha2-nistp256')
    const failures = [
      ed25519.exportPrivateKey('pkcs1-pem'),
      ed25519.exportPrivateKey('sec1-pem'),
      ecdsa.exportPrivateKey('pkcs1-pem'),
      ecdsa.exportPrivateKey('ppk' as never),
      ecdsa.exportPrivateKey('sec1-pem', { passphrase: 'x', cipher: 'aes256-ctr' }),
    ]
    for (const failure of failures) await expect(failure).rejects.toMatchObject({ code: 'ERR_SSH_KEY_EXPORT' })
    expect(thrownBy(() => ecdsa.exportPublicKey('pkcs1-pem'))?.code).toBe('ERR_SSH_KEY_EXPORT')
    expect(thrownBy(() => ecdsa.exportPublicKey('ppk' as never))?.code).toBe('ERR_SSH_KEY_EXPORT')
  })
})

describe('generatePrivateKey', () => {
  it('makes Ed25519 keys unless told, and no two the same', async () => {
    const [one, two] = [await generatePrivateKey(), await generatePrivateKey()]
    expect(one).toMatchObject({ algorithm: 'ssh-ed25519', comment: '' })
    expect(one.publicKey.equals(two.publicKey)).toBe(false)
  })

  it('makes RSA keys of the size asked for, at least 2048 bits', async () => {
    const key = await generatePrivateKey('ssh-rsa', { bits: 2048 })
    // string "ssh-rsa", mpint e, and n with the zero that keeps it positive
    expect(key.publicKey.blob).toHaveLength(4 + 7 + 4 + 3 + 4 + 257)
    for (const bits of [0, 1024, 2047.5, 16_385, Number.NaN]) {
      await expect(generatePrivateKey('ssh-rsa', { bits })).rejects.toMatchObject({
        code: 'ERR_SSH_CRYPTO_UNSUPPORTED',
      })
    }
  })

  it('names the types it can make when asked for another', async () => {
    await expect(generatePrivateKey('ssh-dss' as never)).rejects.toThrow(/"ssh-dss".*ssh-ed25519, ecdsa-sha2-nistp256/)
  })
})
