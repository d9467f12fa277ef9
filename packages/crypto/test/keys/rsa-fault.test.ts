import { sign } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { generatePrivateKey } from '../../src/index.js'

vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>()
  return { ...crypto, sign: vi.fn(crypto.sign) }
})

describe('ssh-rsa', () => {
  it('throws a faulty signature of its own away instead of returning it', async () => {
    const key = await generatePrivateKey('ssh-rsa', { bits: 2048 })
    const data = Buffer.from('data')
    expect(key.publicKey.verify(data, key.sign(data))).toBe(true)
    const actual = vi.mocked(sign).getMockImplementation()!
    vi.mocked(sign).mockImplementationOnce((...inputs: Parameters<typeof sign>) => {
      const signature = actual(...inputs) as unknown as Buffer
      signature[10]! ^= 1
      return signature as never
    })
    expect(() => key.sign(data)).toThrow(expect.objectContaining({ code: 'ERR_SSH_CRYPTO_INVALID_SIGNATURE' }))
  })
})
