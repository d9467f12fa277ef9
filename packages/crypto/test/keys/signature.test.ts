import { describe, expect, it } from 'vitest'
import { encodeSignature, keyTypes, parseSignature, signatureAlgorithms } from '../../src/index.js'
import { blob, thrownBy } from './blobs.js'

describe('signatureAlgorithms', () => {
  it('offers Ed25519 first and SHA-1 only when asked by name', () => {
    expect(signatureAlgorithms.defaultNames).toEqual([
      'ssh-ed25519',
      'ecdsa-sha2-nistp256',
      'ecdsa-sha2-nistp384',
      'ecdsa-sha2-nistp521',
      'rsa-sha2-512',
      'rsa-sha2-256',
    ])
    expect(signatureAlgorithms.get('ssh-rsa')?.status).toBe('legacy')
  })

  it('has an algorithm for every key type, and a key type for every algorithm', () => {
    expect(keyTypes.rows.flatMap((type) => type.signatureAlgorithms)).toEqual(signatureAlgorithms.names)
    for (const { keyType } of signatureAlgorithms.rows) expect(keyTypes.has(keyType)).toBe(true)
  })
})

describe('a signature blob', () => {
  it('is a name and a string', () => {
    const bytes = encodeSignature({ algorithm: 'ssh-ed25519', signature: Uint8Array.of(1, 2) })
    expect(Buffer.from(bytes)).toEqual(Buffer.from(blob('ssh-ed25519', Uint8Array.of(1, 2))))
    const { algorithm, signature } = parseSignature(bytes)
    expect([algorithm, ...signature]).toEqual(['ssh-ed25519', 1, 2])
  })

  it.each([
    ['nothing', new Uint8Array(0)],
    ['a name alone', blob('ssh-ed25519')],
    ['bytes at the end', Buffer.concat([blob('ssh-ed25519', 'x'), Buffer.alloc(1)])],
    ['a name that is no ASCII', blob(Uint8Array.of(0xff), 'x')],
    ['a length beyond its end', Buffer.from('ffffffff00', 'hex')],
  ])('is refused when it is %s', (_what, bytes) => {
    expect(thrownBy(() => parseSignature(bytes))?.code).toBe('ERR_SSH_CRYPTO_INVALID_SIGNATURE')
  })
})
