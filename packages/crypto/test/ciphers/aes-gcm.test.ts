import { createCipheriv } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ciphers } from '../../src/index.js'
import { cryptoErrorCode, openPacket } from './packets.js'

const aesGcm = ciphers.get('aes128-gcm@openssh.com')!
const key = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')

describe('AES-GCM', () => {
  it('carries the invocation counter over all of its 64 bits', () => {
    // Made by pyca/cryptography: nonces cafebabe 00000000ffffffff and cafebabe 0000000100000000.
    const expected = [
      '0000001095ba2c9178ed7ca2f5e48bdb20748000bfa36b94573e71e186f05544ebf97537',
      '00000010be25dd4d40951ff0a32d1f1ae5385ca968b2d5ddb0044294425c0b6ed1b6b2c4',
    ]
    const iv = Buffer.from('cafebabe00000000ffffffff', 'hex')
    const sealer = aesGcm.createSealer(key, iv)
    const opener = aesGcm.createOpener(key, iv)
    for (const [index, hex] of expected.entries()) {
      const packet = Buffer.from(`000000100668616e647368616b65a0a1a2a3a4a5${'00'.repeat(16)}`, 'hex')
      expect(sealer.seal(packet, index).toString('hex')).toBe(hex)
      expect(Buffer.from(openPacket(opener, Buffer.from(hex, 'hex'), index)).toString('hex')).toBe(
        '0668616e647368616b65a0a1a2a3a4a5',
      )
    }
  })

  it('wraps the counter from all ones to zero and leaves the fixed field alone', () => {
    const sealer = aesGcm.createSealer(key, Buffer.from('cafebabeffffffffffffffff', 'hex'))
    const fromZero = aesGcm.createSealer(key, Buffer.from('cafebabe0000000000000000', 'hex'))
    const packet = () => Buffer.from(`00000008${'04'.repeat(8)}${'00'.repeat(16)}`, 'hex')
    sealer.seal(packet(), 0)
    expect(sealer.seal(packet(), 1).equals(fromZero.seal(packet(), 0))).toBe(true)
  })

  it.each([4, 8, 12, 13, 14, 15])('refuses a tag cut to %i bytes', (tagLength) => {
    const iv = Buffer.alloc(12)
    const cipher = createCipheriv('aes-128-gcm', key, iv, { authTagLength: tagLength })
    const length = Buffer.from('00000010', 'hex')
    cipher.setAAD(length)
    const body = Buffer.concat([cipher.update(Buffer.alloc(16)), cipher.final()])
    const opener = aesGcm.createOpener(key, iv)
    expect(opener.openLength(length, 0)).toBe(16)
    expect(cryptoErrorCode(() => opener.open(Buffer.concat([length, body, cipher.getAuthTag()]), 0))).toBe(
      'ERR_SSH_CRYPTO_INTEGRITY',
    )
  })
})
