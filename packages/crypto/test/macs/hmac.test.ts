import { describe, expect, it } from 'vitest'
import { macs } from '../../src/index.js'

/** RFC 2202 §3 and RFC 4231 §4: the first four bytes of the data stand in for the sequence number. */
const vectors = [
  {
    key: Buffer.from('Jefe'),
    data: Buffer.from('what do ya want for nothing?'),
    sha1: 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79',
    sha256: '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    sha512:
      '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
  },
  {
    key: Buffer.alloc(20, 0xaa),
    data: Buffer.alloc(50, 0xdd),
    sha1: '125d7342b9ac11cd91a39af48aa17b4f63f175d3',
    sha256: '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
    sha512:
      'fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb',
  },
] as const

const rows = [
  ['hmac-sha1', 'sha1', 20, false],
  ['hmac-sha2-256', 'sha256', 32, false],
  ['hmac-sha2-512', 'sha512', 64, false],
  ['hmac-sha1-etm@openssh.com', 'sha1', 20, true],
  ['hmac-sha2-256-etm@openssh.com', 'sha256', 32, true],
  ['hmac-sha2-512-etm@openssh.com', 'sha512', 64, true],
] as const

describe.each(rows)('%s', (name, hash, length, isEncryptThenMac) => {
  const mac = macs.get(name)!

  it('has the key and tag sizes of its hash, and says what it covers', () => {
    expect([mac.keyLength, mac.length, mac.isEncryptThenMac]).toEqual([length, length, isEncryptThenMac])
  })

  it.each(vectors)('agrees with the RFC, in one part or several', ({ key, data, ...expected }) => {
    const keyed = mac.create(key)
    const sequenceNumber = data.readUInt32BE(0)
    expect(keyed.compute(sequenceNumber, data.subarray(4)).toString('hex')).toBe(expected[hash])
    expect(keyed.compute(sequenceNumber, data.subarray(4, 9), data.subarray(9)).toString('hex')).toBe(expected[hash])
  })
})
