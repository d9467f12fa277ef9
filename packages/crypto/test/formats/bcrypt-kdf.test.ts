import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { bcryptKdf } from '../../src/formats/bcrypt-kdf.js'

/** The whole derivation as the package has it: blocking, but a second opinion. */
const { pbkdf } = createRequire(import.meta.url)('bcrypt-pbkdf') as {
  pbkdf(
    passphrase: Uint8Array,
    passphraseLength: number,
    salt: Uint8Array,
    saltLength: number,
    key: Uint8Array,
    keyLength: number,
    rounds: number,
  ): number
}

describe('bcryptKdf', () => {
  it.each([
    { length: 1, rounds: 1 },
    { length: 32, rounds: 3 },
    { length: 33, rounds: 2 },
    { length: 48, rounds: 2 },
    { length: 64, rounds: 1 },
    { length: 100, rounds: 2 },
  ])('gives what the whole derivation gives: $length bytes after $rounds rounds', async ({ length, rounds }) => {
    const passphrase = Buffer.from('correct horse')
    const salt = Buffer.from('0123456789abcdef')
    const expected = Buffer.alloc(length)
    expect(pbkdf(passphrase, passphrase.length, salt, salt.length, expected, length, rounds)).toBe(0)
    expect(await bcryptKdf(passphrase, salt, length, rounds)).toEqual(expected)
  })
})
