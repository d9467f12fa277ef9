import type { createECDH } from 'node:crypto'
import { expect, it, vi } from 'vitest'
import { importPrivateKey, kexAlgorithms, keyTypes, signatureAlgorithms } from '../src/index.js'

// A node:crypto without P-521, as Deno's.
vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>()
  const refuse: typeof createECDH = (name) => {
    if (name === 'secp521r1') throw new Error('invalid curve')
    return crypto.createECDH(name)
  }
  return { ...crypto, createECDH: refuse }
})

it('neither offers nor takes what needs a curve that the runtime lacks', async () => {
  for (const { names } of [kexAlgorithms, keyTypes, signatureAlgorithms]) {
    expect(names.filter((name) => name.includes('nistp521'))).toEqual([])
    expect(names.filter((name) => name.includes('nistp384'))).toHaveLength(1)
  }
  const { generateKeyPairSync } = await vi.importActual<typeof import('node:crypto')>('node:crypto')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp521r1' })
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' })
  await expect(importPrivateKey(pem)).rejects.toMatchObject({ name: 'KeyImportError' })
})
