import { describe, expect, test } from 'vitest'
import { generatePrivateKey, outerPublicKey } from '../../src/index.js'

describe('the public key outside the encryption', () => {
  test.for(['ssh-ed25519', 'ecdsa-sha2-nistp384'] as const)(
    'of a file with a key of type %s needs no passphrase',
    async (type) => {
      const key = await generatePrivateKey(type)
      for (const options of [{}, { passphrase: 'secret', rounds: 1 }]) {
        const file = await key.exportPrivateKey('openssh', options)
        expect(outerPublicKey(file)?.equals(key.publicKey)).toBe(true)
        expect(outerPublicKey(Buffer.from(file))?.equals(key.publicKey)).toBe(true)
      }
    },
  )

  test('is not told by other formats, by what is no key, and by damaged files', async () => {
    const key = await generatePrivateKey('ecdsa-sha2-nistp256')
    const file = await key.exportPrivateKey()
    const body = Buffer.from(file.replace(/-----.*-----/g, ''), 'base64')
    const cut = (length: number) =>
      `-----BEGIN OPENSSH PRIVATE KEY-----\n${body.subarray(0, length).toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`
    for (const source of [
      '',
      'hello',
      key.exportPublicKey(),
      await key.exportPrivateKey('pkcs8-pem'),
      file.slice(0, -20),
    ]) {
      expect(outerPublicKey(source)).toBeUndefined()
    }
    for (let length = 0; length < 40; length++) expect(outerPublicKey(cut(length))).toBeUndefined()
  })
})
