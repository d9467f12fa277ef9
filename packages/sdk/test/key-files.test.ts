import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey } from '@ssh/crypto'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  connect,
  readAuthorizedKeys,
  readKnownHosts,
  readPrivateKey,
  readPrivateKeyList,
  readPublicKey,
  readPublicKeyList,
  writePrivateKey,
  writePublicKey,
} from '../src/index.js'
import { embedded, hostKey, userKey, userLine } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

let folder = ''
const at = (name: string) => join(folder, name)

beforeEach(async ({ onTestFinished }) => {
  folder = await mkdtemp(join(tmpdir(), 'ssh-sdk-'))
  onTestFinished(() => rm(folder, { recursive: true }))
})

describe('private keys', () => {
  test('come back as they were written, in each format, plain and encrypted', async () => {
    const ecdsa = await generatePrivateKey('ecdsa-sha2-nistp256')
    for (const format of ['openssh', 'pkcs8-pem', 'sec1-pem'] as const) {
      await writePrivateKey(ecdsa, at('id'), { format })
      expect((await readPrivateKey(at('id'))).publicKey.equals(ecdsa.publicKey)).toBe(true)
      await writePrivateKey(ecdsa, at('id'), {
        format,
        passphrase: 'secret',
        ...(format === 'openssh' && { rounds: 1 }),
      })
      const options = { passphrase: Buffer.from('secret') }
      expect((await readPrivateKey(at('id'), options)).publicKey.equals(ecdsa.publicKey)).toBe(true)
      await expect(readPrivateKey(at('id'))).rejects.toMatchObject({
        code: 'ERR_SSH_KEY_PASSPHRASE_MISSING',
        message: expect.stringContaining(at('id')),
        details: { file: at('id') },
      })
    }
  })

  test('are written for this user alone, also over a file that others may read', async () => {
    await writeFile(at('id'), 'something else', { mode: 0o666 })
    await chmod(at('id'), 0o666)
    await writePrivateKey(userKey, at('id'))
    expect((await stat(at('id'))).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['id'])
    expect((await readPrivateKey(at('id'))).comment).toBe('user')
  })

  test('leave what was there alone when they cannot be written', async () => {
    await writeFile(at('id'), 'precious')
    const attempts: [() => Promise<void>, object][] = [
      [() => writePrivateKey(userKey, at('id'), { format: 'pkcs1-pem' }), { name: 'KeyExportError' }],
      [() => writePrivateKey(userKey, at('id'), { signal: AbortSignal.abort() }), { code: 'ABORT_ERR' }],
      [() => writePrivateKey(userKey, join(folder, 'none', 'id')), { code: 'ENOENT' }],
      [() => writePrivateKey(userKey, at('id'), { cipher: 'aes256-ctr' }), { name: 'KeyExportError' }],
    ]
    for (const [attempt, error] of attempts) await expect(attempt()).rejects.toMatchObject(error)
    expect(await readFile(at('id'), 'utf8')).toBe('precious')
    expect(await readdir(folder)).toEqual(['id'])
  })

  test('are found in the home directory by ~', async () => {
    vi.stubEnv('HOME', folder)
    onTestFinished(() => void vi.unstubAllEnvs())
    await writePrivateKey(userKey, '~/id')
    expect((await readPrivateKey('~/id')).publicKey.equals(userKey.publicKey)).toBe(true)
    expect(await readdir(folder)).toEqual(['id'])
  })

  test('come as a list where a file has several', async () => {
    const pem = await Promise.all([userKey, hostKey].map((key) => key.exportPrivateKey('pkcs8-pem')))
    await writeFile(at('ids'), pem.join(''))
    const keys = await readPrivateKeyList(at('ids'))
    expect(keys.map((key) => key.getFingerprint())).toEqual([userKey, hostKey].map((key) => key.getFingerprint()))
    await expect(readPrivateKey(at('ids'))).rejects.toMatchObject({ name: 'KeyImportError' })
  })

  test('that are none are refused with the name of the file', async () => {
    await writeFile(at('id'), 'not a key')
    for (const path of [at('id'), at('none'), folder]) {
      await expect(readPrivateKey(path)).rejects.toMatchObject({
        name: 'KeyImportError',
        message: expect.stringContaining(path),
        details: { file: path },
      })
    }
    await writePrivateKey(userKey, at('id'))
    await expect(readPrivateKey(at('id'), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORT_ERR' })
  })
})

describe('public keys', () => {
  test('come back as they were written, in each format', async () => {
    for (const format of ['openssh', 'rfc4716', 'pkcs8-pem'] as const) {
      await writePublicKey(userKey, at('id.pub'), { format })
      expect((await readPublicKey(at('id.pub'))).equals(userKey.publicKey)).toBe(true)
    }
    await writePublicKey(userKey.publicKey, at('id.pub'))
    expect(await readFile(at('id.pub'), 'utf8')).toBe(userLine)
  })

  test('come as a list where a file has several', async () => {
    await writeFile(at('all.pub'), `# ours\n${userLine}${hostKey.exportPublicKey()}`)
    expect((await readPublicKeyList(at('all.pub'))).map(({ comment }) => comment)).toEqual(['user', 'host'])
    await expect(readPublicKey(at('none'))).rejects.toMatchObject({
      name: 'KeyImportError',
      details: { file: at('none') },
    })
  })
})

describe('lists of keys', () => {
  test('serve both ends of a connection', async () => {
    await writeFile(at('authorized_keys'), `${userLine}ssh-nonsense AAAA\n`)
    const authorizedClientKeys = await readAuthorizedKeys([at('authorized_keys')])
    expect(authorizedClientKeys.warnings).toMatchObject([{ file: at('authorized_keys'), line: 2 }])
    const server = await embedded({ authorizedClientKeys })
    await writeFile(at('known_hosts'), server.knownHosts)
    await symlink(at('known_hosts'), at('link'))
    const knownHosts = await readKnownHosts(at('link'))
    expect(knownHosts.entries).toMatchObject([{ keyType: 'ssh-ed25519', file: at('link'), line: 1 }])
    await using conn = await connect(server.destination, { config: null, clientKeys: userKey, knownHosts })
    expect(conn.isClosed).toBe(false)
  })

  test('that are missing are an error that names the file', async () => {
    for (const read of [readKnownHosts, readAuthorizedKeys]) {
      await expect(read(at('none'))).rejects.toMatchObject({ name: 'ConfigParseError', details: { file: at('none') } })
    }
  })
})
