import { processorTimeMs } from '@ssh/testkit'
import { describe, expect, it } from 'vitest'
import { generatePrivateKey, importPrivateKey, importPrivateKeyList, KeyImportError } from '../../src/index.js'

const understood = /A private key is needed here: an OpenSSH private key, or PEM or DER/

describe('importPrivateKey', () => {
  const wrongFiles: [what: string, data: string | Uint8Array, message: RegExp][] = [
    ['nothing', '', /the file is empty/],
    ['white space', ' \n\t\n', /the file is empty/],
    ['a public key line', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP3k me@here\n', /This is a public key.*without \.pub/],
    [
      'a certificate line',
      'ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQ me@here\n',
      /OpenSSH certificate; give the private key it was made for/,
    ],
    [
      'an RFC 4716 public key',
      '---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n',
      /This is a public key/,
    ],
    ['PPK 2', 'PuTTY-User-Key-File-2: ssh-rsa\r\nEncryption: none\r\n', /PuTTY.*puttygen key\.ppk -O private-openssh/],
    ['PPK 3', 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: aes256-cbc\n', /PuTTY/],
    [
      'an SSH.com key',
      '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nAAAA\n---- END SSH2 ENCRYPTED PRIVATE KEY ----\n',
      /SSH\.com.*ssh-keygen -i/,
    ],
    ['an SSH 1 key', 'SSH PRIVATE KEY FILE FORMAT 1.1\n\0\0', /SSH protocol 1/],
    [
      'a DSA key',
      '-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n',
      /DSA.*ssh-keygen -t ed25519/,
    ],
    ['another block', '-----BEGIN PGP MESSAGE-----\nAAAA\n-----END PGP MESSAGE-----\n', /\[PGP MESSAGE\]/],
    ['text', 'hunter2', /Found 7 characters that are no key/],
    ['binary', Uint8Array.of(0, 1, 2, 3), /no key in any known format/],
  ]

  it.each(wrongFiles)('says what it found and what it wants when given %s', async (_what, data, message) => {
    const failure = importPrivateKey(data)
    await expect(failure).rejects.toBeInstanceOf(KeyImportError)
    await expect(failure).rejects.toThrow(message)
    await expect(failure).rejects.toThrow(understood)
  })

  it('does not repeat what it was given, which may be a secret', async () => {
    await expect(importPrivateKey('hunter2')).rejects.not.toThrow(/hunter2/)
  })

  it('says so when the line ends became the two characters \\n, as happens in environment variables', async () => {
    const text = await (await generatePrivateKey()).exportPrivateKey()
    await expect(importPrivateKey(text.replaceAll('\n', '\\n'))).rejects.toThrow(/two characters \\n/)
  })

  it('reads a key whose line ends are of any kind, or spaces, or have text around them', async () => {
    const key = await generatePrivateKey('ssh-ed25519')
    const text = await key.exportPrivateKey()
    const variants = [
      text.replaceAll('\n', '\r\n'),
      text.replaceAll('\n', '\r'),
      text.replaceAll('\n', ' '),
      text.trimEnd(),
      `some words before\n\n${text}and after\n`,
      `\uFEFF${text}`,
      `  ${text.replaceAll('\n', '\n  ')}`,
    ]
    for (const variant of variants) {
      expect((await importPrivateKey(variant)).publicKey.equals(key.publicKey)).toBe(true)
      expect((await importPrivateKey(Buffer.from(variant))).publicKey.equals(key.publicKey)).toBe(true)
    }
  })

  it('ignores a passphrase that is not needed', async () => {
    const key = await generatePrivateKey('ecdsa-sha2-nistp256')
    for (const format of ['openssh', 'pkcs8-pem', 'sec1-pem'] as const) {
      const read = await importPrivateKey(await key.exportPrivateKey(format), { passphrase: 'needless' })
      expect(read.publicKey.equals(key.publicKey)).toBe(true)
    }
  })

  it('takes one key, and importPrivateKeyList all of them in order', async () => {
    const keys = [await generatePrivateKey('ssh-ed25519'), await generatePrivateKey('ecdsa-sha2-nistp384')]
    const texts = await Promise.all(keys.map((key) => key.exportPrivateKey('pkcs8-pem')))
    const text = texts.join('\n')
    await expect(importPrivateKey(text)).rejects.toThrow(/found 2; use importPrivateKeyList/)
    const read = await importPrivateKeyList(text)
    expect(read.map((key) => key.getFingerprint())).toEqual(keys.map((key) => key.getFingerprint()))
  })
})

describe('an encrypted key that asks for too much', () => {
  const der = (tag: number, ...contents: Uint8Array[]): Buffer => {
    const content = Buffer.concat(contents)
    const length = content.length < 0x80 ? Buffer.of(content.length) : Buffer.of(0x81, content.length)
    return Buffer.concat([Buffer.of(tag), length, content])
  }
  const oid = (hex: string) => der(6, Buffer.from(hex, 'hex'))
  const integer = (value: number) => {
    const hex = value.toString(16)
    return der(2, Buffer.from(`00${hex.length % 2 === 0 ? hex : `0${hex}`}`, 'hex'))
  }
  const octets = (length: number) => der(4, Buffer.alloc(length))
  const aes = der(0x30, oid('60864801650304012a'), octets(16))
  const pbes2 = (...kdf: Buffer[]) => der(0x30, oid('2a864886f70d01050d'), der(0x30, der(0x30, ...kdf), aes))
  const pem = (algorithm: Buffer) =>
    `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${der(0x30, algorithm, octets(64)).toString('base64')}\n-----END ENCRYPTED PRIVATE KEY-----\n`
  const pbkdf2 = (iterations: number) => pbes2(oid('2a864886f70d01050c'), der(0x30, octets(8), integer(iterations)))
  const scrypt = (N: number, r: number, p: number) =>
    pbes2(oid('2b06010401da47040b'), der(0x30, octets(8), integer(N), integer(r), integer(p)))
  const pbes1 = (scheme: string, iterations: number) =>
    der(0x30, oid(scheme), der(0x30, octets(8), integer(iterations)))

  it('would have been tried otherwise', async () => {
    for (const algorithm of [
      pbkdf2(1),
      scrypt(2, 1, 1),
      pbes1('2a864886f70d010503', 1),
      pbes1('2a864886f70d010c0103', 1),
    ]) {
      await expect(importPrivateKey(pem(algorithm), { passphrase: 'x' })).rejects.toMatchObject({
        code: 'ERR_SSH_KEY_PASSPHRASE_WRONG',
      })
    }
  })

  it.each([
    ['PBKDF2 of 0', pbkdf2(0)],
    ['PBKDF2 of 2^31', pbkdf2(2 ** 31)],
    ['PBKDF2 of 2^40', pbkdf2(2 ** 40)],
    ['scrypt of 2^31', scrypt(2 ** 31, 8, 1)],
    ['scrypt with p of 2^24', scrypt(2, 1, 2 ** 24)],
    ['scrypt with N of no power of 2', scrypt(3, 1, 1)],
    ['PBE-MD5-DES of 2^31', pbes1('2a864886f70d010503', 2 ** 31)],
    ['PBE-SHA1-3DES of 2^31', pbes1('2a864886f70d010c0103', 2 ** 31)],
    ['PBE-SHA1-3DES of 0', pbes1('2a864886f70d010c0103', 0)],
    ['an unknown scheme', pbes1('2a864886f70d010c0101', 1)],
  ])('is refused at once: %s', async (_what, algorithm) => {
    const attempt = () =>
      expect(importPrivateKey(pem(algorithm), { passphrase: 'x' })).rejects.toMatchObject({
        code: 'ERR_SSH_KEY_IMPORT',
      })
    expect(await processorTimeMs(attempt)).toBeLessThan(3000)
  })

  it('is refused when it is of a kind that takes OpenSSL long to read', async () => {
    // A DSA key: OpenSSL would compute its public half while reading, with numbers of any length.
    const dsa = der(0x30, integer(0), der(0x30, oid('2a8648ce380401')), octets(8))
    const text = `-----BEGIN PRIVATE KEY-----\n${dsa.toString('base64')}\n-----END PRIVATE KEY-----\n`
    await expect(importPrivateKey(text)).rejects.toThrow(/1\.2\.840\.10040\.4\.1/)
  })
})
