import { describe, expect, it } from 'vitest'
import { generatePrivateKey, importPublicKey, importPublicKeyList } from '../../src/index.js'
import { thrownBy } from '../keys/blobs.js'

const ed25519 = await generatePrivateKey('ssh-ed25519', { comment: 'one two' })
const ecdsa = await generatePrivateKey('ecdsa-sha2-nistp256')

describe('importPublicKey', () => {
  it('reads a line with or without comment, white space around it, and lines that say nothing', () => {
    const line = ed25519.exportPublicKey().trim()
    for (const text of [line, ` \t${line}\r\n`, `# note\n\n${line}\n`, line.replaceAll(' ', '\t')]) {
      expect(importPublicKey(text).equals(ed25519.publicKey)).toBe(true)
      expect(importPublicKey(Buffer.from(text)).equals(ed25519.publicKey)).toBe(true)
    }
    expect(importPublicKey(line).comment).toBe('one two')
    expect(importPublicKey(line.split(' ').slice(0, 2).join(' ')).comment).toBe('')
  })

  it('refuses a line whose type is not that of its key', () => {
    const line = ed25519.exportPublicKey().replace('ssh-ed25519', 'ssh-rsa')
    expect(thrownBy(() => importPublicKey(line))?.message).toMatch(/says "ssh-rsa", but .* ssh-ed25519/)
  })

  it.each([
    ['options before the type', `no-pty ${ed25519.exportPublicKey()}`, /no key in any known format/],
    ['a certificate', 'ssh-rsa-cert-v01@openssh.com AAAAHHNzaC1yc2E me', /OpenSSH certificate; give the plain/],
    ['an unknown type', 'ssh-dss AAAAB3NzaC1kc3MAAAAA me', /"ssh-dss" are not supported/],
    ['damaged base64', 'ssh-ed25519 AAAA*AAA me', /public key line/],
    ['nothing', '', /the file is empty/],
    ['comments only', '# nothing\n', /no key in any known format/],
  ])('refuses %s and says so', (_what, text, message) => {
    expect(thrownBy(() => importPublicKey(text))).toMatchObject({ name: 'KeyImportError' })
    expect(thrownBy(() => importPublicKey(text))?.message).toMatch(message)
  })

  it('says what to do with a private key', async () => {
    for (const format of ['openssh', 'pkcs8-pem'] as const) {
      const text = await ed25519.exportPrivateKey(format)
      expect(thrownBy(() => importPublicKey(text))?.message).toMatch(
        /This is a private key.*ssh-keygen -y.*convertToPublic/,
      )
    }
  })

  it('reads what RFC 4716 allows: long comments over several lines, other headers, CRLF', async () => {
    const long = await generatePrivateKey('ssh-ed25519', { comment: 'word '.repeat(60).trim() })
    const text = long.exportPublicKey('rfc4716')
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(72)
    expect(importPublicKey(text).comment).toBe(long.comment)
    const other = text.replaceAll('\n', '\r\n').replace('Comment', 'x-note: any\r\nComment')
    expect(importPublicKey(other)).toMatchObject({ comment: long.comment, algorithm: 'ssh-ed25519' })
  })
})

describe('importPublicKeyList', () => {
  it('reads lines, or blocks, in the order of the file', () => {
    const lines = `${ed25519.exportPublicKey()}# note\n${ecdsa.exportPublicKey()}`
    const blocks = `${ed25519.exportPublicKey('rfc4716')}\n${ecdsa.exportPublicKey('pkcs8-pem')}`
    for (const text of [lines, blocks]) {
      const keys = importPublicKeyList(text)
      expect(keys.map((key) => key.algorithm)).toEqual(['ssh-ed25519', 'ecdsa-sha2-nistp256'])
      expect(thrownBy(() => importPublicKey(text))?.message).toMatch(/found 2; use importPublicKeyList/)
    }
  })

  it('refuses the whole list when one line is no key', () => {
    const text = `${ed25519.exportPublicKey()}rubbish\n`
    expect(thrownBy(() => importPublicKeyList(text))?.code).toBe('ERR_SSH_KEY_IMPORT')
  })
})
