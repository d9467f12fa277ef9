import { createPrivateKey, sign } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { generatePrivateKey, importPrivateKey, importPublicKey, parsePublicKey } from '../../src/index.js'
import { thrownBy } from './blobs.js'

// A node:crypto without Ed25519, as in some FIPS builds.
vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>()
  const refuse = (run: (...inputs: never[]) => unknown) =>
    vi.fn((input: unknown) => {
      if (/Ed25519|065700/i.test(JSON.stringify(input))) throw new Error('unsupported')
      if (Buffer.isBuffer((input as { key?: unknown }).key)) throw new Error('unsupported')
      return run(input as never)
    })
  return {
    ...crypto,
    createPrivateKey: refuse(crypto.createPrivateKey),
    createPublicKey: refuse(crypto.createPublicKey),
    sign: vi.fn(crypto.sign),
    verify: vi.fn(crypto.verify),
  }
})

describe('ssh-ed25519 where node:crypto has none', () => {
  it('signs, verifies, and reads and writes OpenSSH files with tweetnacl', async () => {
    const key = await generatePrivateKey('ssh-ed25519', { comment: 'fallback' })
    const data = Buffer.from('data')
    const signature = key.sign(data)
    expect(key.publicKey.verify(data, signature)).toBe(true)
    expect(parsePublicKey(key.publicKey.blob).verify(Buffer.from('other'), signature)).toBe(false)
    const read = await importPrivateKey(await key.exportPrivateKey())
    expect(read.publicKey.equals(key.publicKey)).toBe(true)
    expect(importPublicKey(key.exportPublicKey()).equals(key.publicKey)).toBe(true)
    expect(vi.mocked(sign)).not.toHaveBeenCalled()
    expect(vi.mocked(createPrivateKey)).toHaveBeenCalled()
  })

  it('says that it cannot write PEM', async () => {
    const key = await generatePrivateKey('ssh-ed25519')
    expect(thrownBy(() => key.exportPublicKey('pkcs8-pem'))?.code).toBe('ERR_SSH_CRYPTO_UNSUPPORTED')
    await expect(key.exportPrivateKey('pkcs8-pem')).rejects.toMatchObject({ code: 'ERR_SSH_CRYPTO_UNSUPPORTED' })
  })
})
