import { processorTimeMs } from '@ssh/testkit'
import { Reader, Writer } from '@ssh/wire'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  encodePrivateKey,
  generatePrivateKey,
  importPrivateKey,
  type PrivateKey,
  readPrivateKey,
} from '../../src/index.js'
import { blob } from '../keys/blobs.js'

let key: PrivateKey
beforeAll(async () => {
  key = await generatePrivateKey('ssh-ed25519', { comment: 'note' })
})

interface Container {
  cipher?: string
  kdf?: string
  options?: Uint8Array
  count?: number
  publicKey?: Uint8Array
  checks?: [number, number]
  fields?: Uint8Array
  padding?: Uint8Array
  after?: Uint8Array
}

/** An OpenSSH file built field by field (PROTOCOL.key), so that each can be wrong. */
function container({
  cipher = 'none',
  kdf = 'none',
  options = new Uint8Array(0),
  count = 1,
  publicKey = key.publicKey.blob,
  checks = [7, 7],
  fields = encodePrivateKey(key),
  padding,
  after = new Uint8Array(0),
}: Container): string {
  const plain = new Writer().writeUint32(checks[0]).writeUint32(checks[1]).writeBytes(fields)
  const bytes = new Writer()
    .writeBytes(Buffer.from('openssh-key-v1\0'))
    .writeBytes(blob(cipher, kdf, options))
    .writeUint32(count)
    .writeString(publicKey)
    .writeString(plain.writeBytes(padding ?? counting((8 - (plain.length % 8)) % 8)).finish())
    .writeBytes(after)
    .finish()
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${Buffer.from(bytes).toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`
}

function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index + 1)
}

function bcryptOptions(salt: Uint8Array, rounds: number): Uint8Array {
  return new Writer().writeString(salt).writeUint32(rounds).finish()
}

const refused = (data: string, message: RegExp, options = {}) =>
  expect(importPrivateKey(data, options)).rejects.toThrow(message)

describe('an OpenSSH private key', () => {
  it('is read when every field is right, with any amount of right padding', async () => {
    const read = await importPrivateKey(container({}))
    expect(read.publicKey.equals(key.publicKey)).toBe(true)
    expect(read.comment).toBe('note')
    for (const length of [0, 1, 8, 255, 300]) {
      const padded = await importPrivateKey(container({ padding: counting(length) }))
      expect(padded.publicKey.equals(key.publicKey)).toBe(true)
    }
  })

  it('is refused for wrong padding, unequal check numbers, several keys, and bytes at the end', async () => {
    await refused(container({ padding: Uint8Array.of(1, 2, 4) }), /padding/)
    await refused(container({ padding: Uint8Array.of(0) }), /padding/)
    await refused(container({ checks: [7, 8] }), /check numbers/)
    await refused(container({ count: 0 }), /one key, this one says 0/)
    await refused(container({ count: 2 ** 32 - 1 }), /one key/)
    await refused(container({ after: Uint8Array.of(0) }), /1 bytes after/)
  })

  it('is refused when the public key outside is another one', async () => {
    const other = await generatePrivateKey('ssh-ed25519')
    await refused(container({ publicKey: other.publicKey.blob }), /tampered/)
  })

  it('is refused when its private half belongs to another public half', async () => {
    for (const algorithm of ['ssh-ed25519', 'ecdsa-sha2-nistp256'] as const) {
      const [one, two] = [await generatePrivateKey(algorithm), await generatePrivateKey(algorithm)]
      const [a, b] = [encodePrivateKey(one), encodePrivateKey(two)].map((bytes) => Buffer.from(bytes))
      // Both end in a private number of the same length and an empty comment.
      const mixed = Buffer.concat([a!.subarray(0, one.publicKey.blob.length), b!.subarray(two.publicKey.blob.length)])
      await refused(container({ fields: mixed, publicKey: one.publicKey.blob }), /do not belong together/)
    }
  })

  it.each([0, 2049, 2 ** 32 - 1])('is refused at once when it asks for %i bcrypt rounds', async (rounds) => {
    const options = bcryptOptions(Buffer.alloc(16), rounds)
    const data = container({ cipher: '3des-cbc', kdf: 'bcrypt', options })
    const time = await processorTimeMs(() => refused(data, /bcrypt rounds/, { passphrase: 'x' }))
    expect(time).toBeLessThan(3000)
  })

  it('is refused for a cipher or derivation nobody knows, and for salt of no or any length', async () => {
    const options = bcryptOptions(Buffer.alloc(16), 1)
    await refused(container({ cipher: 'rot13', kdf: 'bcrypt', options }), /"rot13".*ssh-keygen -p/)
    await refused(container({ cipher: 'aes256-ctr', kdf: 'none' }), /not supported/)
    await refused(container({ cipher: 'none', kdf: 'bcrypt', options }), /not supported/)
    for (const length of [0, 1025]) {
      const long = bcryptOptions(Buffer.alloc(length), 1)
      const data = container({ cipher: '3des-cbc', kdf: 'bcrypt', options: long })
      await refused(data, new RegExp(`${length} bytes of salt`), { passphrase: 'x' })
    }
  })

  it('is refused for key types nobody knows, naming them safely', async () => {
    await refused(container({ fields: blob('ssh-dss', '') }), /"ssh-dss" are not supported; supported are ssh-ed25519/)
    await refused(container({ fields: blob('\u001b[2J', '') }), /0x1b/)
    await refused(container({ fields: blob('ssh-ed25519-cert-v01@openssh.com', '') }), /certificate/)
  })

  it('keeps any comment', async () => {
    for (const comment of ['', 'äöü 你好', 'two\nlines', 'a'.repeat(10_000)]) {
      const own = await generatePrivateKey('ssh-ed25519', { comment })
      const read = await importPrivateKey(await own.exportPrivateKey())
      expect(read.comment).toBe(comment)
      expect(read.exportPublicKey().split('\n')).toHaveLength(2)
    }
  })

  it('leaves the event loop turning while it is decrypted, and can be given up', async () => {
    const text = await key.exportPrivateKey('openssh', { passphrase: 'secret', rounds: 10 })
    let turns = 0
    let counting = true
    const count = (): void => {
      turns++
      if (counting) setImmediate(count)
    }
    setImmediate(count)
    await importPrivateKey(text, { passphrase: 'secret' })
    counting = false
    expect(turns).toBeGreaterThan(10)

    const controller = new AbortController()
    const pending = importPrivateKey(text, { passphrase: 'secret', signal: controller.signal })
    controller.abort('enough')
    await expect(pending).rejects.toMatchObject({ code: 'ABORT_ERR', cause: 'enough' })
    await expect(importPrivateKey(container({}), { signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORT_ERR',
    })
  })

  it('is written with the passphrase as bytes or text alike, and read with either', async () => {
    const text = await key.exportPrivateKey('openssh', { passphrase: Buffer.from('größe'), rounds: 1 })
    expect((await importPrivateKey(text, { passphrase: 'größe' })).publicKey.equals(key.publicKey)).toBe(true)
    await expect(importPrivateKey(text, { passphrase: '' })).rejects.toMatchObject({
      code: 'ERR_SSH_KEY_PASSPHRASE_MISSING',
    })
  })

  it('is not written with an empty passphrase, an unknown cipher, a cipher alone or too many rounds', async () => {
    const wrong = [
      { passphrase: '' },
      { passphrase: new Uint8Array(0) },
      { cipher: 'aes256-ctr' },
      { passphrase: 'x', cipher: 'none' },
      { passphrase: 'x', rounds: 0 },
      { passphrase: 'x', rounds: 1.5 },
      { passphrase: 'x', rounds: 2049 },
    ]
    for (const options of wrong) {
      await expect(key.exportPrivateKey('openssh', options)).rejects.toMatchObject({ code: 'ERR_SSH_KEY_EXPORT' })
    }
  })
})

describe('encodePrivateKey and readPrivateKey', () => {
  it('carry a key as agents do, and leave the reader behind it', () => {
    const reader = new Reader(Buffer.concat([encodePrivateKey(key), Buffer.of(9)]))
    const read = readPrivateKey(reader)
    expect(read.publicKey.equals(key.publicKey)).toBe(true)
    expect(read.comment).toBe('note')
    expect(reader.remaining).toBe(1)
  })

  it('refuse a key that is held elsewhere', () => {
    const elsewhere = Object.create(key) as PrivateKey
    Object.setPrototypeOf(elsewhere, { algorithm: 'ssh-ed25519' })
    expect(() => encodePrivateKey(elsewhere)).toThrow(/not held in this process/)
  })
})
