import { describe, expect, it } from 'vitest'
import { hasNodeCipher } from '../../src/ciphers/node-cipher.js'
import { ciphers, macs } from '../../src/index.js'
import { openPacket } from './packets.js'

describe('AES-CTR with a MAC over the plaintext', () => {
  const key = Uint8Array.from(Array(32).keys())
  // The counter runs over into its first byte after two blocks.
  const iv = Buffer.from(`${'ff'.repeat(15)}fe`, 'hex')
  const mac = () => macs.get('hmac-sha2-256')!.create(Buffer.alloc(32, 0x0b))
  const plain = '0000001c1268616e647368616b65a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1'
  // Made by pyca/cryptography and Python's hmac.
  const sealed =
    '63e5b41ea77629b39e9e91bff2a987e54b3a40b8ea00d873f92cbdd6f320e75f' +
    '44b53dbbc953195d5b7377522a45e93250c06437ea53afabe5113917c4e2b875'

  it('seals to what another implementation makes', () => {
    const sealer = ciphers.get('aes256-ctr')!.createSealer(key, iv, mac())
    expect(sealer.seal(Buffer.from(plain + '00'.repeat(32), 'hex'), 7).toString('hex')).toBe(sealed)
  })

  it('opens what another implementation makes', () => {
    const opener = ciphers.get('aes256-ctr')!.createOpener(key, iv, mac())
    expect(Buffer.from(openPacket(opener, Buffer.from(sealed, 'hex'), 7)).toString('hex')).toBe(plain.slice(8))
  })
})

describe('hasNodeCipher', () => {
  it('tells what the runtime has from what it lacks', () => {
    expect(hasNodeCipher('aes-128-ctr', 16, 16)).toBe(true)
    expect(hasNodeCipher('aes-128-gcm', 16, 12)).toBe(true)
    expect(hasNodeCipher('rot-13', 16, 16)).toBe(false)
  })
})
