import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { generatePrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ClientOptions } from '../../src/client/client-options.js'
import { establishClient } from '../../src/client/connect.js'
import { listenServer } from '../../src/server/listen.js'
import type { ServerCallbacks, SessionRequest } from '../../src/server/server-callbacks.js'
import type { ServerConnection } from '../../src/server/server-connection.js'
import { aliceOptions, connecting, hostKey, listening, passwordCallbacks } from '../loopback.js'
import { timeLapse, until } from '../time-lapse.js'

const aliceKey = await generatePrivateKey('ssh-ed25519')
const malloryKey = await generatePrivateKey('ssh-ed25519')

const at = (port: number) => ({ host: '127.0.0.1', port })
const login = (port: number, options: ClientOptions = {}) =>
  establishClient(at(port), { ...aliceOptions, ...options }).then(
    async (link) => {
      await link.close()
      return 'in'
    },
    (error) => error.code as string,
  )
const byKey = (key = aliceKey): ClientOptions => ({ password: undefined as never, clientKeys: key })
const refused = 'ERR_SSH_AUTH_FAILED'

/** A TCP connection that says nothing. */
async function silent(port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1')
  socket.on('error', () => {}).resume()
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** A logger that keeps what it is told. */
function logger() {
  const events: string[] = []
  const note = (entry: { readonly event: string }) => void events.push(entry.event)
  return { events, debug: note, info: note, warn: note }
}

describe('listening', () => {
  test('takes a free port for 0 and tells where', async () => {
    const server = await listening()
    expect(server.port).toBeGreaterThan(0)
    expect(server.addresses).toEqual([{ address: '127.0.0.1', port: server.port }])
  })

  test.each<[string, (port: number) => Promise<unknown>, object]>([
    [
      'a port that somebody has',
      (port) => listening({ port }),
      { name: 'ConnectError', code: 'ERR_SSH_CONNECT_LISTEN_FAILED', cause: { code: 'EADDRINUSE' } },
    ],
    [
      'a server that nobody could log in to',
      () => listenServer({ host: '127.0.0.1', port: 0, serverHostKeys: hostKey }),
      { name: 'OptionsError', message: expect.stringContaining('Nobody could log in') },
    ],
    ['a host key that is missing', () => listening({ serverHostKeys: '/does/not/exist' }), { name: 'KeyImportError' }],
    ['no host key at all', () => listening({ serverHostKeys: [] }), { name: 'OptionsError' }],
    [
      'authorized keys that cannot be read',
      () => listening({ authorizedClientKeys: '/does/not/exist' }),
      { name: 'ConfigParseError', message: expect.stringContaining('/does/not/exist') },
    ],
    ['an algorithm that nobody knows', () => listening({ kexAlgs: 'rot13' }), { name: 'OptionsError' }],
    [
      'an option that nobody knows',
      () => listening({ prot: 22 } as never),
      { message: expect.stringContaining('unknown option "prot"') },
    ],
    ['a signal that has fired', () => listening({ signal: AbortSignal.abort() }), { code: 'ABORT_ERR' }],
  ])('%s is an error at once', async (_, listen, expected) => {
    const server = await listening()
    await expect(listen(server.port)).rejects.toMatchObject(expected)
  })

  test('ends when its signal fires', async () => {
    const controller = new AbortController()
    const server = await listening({ signal: controller.signal })
    const connection = await connecting(server.port)
    controller.abort()
    await server.closed
    await connection.closed
  })
})

describe('who is let in', () => {
  test('whoever has an authorized key, and as whom, is said by the verified signature alone', async () => {
    const restricted = `command="only this",no-pty ${aliceKey.exportPublicKey()}`
    const made: ServerConnection[] = []
    const callbacks = { connectionMade: (connection: ServerConnection) => void made.push(connection) }
    const server = await listening({ callbacks, authorizedClientKeys: restricted })
    const link = await establishClient(at(server.port), { ...aliceOptions, ...byKey() })
    const [accepted] = made
    await accepted?.authenticated
    expect(accepted?.info).toMatchObject({ username: 'alice', authMethods: ['publickey'], remoteAddress: '127.0.0.1' })
    expect(accepted?.info.publicKey?.equals(aliceKey.publicKey)).toBe(true)
    expect(accepted?.restrictions).toMatchObject([{ command: 'only this' }])
    await link.close()
    expect(await login(server.port, byKey(malloryKey))).toBe(refused)
  })

  test('a key that was only offered identifies nobody', async () => {
    const offered: string[] = []
    const made: ServerConnection[] = []
    const server = await listening({
      callbacks: {
        connectionMade: (connection) => void made.push(connection),
        validatePublicKey: (_, key) => {
          offered.push(key.getFingerprint())
          expect(made[0]?.info).toMatchObject({ username: '', publicKey: undefined })
          return key.equals(malloryKey.publicKey)
        },
      },
    })
    const link = await establishClient(at(server.port), {
      ...aliceOptions,
      ...byKey(),
      clientKeys: [aliceKey, malloryKey],
    })
    expect(offered).toEqual([aliceKey, malloryKey, malloryKey].map((key) => key.getFingerprint()))
    expect(made[0]?.info.publicKey?.equals(malloryKey.publicKey)).toBe(true)
    await link.close()
  })

  test('a line for another address does not count, whatever form the address has', async () => {
    const line = (from: string) => `from="${from}" ${aliceKey.exportPublicKey()}`
    const elsewhere = await listening({ callbacks: {}, authorizedClientKeys: line('192.0.2.1') })
    expect(await login(elsewhere.port, byKey())).toBe(refused)
    const here = await listening({ host: '::', callbacks: {}, authorizedClientKeys: line('127.0.0.0/8') })
    expect(await login(here.port, byKey())).toBe('in')
  })

  test('every factor that is required, and no other', async () => {
    const requiredAuth = [['publickey', 'password']] as const
    const server = await listening({ requiredAuth, authorizedClientKeys: aliceKey.exportPublicKey() })
    expect(await login(server.port, { ...byKey(), password: 'secret' })).toBe('in')
    expect(await login(server.port, byKey())).toBe(refused)
    expect(await login(server.port)).toBe(refused)
  })

  test.each<[string, ServerCallbacks]>([
    ['false', { validatePassword: () => false }],
    ['undefined', { validatePassword: () => undefined as never }],
    ['1', { validatePassword: () => 1 as never }],
    ['"yes"', { validatePassword: () => 'yes' as never }],
    ['an object', { validatePassword: () => ({ ok: true }) as never }],
    ['a row of a database', { validatePassword: async () => [{ user: 'alice' }] as never }],
    [
      'an exception',
      {
        validatePassword: () => {
          throw new Error('database down')
        },
      },
    ],
    ['a rejection', { validatePassword: () => Promise.reject(new Error('database down')) }],
  ])('nobody by a callback that answers with %s', async (_, callbacks) => {
    const server = await listening({ callbacks })
    expect(await login(server.port)).toBe(refused)
  })

  test('anybody, when beginAuth says that no proof is needed', async () => {
    const beginAuth = vi.fn(async (username: string) => username !== 'alice')
    const server = await listening({ callbacks: { beginAuth } })
    expect(await login(server.port, { password: undefined as never })).toBe('in')
    expect(await login(server.port, { password: undefined as never, username: 'bob' })).toBe(refused)
    const open = await listening({
      callbacks: {
        beginAuth: () => {
          throw new Error('broken')
        },
      },
    })
    expect(await login(open.port, { password: undefined as never })).toBe(refused)
  })

  test('prompts stand for the password unless the builder has prompts of its own', async () => {
    const server = await listening()
    const prompts = vi.fn(() => ['secret'])
    expect(await login(server.port, { password: undefined as never, keyboardInteractive: prompts })).toBe('in')
    expect(prompts).toHaveBeenCalledWith('', '', [{ prompt: 'Password: ', echo: false }])

    const own = await listening({
      callbacks: {
        getKbdintChallenge: () => ({
          name: 'Two steps',
          prompts: [{ prompt: 'PIN' }, { prompt: 'Token', echo: true }],
        }),
        validateKbdintResponse: (_, responses) =>
          responses.length === 2 ? { prompts: [{ prompt: 'Sure?' }] } : responses[0] === 'yes',
      },
    })
    const rounds: number[] = []
    const keyboardInteractive: ClientOptions['keyboardInteractive'] = (_name, _instructions, asked) => {
      rounds.push(asked.length)
      return asked.length === 2 ? ['1', '2'] : ['yes']
    }
    expect(await login(own.port, { password: undefined as never, keyboardInteractive })).toBe('in')
    expect(rounds).toEqual([2, 1])
  })

  test('with a new password, when the old one has expired', async () => {
    const changes: string[][] = []
    const server = await listening({
      callbacks: {
        validatePassword: (_, password) => (password === 'old' ? { changeRequired: { prompt: 'It is old' } } : false),
        changePassword: (...passwords) => {
          changes.push(passwords)
          return true
        },
      },
    })
    const passwordChange = vi.fn(() => ({ oldPassword: 'old', newPassword: 'new' }))
    const options: ClientOptions = { password: 'old', preferredAuth: ['password'] }
    expect(await login(server.port, { ...options, passwordChange })).toBe('in')
    expect(changes).toEqual([['alice', 'old', 'new']])
    expect(await login(server.port, options)).toBe(refused)
  })

  test('not after too many tries', async () => {
    const tries = vi.fn(() => false)
    const server = await listening({ maxAuthTries: 2, callbacks: { validatePassword: tries } })
    let guess = 0
    const password = () => `guess ${++guess}`
    expect(await login(server.port, { password, preferredAuth: ['password'] })).toBe(refused)
    expect(tries).toHaveBeenCalledTimes(2)
  })
})

describe('a connection before login', () => {
  test('is closed when its time is up, and makes room for others', async () => {
    const pass = timeLapse()
    const server = await listening({ loginTimeout: '1m', maxStartups: 2 })
    const slow = [await silent(server.port), await silent(server.port)]
    const ended = slow.map((socket) => once(socket, 'close'))
    await until(() => server.connections.size === 2)
    expect(await login(server.port)).not.toBe('in')
    pass(60_000)
    await Promise.all(ended)
    await until(() => server.connections.size === 0)
    expect(await login(server.port)).toBe('in')
  })

  test('does not count any more once it has logged in', async () => {
    const server = await listening({ maxStartups: 1 })
    await connecting(server.port)
    await connecting(server.port)
    expect(await login(server.port)).toBe('in')
  })

  test('is bounded also when the factory never makes its callbacks', async () => {
    const pass = timeLapse()
    const log = logger()
    const server = await listening({
      loginTimeout: '10s',
      maxStartups: 1,
      logger: log,
      // At the end of the turn: the server counts from when it has it made.
      serverFactory: () => new Promise<never>(() => setImmediate(pass, 10_000)),
    })
    // It says goodbye to whoever has said by then that it speaks SSH.
    expect(await login(server.port)).toMatch(/^ERR_SSH_(TRANSPORT_DISCONNECTED|CONNECTION_LOST)$/)
    await until(() => server.connections.size === 0)
    expect(log.events).toContain('broken')
  })

  test('ends when the factory fails, which only the log learns', async () => {
    const log = logger()
    const server = await listening({
      logger: log,
      serverFactory: () => Promise.reject(new Error('no database at db.internal')),
    })
    const error = await establishClient(at(server.port), aliceOptions).catch((e) => e)
    // It says goodbye to whoever has said by then that it speaks SSH.
    expect(error.code).toMatch(/^ERR_SSH_(TRANSPORT_DISCONNECTED|CONNECTION_LOST)$/)
    expect(inspect(error)).not.toContain('db.internal')
    expect(log.events).toContain('server-factory-failed')
  })

  test('shows banners: the option first, then what the builder says, however early', async () => {
    const server = await listening({
      banner: 'one',
      callbacks: { ...passwordCallbacks, connectionMade: (connection) => connection.sendAuthBanner('two') },
    })
    const connection = await connecting(server.port)
    const banners: string[] = []
    connection.on('banner', (message) => void banners.push(message))
    await vi.waitFor(() => expect(banners).toEqual(['one', 'two']))
  })
})

describe("the builder's callbacks", () => {
  test('are told of the beginning, the login and the end, in order', async () => {
    const told: string[] = []
    const server = await listening({
      callbacks: {
        ...passwordCallbacks,
        connectionMade: () => void told.push('made'),
        authCompleted: () => void told.push('in'),
        connectionLost: (error) => void told.push(`lost ${error}`),
      },
    })
    expect(await login(server.port)).toBe('in')
    await vi.waitFor(() => expect(told).toEqual(['made', 'in', 'lost undefined']))
  })

  test.each<[string, () => unknown]>([
    [
      'throw',
      () => {
        throw new Error('a bug')
      },
    ],
    ['reject', () => Promise.reject(new Error('a bug'))],
  ])('that %s harm nobody', async (_, fail) => {
    const log = logger()
    const server = await listening({
      logger: log,
      callbacks: {
        ...passwordCallbacks,
        connectionMade: fail,
        authCompleted: fail,
        connectionLost: fail,
        sessionRequested: fail as () => void,
      },
    })
    const connection = await connecting(server.port)
    await expect(connection.openSessionChannel()).rejects.toMatchObject({ name: 'ChannelOpenError' })
    await connection.rekey()
    await connection.close()
    await vi.waitFor(() => expect(log.events.filter((event) => event === 'callback-failed')).toHaveLength(4))
  })

  test('keep their own object as this', async () => {
    class Builder implements ServerCallbacks {
      readonly #password = 'secret'
      validatePassword(_username: string, password: string): boolean {
        return password === this.#password
      }
    }
    const server = await listening({ serverFactory: () => new Builder() })
    expect(await login(server.port)).toBe('in')
  })
})

describe('sessions', () => {
  const accepting: ServerCallbacks = {
    ...passwordCallbacks,
    sessionRequested: (request: SessionRequest) => void request.accept({ onExec: () => true }),
  }

  test('are refused unless the builder takes them', async () => {
    const none = await connecting((await listening()).port)
    await expect(none.openSessionChannel()).rejects.toThrow('this server offers no sessions')
    const refusing = await listening({
      callbacks: { ...passwordCallbacks, sessionRequested: (request) => request.reject('not today') },
    })
    await expect((await connecting(refusing.port)).openSessionChannel()).rejects.toThrow('not today')
  })

  test('are as many as allowed; more wait for a short one to end', async () => {
    const server = await listening({ callbacks: accepting, maxSessions: 1 })
    const connection = await connecting(server.port)
    const first = await connection.openSessionChannel({ isShort: true })
    const second = connection.openSessionChannel()
    await first.close()
    const held = await second
    await expect(connection.openSessionChannel()).rejects.toMatchObject({ details: { mayRetryLater: true } })
    await held.close()
  })
})

describe('a server that changes its options', () => {
  test('uses them for connections that come later', async () => {
    const server = await listening()
    const before = await connecting(server.port)
    await server.update({ serverFactory: () => ({ validatePassword: (_, password) => password === 'new' }) })
    expect(await login(server.port)).toBe(refused)
    expect(await login(server.port, { password: 'new' })).toBe('in')
    await before.rekey()
    await expect(server.update({ kexAlgs: 'rot13' })).rejects.toMatchObject({ name: 'OptionsError' })
    expect(await login(server.port, { password: 'new' })).toBe('in')
  })
})

describe('closing a server', () => {
  const holding: ServerCallbacks = {
    ...passwordCallbacks,
    sessionRequested: (request) => void request.accept({ onExec: () => true }),
  }

  test('ends every connection with a goodbye', async () => {
    const server = await listening()
    const connection = await connecting(server.port)
    await server.close()
    await expect(connection.closed).resolves.toBeUndefined()
    expect(server.connections.size).toBe(0)
    expect(await login(server.port || 1)).not.toBe('in')
  })

  test('lets open sessions end first, when told to, and takes no more', async () => {
    const server = await listening({ callbacks: holding })
    const connection = await connecting(server.port)
    const session = await connection.openSessionChannel()
    const closing = server.close({ drain: '1m' })
    await expect(connection.openSessionChannel()).rejects.toThrow('this server is shutting down')
    expect(connection.isClosed).toBe(false)
    await session.close()
    await closing
  })

  test('does not wait longer than told', async () => {
    const server = await listening({ callbacks: holding })
    const connection = await connecting(server.port)
    await connection.openSessionChannel()
    await server.close({ drain: 50 })
    await connection.closed
  })

  test('ends also connections that have not logged in', async () => {
    const server = await listening()
    const socket = await silent(server.port)
    await vi.waitFor(() => expect(server.connections.size).toBe(1))
    await Promise.all([once(socket, 'close'), server.close()])
  })
})

test('nothing that is printed shows a secret', async () => {
  const passphrase = 'h0stpass'
  const encrypted = await hostKey.exportPrivateKey('openssh', { passphrase, rounds: 1 })
  const server = await listening({ serverHostKeys: encrypted, passphrase })
  const connection = await connecting(server.port)
  const [accepted] = server.connections
  for (const value of [server, connection, accepted, connection.info, accepted?.info]) {
    const printed = inspect(value, { depth: 20, showHidden: true }) + JSON.stringify(value)
    expect(printed).not.toMatch(/secret"|'secret'|h0stpass|PRIVATE KEY/)
  }
})
