import { createHash } from 'node:crypto'
import { fixedBytes, string, struct, uint32 } from '@ssh/wire'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  generatePrivateKey,
  importPrivateKey,
  importPublicKey,
  importPublicKeyList,
  opensshKeyCiphers,
  type PrivateKey,
} from '../../src/index.js'
import { blob } from '../keys/blobs.js'
import { describeTool } from './foreign-tool.js'

const passphrase = 'correct horse'
const types = [
  { algorithm: 'ssh-ed25519', argv: ['-t', 'ed25519'] },
  { algorithm: 'ecdsa-sha2-nistp256', argv: ['-t', 'ecdsa', '-b', '256'] },
  { algorithm: 'ecdsa-sha2-nistp384', argv: ['-t', 'ecdsa', '-b', '384'] },
  { algorithm: 'ecdsa-sha2-nistp521', argv: ['-t', 'ecdsa', '-b', '521'] },
  { algorithm: 'ssh-rsa', argv: ['-t', 'rsa', '-b', '2048'] },
] as const

/** What `ssh-keygen -m` can do: it writes Ed25519 keys as OpenSSH whatever it is asked for. */
const privatePemFormats = (algorithm: string) => (algorithm === 'ssh-ed25519' ? [] : ['PEM', 'PKCS8'])
const publicFormats = (algorithm: string) =>
  algorithm === 'ssh-ed25519'
    ? ['RFC4716']
    : algorithm === 'ssh-rsa'
      ? ['RFC4716', 'PKCS8', 'PEM']
      : ['RFC4716', 'PKCS8']
const privateFormats = (algorithm: string) =>
  algorithm === 'ssh-ed25519'
    ? (['openssh'] as const)
    : (['openssh', 'pkcs8-pem', algorithm === 'ssh-rsa' ? 'pkcs1-pem' : 'sec1-pem'] as const)

describeTool('ssh-keygen', ['-?'], (tool) => {
  /** `SHA256:…` or `MD5:…` of a file, as the tool prints it. */
  const fingerprintOf = (file: string, hash: 'sha256' | 'md5' = 'sha256'): string =>
    tool.run('-l', '-E', hash, '-f', file).split(' ')[1]!

  describe.each(types)('$algorithm', ({ algorithm, argv }) => {
    const file = tool.path(`theirs-${algorithm}`)
    let ours: PrivateKey

    beforeAll(async () => {
      tool.run('-q', ...argv, '-N', '', '-C', 'their comment', '-f', file)
      ours = await generatePrivateKey(algorithm, { comment: 'our comment' })
    })

    it('is read from its private and public file, with comment and fingerprints', async () => {
      const key = await importPrivateKey(tool.read(`theirs-${algorithm}`))
      expect(key).toMatchObject({ algorithm, comment: 'their comment' })
      expect(key.getFingerprint()).toBe(fingerprintOf(file))
      expect(key.getFingerprint('md5')).toBe(fingerprintOf(file, 'md5'))
      const publicText = tool.read(`theirs-${algorithm}.pub`)
      expect(importPublicKey(publicText).equals(key.publicKey)).toBe(true)
      expect(key.exportPublicKey()).toBe(publicText)
    })

    it.each(privatePemFormats(algorithm))('is read from a private key in %s, plain and encrypted', async (format) => {
      for (const secret of ['', passphrase]) {
        const copy = tool.write('copy', tool.read(`theirs-${algorithm}`))
        tool.run('-q', '-p', '-P', '', '-N', secret, '-m', format, '-f', copy)
        const text = tool.read('copy')
        expect(text).not.toContain('OPENSSH')
        const key = await importPrivateKey(text, { passphrase })
        expect(key.getFingerprint()).toBe(fingerprintOf(file))
        if (secret === '') continue
        await expect(importPrivateKey(text)).rejects.toMatchObject({ code: 'ERR_SSH_KEY_PASSPHRASE_MISSING' })
        await expect(importPrivateKey(text, { passphrase: 'wrong' })).rejects.toMatchObject({
          code: 'ERR_SSH_KEY_PASSPHRASE_WRONG',
        })
      }
    })

    it.each(publicFormats(algorithm))('is read from a public key in %s', (format) => {
      const text = tool.run('-e', '-m', format, '-f', `${file}.pub`)
      expect(importPublicKey(text).getFingerprint()).toBe(fingerprintOf(file))
    })

    it('reads the private keys we wrote in every format, plain and encrypted', async () => {
      for (const format of privateFormats(algorithm)) {
        for (const secret of [undefined, passphrase]) {
          const text = await ours.exportPrivateKey(
            format,
            secret === undefined ? {} : { passphrase: secret, rounds: 2 },
          )
          const path = tool.write('ours', text)
          const [type, base64] = tool
            .run('-y', '-P', secret ?? '', '-f', path)
            .trim()
            .split(' ')
          expect(`${type} ${base64}`, format).toBe(ours.exportPublicKey().split(' ').slice(0, 2).join(' '))
        }
      }
    })

    it('reads the public keys we wrote, comment included', () => {
      expect(fingerprintOf(tool.write('ours.pub', ours.exportPublicKey()))).toBe(ours.getFingerprint())
      expect(tool.run('-l', '-f', tool.path('ours.pub'))).toContain(' our comment ')
      const imported = tool.run('-i', '-m', 'RFC4716', '-f', tool.write('ours.4716', ours.exportPublicKey('rfc4716')))
      expect(importPublicKey(imported).equals(ours.publicKey)).toBe(true)
    })

    it('verifies our signatures, and we verify the signatures it makes', async () => {
      const message = 'some text\n'
      const key = await importPrivateKey(tool.read(`theirs-${algorithm}`))
      tool.run('-q', '-Y', 'sign', '-n', 'file', '-f', file, tool.write(`message-${algorithm}`, message))
      const armoured = tool.read(`message-${algorithm}.sig`)
      const theirs = sshsig.decode(Buffer.from(armoured.replace(/-----.*-----|\s/g, ''), 'base64'))
      expect(key.publicKey.verify(signedData(message), theirs.signature)).toBe(true)
      expect(key.publicKey.verify(signedData('other text\n'), theirs.signature)).toBe(false)

      const bytes = sshsig.encode({
        ...theirs,
        publicKey: ours.publicKey.blob,
        signature: ours.sign(signedData(message)),
      })
      const base64 = Buffer.from(bytes).toString('base64').replace(/.{70}/g, '$&\n')
      tool.write('ours.sig', `-----BEGIN SSH SIGNATURE-----\n${base64}\n-----END SSH SIGNATURE-----\n`)
      const check = (text: string) =>
        tool.runWith(text, '-Y', 'check-novalidate', '-n', 'file', '-s', tool.path('ours.sig'))
      expect(check(message)).toContain(ours.getFingerprint())
      expect(() => check('other text\n')).toThrow()
    })
  })

  describe.each(opensshKeyCiphers.names)('with %s', (cipher) => {
    it('encrypts keys that we read, and reads keys that we encrypt', async () => {
      const file = tool.path(`theirs-${cipher}`)
      tool.run('-q', '-t', 'ed25519', '-N', passphrase, '-C', 'note', '-Z', cipher, '-a', '2', '-f', file)
      const text = tool.read(`theirs-${cipher}`)
      const key = await importPrivateKey(text, { passphrase: Buffer.from(passphrase) })
      expect(key.getFingerprint()).toBe(fingerprintOf(file))
      expect(key.comment).toBe('note')
      await expect(importPrivateKey(text)).rejects.toMatchObject({ code: 'ERR_SSH_KEY_PASSPHRASE_MISSING' })
      await expect(importPrivateKey(text, { passphrase: 'wrong' })).rejects.toMatchObject({
        code: 'ERR_SSH_KEY_PASSPHRASE_WRONG',
      })

      const ours = await generatePrivateKey('ecdsa-sha2-nistp521', { comment: 'ours' })
      const path = tool.write('ours', await ours.exportPrivateKey('openssh', { passphrase, cipher, rounds: 2 }))
      expect(tool.run('-y', '-P', passphrase, '-f', path)).toBe(ours.exportPublicKey())
      expect(() => tool.run('-y', '-P', 'wrong', '-f', path)).toThrow(/incorrect passphrase/)
    })
  })

  it('has its public keys read as a list', () => {
    const files = types.map(({ algorithm }) => `theirs-${algorithm}`)
    const keys = importPublicKeyList(`# a comment\n\n${files.map((file) => tool.read(`${file}.pub`)).join('')}`)
    expect(keys.map((key) => key.getFingerprint())).toEqual(files.map((file) => fingerprintOf(tool.path(file))))
  })
})

/** OpenSSH PROTOCOL.sshsig §2: the frame of a detached signature. */
const sshsig = struct('SSHSIG', {
  magic: fixedBytes(6),
  version: uint32,
  publicKey: string,
  namespace: string,
  reserved: string,
  hashAlgorithm: string,
  signature: string,
})

/** OpenSSH PROTOCOL.sshsig §3: what such a signature covers. */
function signedData(message: string): Uint8Array {
  const digest = createHash('sha512').update(message).digest()
  return Buffer.concat([Buffer.from('SSHSIG'), blob('file', '', 'sha512', digest)])
}
