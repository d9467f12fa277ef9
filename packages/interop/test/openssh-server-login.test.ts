/** Our client logs in to sshd: every method, every type of key. */

import { readFileSync } from 'node:fs'
import { importPrivateKey, PermissionDenied } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  connectTo,
  type ForeignServer,
  isRoot,
  type KeyFile,
  type KeySpec,
  lacks,
  makeKey,
  startSshd,
  temporaryFolder,
} from '../src/index.js'

const specs: readonly KeySpec[] = [
  'ed25519',
  ...[256, 384, 521].map((bits) => ({ type: 'ecdsa', bits }) as const),
  ...[2048, 3072].map((bits) => ({ type: 'rsa', bits }) as const),
]

describe.skipIf(lacks('sshd', 'ssh-keygen'))('login to sshd', () => {
  const folder = temporaryFolder()
  const keys = new Map<KeySpec, KeyFile>()
  let encrypted: KeyFile
  let server: ForeignServer
  beforeAll(async () => {
    for (const spec of specs) {
      keys.set(spec, await makeKey(folder.path, `key_${keys.size}`, spec))
    }
    encrypted = await makeKey(folder.path, 'encrypted', 'ed25519', { passphrase: 'a phrase' })
    server = await startSshd({
      authorizedKeys: [...keys.values(), encrypted].map(({ publicLine }) => publicLine),
      config: { PubkeyAcceptedAlgorithms: '+ssh-rsa', MaxAuthTries: 3 },
    })
  })
  afterAll(async () => {
    await server?.stop()
    folder.remove()
  })

  async function whoAmI(options: Parameters<typeof connectTo>[1]): Promise<string> {
    await using conn = await connectTo(server, options)
    return (await conn.run('id -un', { check: true })).stdout.trim()
  }

  test.for(specs)('a key of type %j is let in', async (spec) => {
    expect(await whoAmI({ clientKeys: keys.get(spec)?.path ?? '' })).toBe(server.username)
  })

  test.for(['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'])('an RSA key is let in by a signature of %s', async (name) => {
    const { path } = keys.get(specs.at(-1) ?? 'rsa') ?? server.clientKey
    expect(await whoAmI({ clientKeys: path, signatureAlgs: [name] })).toBe(server.username)
  })

  test('the right key among several is found', async () => {
    using others = temporaryFolder()
    const stranger = await makeKey(others.path, 'stranger', 'ecdsa')
    expect(await whoAmI({ clientKeys: [stranger.path, server.clientKey.path] })).toBe(server.username)
  })

  test('an encrypted key file is opened with its passphrase, given or asked for', async () => {
    const asked: string[] = []
    const passphrase = (file: string) => {
      asked.push(file)
      return 'a phrase'
    }
    expect(await whoAmI({ clientKeys: encrypted.path, passphrase: 'a phrase' })).toBe(server.username)
    expect(await whoAmI({ clientKeys: encrypted.path, passphrase })).toBe(server.username)
    expect(asked).toEqual([encrypted.path])
    await expect(connectTo(server, { clientKeys: encrypted.path, passphrase: 'another' })).rejects.toMatchObject({
      name: 'KeyEncryptionError',
    })
  })

  test('a key object is let in', async () => {
    const key = await importPrivateKey(readFileSync(keys.get('ed25519')?.path ?? ''))
    expect(await whoAmI({ clientKeys: key })).toBe(server.username)
  })

  test('a password is let in, given or asked for', async (context) => {
    const { password } = server
    if (password === undefined) return context.skip()
    expect(await whoAmI({ clientKeys: null, password })).toBe(server.username)
    expect(await whoAmI({ clientKeys: null, password: async () => password })).toBe(server.username)
  })

  test('a wrong password is refused, with what was tried and what the server takes', async () => {
    const refused = await connectTo(server, { clientKeys: null, password: 'wrong' }).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(PermissionDenied)
    expect(refused).toMatchObject({
      code: 'ERR_SSH_AUTH_FAILED',
      details: { serverMethods: expect.arrayContaining(['publickey']) },
    })
  })

  test('a stranger with more keys than the server has patience is refused, with the keys it tried', async () => {
    using others = temporaryFolder()
    const strangers: string[] = []
    for (let index = 0; index < 5; index++) strangers.push((await makeKey(others.path, `k${index}`, 'ed25519')).path)
    const refused = await connectTo(server, { clientKeys: strangers }).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(PermissionDenied)
    const { attempts } = (refused as PermissionDenied).details as { attempts: { method: string; result: string }[] }
    expect(attempts.filter(({ method }) => method === 'publickey')).toHaveLength(3)
  })

  test('a name nobody has is refused like a wrong password', async () => {
    const nobody = { ...server, username: 'nobody-of-that-name' }
    await expect(connectTo(nobody, { password: 'x' })).rejects.toBeInstanceOf(PermissionDenied)
  })

  test('a signal gives up connecting', async () => {
    await expect(connectTo(server, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe.skipIf(lacks('sshd', 'ssh-keygen') || !isRoot())('keyboard-interactive login to sshd', () => {
  const settings = { UsePAM: 'yes', KbdInteractiveAuthentication: 'yes', PasswordAuthentication: 'no' }

  test('PAM asks, and the callback or the password answers', async () => {
    await using server = await startSshd({ config: settings })
    const { password = '' } = server
    const prompts: string[] = []
    await using asked = await connectTo(server, {
      clientKeys: null,
      keyboardInteractive: (_name, _instructions, questions) => {
        prompts.push(...questions.map(({ prompt, echo }) => `${prompt}${echo}`))
        return questions.map(() => password)
      },
    })
    expect((await asked.run('id -un')).stdout.trim()).toBe(server.username)
    expect(prompts).toEqual(['Password: false'])
    await using answered = await connectTo(server, { clientKeys: null, password })
    expect((await answered.run('echo hi')).stdout).toBe('hi\n')
  })

  test('both a key and a password can be demanded', async () => {
    await using server = await startSshd({ config: { AuthenticationMethods: 'publickey,password' } })
    const { password = '' } = server
    await using conn = await connectTo(server, { password })
    expect((await conn.run('echo hi')).stdout).toBe('hi\n')
    const refused = await connectTo(server, {}).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      name: 'PermissionDenied',
      details: {
        attempts: expect.arrayContaining([expect.objectContaining({ method: 'publickey', result: 'partial success' })]),
      },
    })
  })
})

describe.skipIf(lacks('sshd', 'ssh-keygen'))('banner of sshd', () => {
  test('reaches the listener although it came before', async () => {
    using folder = temporaryFolder()
    const banner = folder.write('banner', 'Authorised users only\n', 0o644)
    await using server = await startSshd({ config: { Banner: banner } })
    await using conn = await connectTo(server)
    const [message] = await new Promise<[string, string]>((resolve) => conn.once('banner', (...args) => resolve(args)))
    expect(message).toContain('Authorised users only')
  })
})
