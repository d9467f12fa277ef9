import { describe, expect, it } from 'vitest'
import { type AlgorithmRow, ciphers, compressionAlgorithms, kexAlgorithms, macs, registry } from '../src/index.js'

const row = (name: string, facts: Partial<AlgorithmRow> = {}): AlgorithmRow => ({ name, status: 'default', ...facts })

describe('registry', () => {
  it('keeps the order of declaration and offers only the rows with status default', () => {
    const table = registry(row('b'), row('a', { status: 'supported' }), row('c'), row('d', { status: 'legacy' }))
    expect(table.names).toEqual(['b', 'a', 'c', 'd'])
    expect(table.defaultNames).toEqual(['b', 'c'])
    expect(table.get('a')?.status).toBe('supported')
  })

  it('refuses a name that is declared twice', () => {
    expect(() => registry(row('a'), row('a'))).toThrow('a is declared twice')
  })

  it('knows no name that only Object.prototype knows', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      expect(ciphers.has(name)).toBe(false)
      expect(ciphers.get(name)).toBeUndefined()
    }
  })

  it('treats a row that the runtime cannot compute as absent, and asks once, on first use', () => {
    let questions = 0
    const isAvailable = () => {
      questions++
      return false
    }
    const table = registry(row('a', { isAvailable }), row('b'))
    expect(questions).toBe(0)
    expect(table.names).toEqual(['b'])
    expect(table.defaultNames).toEqual(['b'])
    expect(table.has('a')).toBe(false)
    expect(table.get('a')).toBeUndefined()
    expect(table.rows).toHaveLength(2)
    expect(questions).toBe(1)
  })
})

describe('the default offer', () => {
  it('prefers AES-GCM to ChaCha20 to CTR and has no CBC', () => {
    expect(ciphers.defaultNames).toEqual([
      'aes128-gcm@openssh.com',
      'aes256-gcm@openssh.com',
      'chacha20-poly1305@openssh.com',
      'aes128-ctr',
      'aes192-ctr',
      'aes256-ctr',
    ])
    expect(ciphers.names.filter((name) => /cbc|none|arcfour/.test(name))).toEqual([])
  })

  it('prefers encrypt-then-MAC and has SHA-1 last', () => {
    expect(macs.defaultNames).toEqual([
      'hmac-sha2-256-etm@openssh.com',
      'hmac-sha2-512-etm@openssh.com',
      'hmac-sha2-256',
      'hmac-sha2-512',
      'hmac-sha1-etm@openssh.com',
      'hmac-sha1',
    ])
  })

  it('begins key exchange with the post-quantum hybrid', () => {
    expect(kexAlgorithms.defaultNames).toEqual([
      'mlkem768x25519-sha256',
      'curve25519-sha256',
      'curve25519-sha256@libssh.org',
      'ecdh-sha2-nistp256',
      'ecdh-sha2-nistp384',
      'ecdh-sha2-nistp521',
      'diffie-hellman-group14-sha256',
      'diffie-hellman-group16-sha512',
      'diffie-hellman-group18-sha512',
    ])
  })

  it('marks as costly exactly the large Diffie-Hellman groups', () => {
    expect(kexAlgorithms.rows.filter((kex) => kex.isCostly).map((kex) => kex.name)).toEqual([
      'diffie-hellman-group16-sha512',
      'diffie-hellman-group18-sha512',
    ])
  })

  it('compresses nothing', () => {
    expect(compressionAlgorithms.names).toEqual(['none'])
    const none = compressionAlgorithms.get('none')
    expect(none?.createCompressor()).toBeUndefined()
    expect(none?.createDecompressor()).toBeUndefined()
  })
})
