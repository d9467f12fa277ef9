import { createCipheriv } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { poly1305 } from '../../src/ciphers/poly1305.js'
import { ciphers } from '../../src/index.js'
import { openPacket } from './packets.js'

describe('chacha20-poly1305@openssh.com', () => {
  const chacha = ciphers.get('chacha20-poly1305@openssh.com')!
  const key = Uint8Array.from(Array(64).keys())
  const plain = '000000100668616e647368616b65a0a1a2a3a4a5'
  // Put together from pyca/cryptography's ChaCha20 and Poly1305 after PROTOCOL.chacha20poly1305.
  const sealed = '650d36d5038d0351db0b239b979d2dc1c0f10844e91413c55bbfd9d5e65f422d1dd35d3b'
  const sequenceNumber = 0x80000001

  it('seals to what another implementation makes', () => {
    const packet = Buffer.from(plain + '00'.repeat(16), 'hex')
    expect(chacha.createSealer(key, Buffer.alloc(0)).seal(packet, sequenceNumber).toString('hex')).toBe(sealed)
  })

  it('opens what another implementation makes', () => {
    const body = openPacket(chacha.createOpener(key, Buffer.alloc(0)), Buffer.from(sealed, 'hex'), sequenceNumber)
    expect(Buffer.from(body).toString('hex')).toBe(plain.slice(8))
  })
})

describe('poly1305', () => {
  it('agrees with RFC 8439 §2.5.2', () => {
    const key = Buffer.from('85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b', 'hex')
    const tag = poly1305(Buffer.from('Cryptographic Forum Research Group'), key)
    expect(Buffer.from(tag).toString('hex')).toBe('a8061dc1305136c6c22b8baf0c0127a9')
  })

  it('agrees with the Poly1305 inside node:crypto at many sizes', () => {
    for (const size of [0, 1, 15, 16, 17, 31, 32, 63, 64, 65, 1000, 32_768]) {
      const key = Buffer.alloc(32, size)
      const nonce = Buffer.alloc(12, 9)
      const aead = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
      const ciphertext = aead.update(Buffer.alloc(size, 0xf0))
      aead.final()
      // RFC 8439 §2.6 and §2.8: the tag's key is block 0, and the tag covers ciphertext, padding and two lengths.
      const counterZero = Buffer.concat([Buffer.alloc(4), nonce])
      const tagKey = createCipheriv('chacha20', key, counterZero).update(Buffer.alloc(32))
      const lengths = Buffer.alloc(16)
      lengths.writeBigUInt64LE(BigInt(size), 8)
      const covered = Buffer.concat([ciphertext, Buffer.alloc((16 - (size % 16)) % 16), lengths])
      expect(aead.getAuthTag().equals(poly1305(covered, tagKey))).toBe(true)
    }
  })
})
