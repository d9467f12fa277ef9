import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, type PrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ClientConnection } from '../../src/client/client-connection.js'
import type { ClientOptions } from '../../src/client/client-options.js'
import { establishClient } from '../../src/client/connect.js'
import type { ServerCallbacks } from '../../src/server/server-callbacks.js'
import type { ServerConnection } from '../../src/server/server-connection.js'
import { type UserOptions, UserSettings } from '../../src/server/user-settings.js'
import { aliceOptions, listening, passwordCallbacks, type TestServerOptions } from '../loopback.js'

const aliceKey = await generatePrivateKey('ssh-ed25519')
const bobKey = await generatePrivateKey('ssh-ed25519')

/** How a login ends: who is in, or the code of the error and the methods that the server would take. */
async function login(port: number, username: string, options: ClientOptions): Promise<string> {
  try {
    const link = await establishClient({ host: '127.0.0.1', port }, { ...aliceOptions, username, ...options })
    await link.close()
    return `${username} is in`
  } catch (error) {
    const { details } = error as { details: { serverMethods?: readonly string[] } }
    return `refused: ${details.serverMethods}`
  }
}

const byKey = (key: PrivateKey): ClientOptions => ({ password: undefined as never, clientKeys: key })
const byPassword = (password: string, preferredAuth = 'password'): ClientOptions => ({ password, preferredAuth })

/** A server whose callbacks are made with the connection at hand. */
function serverWith(make: (connection: ServerConnection) => ServerCallbacks, options: TestServerOptions = {}) {
  return listening({ ...options, serverFactory: make } as TestServerOptions)
}

describe('setAuthorizedKeys', () => {
  const keysOf: Readonly<Record<string, string>> = {
    alice: aliceKey.exportPublicKey(),
    bob: `no-pty ${bobKey.exportPublicKey()}`,
  }

  test('says who may log in as whom, and nothing about anybody else', async () => {
    const restrictions: unknown[] = []
    const { port } = await serverWith((connection) => ({
      beginAuth: async (username) => {
        await connection.setAuthorizedKeys(keysOf[username] ?? [])
        return true
      },
      authCompleted: () => void restrictions.push(connection.restrictions.map(({ allowPty }) => allowPty)),
    }))
    expect(await login(port, 'alice', byKey(aliceKey))).toBe('alice is in')
    expect(await login(port, 'bob', byKey(bobKey))).toBe('bob is in')
    expect(restrictions).toEqual([[true], [false]])
    // Whoever does not exist is told the same as whoever does.
    expect(await login(port, 'alice', byKey(bobKey))).toBe('refused: publickey')
    expect(await login(port, 'nobody', byKey(aliceKey))).toBe('refused: publickey')
  })

  test('takes files, lists of them, and parsed keys, in place of the option', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ssh-users-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'authorized_keys')
    await writeFile(file, `${bobKey.exportPublicKey()}\n`)
    for (const source of [file, [file]]) {
      const { port } = await serverWith(
        (connection) => ({ beginAuth: () => connection.setAuthorizedKeys(source).then(() => true) }),
        { authorizedClientKeys: aliceKey.exportPublicKey() },
      )
      expect(await login(port, 'x', byKey(bobKey))).toBe('x is in')
      expect(await login(port, 'x', byKey(aliceKey))).toBe('refused: publickey')
    }
  })

  test('that fails lets nobody in', async () => {
    const errors: string[] = []
    const { port } = await serverWith(
      (connection) => ({
        beginAuth: () => connection.setAuthorizedKeys('/no/such/file').then(() => false),
        ...passwordCallbacks,
      }),
      { logger: { debug: () => {}, warn: ({ error }) => errors.push((error as Error).name) } },
    )
    expect(await login(port, 'alice', byPassword('wrong'))).toMatch('refused')
    expect(errors).toEqual(['ConfigParseError'])
    await expect(
      serverWith((connection) => {
        expect(() => connection.setOptions({ allowPtty: true } as UserOptions)).toThrow('did you mean "allowPty"')
        return {}
      }),
    ).resolves.toBeDefined()
  })

  test('for one user does not hold for the next on the same connection, also when it comes late', async () => {
    const late: (() => void)[] = []
    const { port } = await serverWith((connection) => ({
      beginAuth: async (username) => {
        if (username === 'alice') {
          // A mistake: the answer is not waited for.
          late.push(() => void connection.setAuthorizedKeys(aliceKey.exportPublicKey()))
          late[0]?.()
        }
        return true
      },
      validatePassword: () => false,
    }))
    expect(await login(port, 'alice', byKey(aliceKey))).toMatch(/in|refused/)
    const settings = new UserSettings(undefined)
    settings.begin()
    const reading = settings.setAuthorizedKeys(aliceKey.exportPublicKey())
    settings.begin()
    await reading
    expect(settings.authorizedKeys).toBeUndefined()
  })

  test('before anybody is named hold for all, also when they are still being read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ssh-users-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'keys'), bobKey.exportPublicKey())
    const { port } = await serverWith(
      // Nobody waits for it, as nobody waits for connectionMade.
      () => ({ connectionMade: (connection) => connection.setAuthorizedKeys(join(folder, 'keys')) }),
      { authorizedClientKeys: aliceKey.exportPublicKey() },
    )
    expect(await login(port, 'alice', byKey(aliceKey))).toBe('refused: publickey')
    expect(await login(port, 'alice', byKey(bobKey))).toBe('alice is in')
  })

  test('that cannot be read let nobody in in place of the option', async () => {
    const { port } = await serverWith(
      (connection) => ({ beginAuth: () => connection.setAuthorizedKeys('/no/such/file').then(() => true) }),
      { authorizedClientKeys: aliceKey.exportPublicKey() },
    )
    expect(await login(port, 'alice', byKey(aliceKey))).toMatch('refused')
  })

  test('of two calls the later counts, whichever is done first', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ssh-users-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'keys'), aliceKey.exportPublicKey())
    const settings = new UserSettings(undefined)
    await settings.begin()
    const calls = [
      settings.setAuthorizedKeys(join(folder, 'keys')),
      settings.setAuthorizedKeys(bobKey.exportPublicKey()),
    ]
    await Promise.all(calls)
    expect(settings.authorizedKeys?.keys.map(({ blob }) => blob)).toEqual([bobKey.convertToPublic().blob])
  })

  test('and setOptions before anybody is named hold for all', async () => {
    const settings = new UserSettings(undefined)
    await settings.setAuthorizedKeys(aliceKey.exportPublicKey())
    settings.setOptions({ allowPty: false })
    settings.begin()
    settings.setOptions({ allowPty: true, forcedCommand: 'x' })
    settings.begin()
    expect(settings.authorizedKeys?.keys).toHaveLength(1)
    expect(settings.restrictions).toMatchObject({ allowPty: false, command: undefined })
  })
})

describe('setOptions', () => {
  test('holds with what the key says, and goes before it', async () => {
    const made: ServerConnection[] = []
    const { port } = await serverWith(
      (connection) => {
        made.push(connection)
        return {
          beginAuth: () => {
            connection.setOptions({
              forcedCommand: 'mine',
              env: { A: '1' },
              allowX11Forwarding: false,
              permitOpen: ['db:5432', '[::1]:*'],
              permitListen: ['8080'],
            })
            return true
          },
        }
      },
      { authorizedClientKeys: `command="theirs",no-pty ${aliceKey.exportPublicKey()}` },
    )
    expect(await login(port, 'alice', byKey(aliceKey))).toBe('alice is in')
    expect(made[0]?.restrictions).toMatchObject([
      {
        command: 'mine',
        environment: new Map([['A', '1']]),
        allowPty: true,
        allowX11Forwarding: false,
        permitOpen: [
          { host: 'db', port: 5432 },
          { host: '::1', port: 0 },
        ],
        permitListen: [{ host: '*', port: 8080 }],
      },
      { command: 'theirs', allowPty: false },
    ])
    expect(() => made[0]?.setOptions({ permitOpen: ['db'] })).toThrow('permitOpen')
    expect(() => made[0]?.setOptions({ env: { 'A=B': '' } })).toThrow('env.A=B')
  })
})

describe('lists of users', () => {
  const everyone: ServerCallbacks = {
    validatePassword: (_, password) => password === 'secret',
    validatePublicKey: () => true,
    beginAuth: (username) => username !== 'free',
  }

  test.each<[string, TestServerOptions, string, boolean]>([
    ['a name', { allowUsers: ['alice'] }, 'alice', true],
    ['another name', { allowUsers: ['alice'] }, 'bob', false],
    ['a pattern', { allowUsers: ['dev-*', 'ops?'] }, 'dev-1', true],
    ['a place', { allowUsers: ['alice@127.0.0.0/8'] }, 'alice', true],
    ['another place', { allowUsers: ['alice@192.0.2.*'] }, 'alice', false],
    ['a denied name', { denyUsers: ['root'] }, 'root', false],
    ['somebody who is not denied', { denyUsers: ['root'] }, 'alice', true],
    ['a name on both', { allowUsers: ['*'], denyUsers: ['root@127.0.0.1'] }, 'root', false],
    ['nobody at all', { allowUsers: [] }, 'alice', false],
  ])('let in or not: %s', async (_, options, username, isIn) => {
    const { port } = await listening({ ...options, callbacks: everyone })
    const outcome = isIn
      ? `${username} is in`
      : expect.stringMatching(/^refused: publickey,keyboard-interactive,password$/)
    for (const how of [
      byPassword('secret'),
      byPassword('secret', 'keyboard-interactive'),
      byKey(aliceKey),
    ] satisfies ClientOptions[]) {
      expect(await login(port, username, how)).toEqual(outcome)
    }
  })

  test('hold for users who need no proof and for prompts of the builder as well', async () => {
    const callbacks: ServerCallbacks = { ...everyone, getKbdintChallenge: () => true }
    const { port } = await listening({ allowUsers: ['alice'], callbacks })
    expect(await login(port, 'free', byPassword('wrong'))).toMatch('refused')
    expect(await login(port, 'bob', byPassword('', 'keyboard-interactive'))).toMatch('refused')
    expect(await login(port, 'alice', byPassword('', 'keyboard-interactive'))).toBe('alice is in')
  })

  test('change no password of somebody who may not log in', async () => {
    const changed: string[] = []
    const { port } = await listening({
      denyUsers: ['bob'],
      callbacks: {
        validatePassword: () => ({ changeRequired: { prompt: 'new?' } }),
        changePassword: (username) => changed.push(username) > 0,
      },
    })
    const change: ClientOptions = {
      ...byPassword('old'),
      passwordChange: () => ({ oldPassword: 'old', newPassword: 'new' }),
    }
    expect(await login(port, 'bob', change)).toMatch('refused')
    expect(await login(port, 'alice', change)).toBe('alice is in')
    expect(changed).toEqual(['alice'])
  })

  test('must make sense', async () => {
    for (const allowUsers of [[''], ['!alice'], ['alice@'], ['@host'], ['alice@300.0.0.0/8']]) {
      await expect(listening({ allowUsers })).rejects.toThrow('allowUsers')
    }
  })
})

describe('empty passwords', () => {
  test('are wrong without asking, unless the option says otherwise', async () => {
    const asked: string[] = []
    const callbacks: ServerCallbacks = { validatePassword: (_, password) => asked.push(password) > 0 }
    const strict = await listening({ callbacks })
    for (const method of ['password', 'keyboard-interactive']) {
      expect(await login(strict.port, 'alice', byPassword('', method))).toMatch('refused')
    }
    expect(asked).toEqual([])
    const lax = await listening({ callbacks, permitEmptyPassword: true })
    for (const method of ['password', 'keyboard-interactive']) {
      expect(await login(lax.port, 'alice', byPassword('', method))).toBe('alice is in')
    }
  })
})

describe('what a builder learns of connections', () => {
  test('who is in, by which algorithms; and data stays with the connection', async () => {
    const connections: ServerConnection[] = []
    const warnings: string[] = []
    const server = await listening({
      logger: { debug: () => {}, warn: ({ event }) => warnings.push(event) },
      onConnection: (connection) => {
        connections.push(connection)
        throw new Error('a mistake')
      },
      callbacks: { ...passwordCallbacks, connectionMade: (connection) => void connection.data.set('since', 'start') },
    })
    const link = await establishClient({ host: '127.0.0.1', port: server.port }, aliceOptions)
    onTestFinished(() => link.close())
    const client = new ClientConnection(link)
    await client.rekey()
    const [connection] = connections
    expect(connection?.info.username).toBe('alice')
    expect(connection?.info.algorithms).toEqual(client.info.algorithms)
    expect(connection?.data.get('since')).toBe('start')
    expect([...server.connections]).toEqual([connection])
    expect(warnings).toContain('callback-failed')
  })

  test('who did not get in, and why', async () => {
    const failures: unknown[] = []
    const server = await listening({
      maxAuthTries: 1,
      onHandshakeError: (error, info) => failures.push([error.name, info.username, info.remoteAddress]),
    })
    await login(server.port, 'alice', byPassword('wrong'))
    await login(server.port, 'alice', byPassword('secret'))
    await login(server.port, 'alice', { ...byPassword('secret'), kexAlgs: 'diffie-hellman-group18-sha512' })
    await vi.waitFor(() =>
      expect(failures).toEqual([
        ['PermissionDenied', '', '127.0.0.1'],
        ['KeyExchangeFailed', '', '127.0.0.1'],
      ]),
    )
  })

  test('disconnect tells the client why', async () => {
    const server = await listening({ onConnection: (connection) => connection.disconnect(12, 'too many users') })
    const link = await establishClient({ host: '127.0.0.1', port: server.port }, aliceOptions)
    await expect(link.closed).rejects.toMatchObject({
      code: 'ERR_SSH_TRANSPORT_DISCONNECTED',
      details: { reasonCode: 12, description: 'too many users' },
    })
  })
})
