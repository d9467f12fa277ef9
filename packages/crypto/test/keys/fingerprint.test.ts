import { describe, expect, it } from 'vitest'
import { importPublicKey } from '../../src/index.js'

// Printed by ssh-keygen -l -E for this key.
const key = importPublicKey('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM')

describe('getFingerprint', () => {
  it('is what ssh-keygen prints', () => {
    expect(key.getFingerprint()).toBe('SHA256:F34nin7tcaYH6WR5LSWSfj6weFBPfBpuyUUoPFP9YjA')
    expect(key.getFingerprint('sha512')).toBe(
      'SHA512:rw/fAkRkG53LKf8uOmPBwgKcQNezLKyrz2bCez2FFgCTGMhL5HU2heL/9qpsZwQ3NAqkuOAKYChwDA2EknQZJQ',
    )
    expect(key.getFingerprint('sha1')).toBe('SHA1:SQ2bc4yQSrWjZY7MOAEHsEvT1tc')
    expect(key.getFingerprint('md5')).toBe('MD5:36:07:c7:33:0e:32:99:88:c4:d5:a7:0d:2d:76:11:b5')
  })
})
