import { processorTimeMs } from '@ssh/testkit'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  generatePrivateKey,
  importPrivateKey,
  importPrivateKeyList,
  importPublicKey,
  type PrivateKey,
  type PublicKey,
  parsePublicKey,
} from '../../src/index.js'
import { thrownBy } from '../keys/blobs.js'

const algorithms = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
] as const

const codes = ['ERR_SSH_KEY_IMPORT', 'ERR_SSH_KEY_PASSPHRASE_MISSING', 'ERR_SSH_KEY_PASSPHRASE_WRONG']
const label = /-----BEGIN ([A-Z0-9 ]+)-----/

function unwrap(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----.*-----|\s/g, ''), 'base64')
}

function wrap(name: string, body: Uint8Array): string {
  return `-----BEGIN ${name}-----\n${Buffer.from(body).toString('base64')}\n-----END ${name}-----\n`
}

/** The key, or the code of the error; anything but a typed error fails the test. */
async function outcome(data: string | Uint8Array, passphrase?: string): Promise<PrivateKey | string> {
  try {
    return await importPrivateKey(data, passphrase === undefined ? {} : { passphrase })
  } catch (error) {
    expect(codes, String(error)).toContain((error as { code?: string }).code)
    return (error as { code: string }).code
  }
}

describe.each(algorithms)('files of a key of type %s', (algorithm) => {
  let key: PrivateKey
  /** One file per format, each with its label and what is inside the armour. */
  let files: { format: string; text: string; name: string; body: Buffer }[]

  beforeAll(async () => {
    key = await generatePrivateKey(algorithm, { comment: 'comment', ...(algorithm === 'ssh-rsa' && { bits: 2048 }) })
    const own = { 'ssh-ed25519': [], 'ssh-rsa': ['pkcs1-pem'] } as Record<string, readonly 'pkcs1-pem'[]>
    const formats = ['openssh', 'pkcs8-pem', ...(own[algorithm] ?? (['sec1-pem'] as const))] as const
    const texts = await Promise.all(
      formats.flatMap((format) => [
        key.exportPrivateKey(format),
        key.exportPrivateKey(format, { passphrase: 'secret', rounds: 1 }),
      ]),
    )
    files = texts.map((text, index) => ({
      format: formats[index >> 1] ?? '',
      text,
      name: label.exec(text)?.[1] ?? '',
      body: unwrap(text),
    }))
  })

  it('are refused when cut short at any character', async () => {
    for (const { text } of files) {
      // The line feed at the end may be missing.
      for (let length = 0; length < text.length - 1; length++) {
        expect(await outcome(text.slice(0, length)), `${length}`).toBe('ERR_SSH_KEY_IMPORT')
      }
    }
  })

  it('are refused when what is inside the armour is cut short at any byte', async () => {
    for (const { name, text, body, format } of files) {
      if (text.includes('DEK-Info')) continue
      for (let length = 0; length < body.length; length++) {
        expect(await outcome(wrap(name, body.subarray(0, length))), `${format} at ${length}`).toBe('ERR_SSH_KEY_IMPORT')
      }
      expect(await outcome(wrap(name, Buffer.concat([body, Buffer.alloc(1)]))), format).toBe('ERR_SSH_KEY_IMPORT')
    }
  })

  it('give the same key or a typed error when any byte of the OpenSSH form is changed', async () => {
    const { name, body } = files[0]!
    for (let index = 0; index < body.length; index++) {
      for (const change of [0x01, 0x80]) {
        const changed = Buffer.from(body)
        changed[index]! ^= change
        const result = await outcome(wrap(name, changed))
        if (typeof result !== 'string') expect(result.publicKey.equals(key.publicKey), `byte ${index}`).toBe(true)
      }
    }
  })

  it('give a typed error, or a key that works, when bytes of any other form are changed', async () => {
    for (const { name, body, format, text } of files) {
      if (format === 'openssh' || text.includes('ENCRYPTED')) continue
      for (let index = 0; index < body.length; index++) {
        const changed = Buffer.from(body)
        changed[index]! ^= 0x11
        const result = await outcome(wrap(name, changed))
        if (typeof result !== 'string') {
          expect(result.publicKey.verify(body, result.sign(body)), `${format}, byte ${index}`).toBe(true)
        }
      }
    }
  })

  it('are never read with a wrong passphrase, and give a typed error when the encrypted part is changed', async () => {
    const { name, body, text } = files.find((file) => file.name === 'ENCRYPTED PRIVATE KEY')!
    expect(await outcome(text, 'other')).toBe('ERR_SSH_KEY_PASSPHRASE_WRONG')
    for (let index = body.length - 16; index < body.length; index++) {
      const changed = Buffer.from(body)
      changed[index]! ^= 0x11
      // The last block holds the padding: what decrypts to garbage is refused for that or for what it says.
      expect(codes).toContain(await outcome(wrap(name, changed), 'secret'))
    }
  })

  it('have signatures that verify only unchanged, and verifying never throws', () => {
    const data = Buffer.from('data')
    const signature = key.sign(data)
    for (let index = 0; index < signature.length; index++) {
      const changed = Buffer.from(signature)
      changed[index]! ^= 0x21
      expect(key.publicKey.verify(data, changed), `byte ${index}`).toBe(false)
      expect(key.publicKey.verify(data, signature.subarray(0, index))).toBe(false)
    }
    expect(key.publicKey.verify(data, Buffer.concat([signature, Buffer.alloc(1)]))).toBe(false)
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => !key.publicKey.verify(data, bytes)))
  })

  it('have public blobs that are refused when cut short, and never crash when changed', () => {
    const { blob } = key.publicKey
    for (let length = 0; length < blob.length; length++) {
      expect(thrownBy(() => parsePublicKey(blob.subarray(0, length)))?.code).toBe('ERR_SSH_KEY_IMPORT')
    }
    for (let index = 0; index < blob.length; index++) {
      const changed = Uint8Array.from(blob)
      changed[index]! ^= 0x11
      let parsed: PublicKey | undefined
      const thrown = thrownBy(() => (parsed = parsePublicKey(changed)))
      if (thrown) expect(thrown.code).toBe('ERR_SSH_KEY_IMPORT')
      // A blob that is another key verifies nothing, without throwing.
      else expect(parsed?.verify(blob, key.sign(blob))).toBe(false)
    }
  })
})

describe('files of any bytes', () => {
  it('never crash the readers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
        expect(typeof (await outcome(bytes))).toBe('string')
        expect(typeof (await outcome(Buffer.concat([Buffer.of(0x30), bytes])))).toBe('string')
        for (const name of ['OPENSSH PRIVATE KEY', 'PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'RSA PRIVATE KEY']) {
          expect(typeof (await outcome(wrap(name, bytes)))).toBe('string')
        }
        for (const name of ['PUBLIC KEY', 'RSA PUBLIC KEY', 'SSH2 PUBLIC KEY']) {
          expect(thrownBy(() => importPublicKey(wrap(name, bytes)))?.code).toBe('ERR_SSH_KEY_IMPORT')
        }
        expect(thrownBy(() => importPublicKey(bytes))?.code).toBe('ERR_SSH_KEY_IMPORT')
      }),
    )
  })

  it.each([
    ['a megabyte and a byte', 'a'.repeat(2 ** 20 + 1)],
    ['one long word', 'a'.repeat(2 ** 20)],
    ['spaces', `ssh-rsa AAAA ${' '.repeat(2 ** 19)}\u2028${' '.repeat(2 ** 19 - 100)}`],
    ['line feeds', '\n'.repeat(2 ** 20)],
    ['BEGIN lines', '-----BEGIN PRIVATE KEY-----\n'.repeat(2 ** 15)],
    ['empty blocks', '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n'.repeat(2 ** 14)],
    ['header lines', `-----BEGIN PRIVATE KEY-----\n${'a:b\n'.repeat(2 ** 17)}-----END PRIVATE KEY-----`],
    ['base64', `-----BEGIN PRIVATE KEY-----\n${'A'.repeat(2 ** 19)}-----END PRIVATE KEY-----`],
    ['key types', 'ssh-rsa AAAA\n'.repeat(2 ** 16)],
    ['DER of nothing', Buffer.alloc(2 ** 20, '3080', 'hex')],
    ['DER of empty values', Buffer.concat([Buffer.from('308300fff0', 'hex'), Buffer.alloc(0xfff0, '0500', 'hex')])],
  ])('are refused within seconds: %s', async (_what, data) => {
    const attempt = async () => {
      await expect(importPrivateKeyList(data)).rejects.toMatchObject({ code: 'ERR_SSH_KEY_IMPORT' })
      expect(thrownBy(() => importPublicKey(data))?.code).toBe('ERR_SSH_KEY_IMPORT')
    }
    expect(await processorTimeMs(attempt)).toBeLessThan(3000)
  })
})
