import { generatePrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  connect,
  type ListenOptions,
  type LogEntry,
  listen,
  type ServerConnection,
  type ServerProcess,
  type SshServerCallbacks,
} from '../src/index.js'
import { clientOptions, embedded, hostKey, parrot, serverOptions, userKey } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Keeps its process until the test lets it go. */
function held() {
  const processes: ServerProcess[] = []
  return { processes, processFactory: (process: ServerProcess) => void processes.push(process) }
}

describe('listen', () => {
  test('says where it listens and who is connected', async () => {
    const { server, connect } = await embedded()
    expect(server.port).toBeGreaterThan(0)
    expect(server.addresses).toEqual([{ address: '127.0.0.1', port: server.port }])
    expect(server.connections.size).toBe(0)
    const conn = await connect()
    expect([...server.connections].map(({ info }) => info.username)).toEqual(['tester'])
    await conn.close()
    while (server.connections.size > 0) await turn()
    await server.close()
    await server.closed
    expect(server.addresses).toEqual([])
  })

  test.each([
    ['prot', { prot: 22 }],
    ['rot', { sftpFactory: { rot: '/srv' } }],
    ['allowScpp', { allowScpp: true }],
    ['agentPath', { agentPath: '/agent' }],
  ])('refuses the option %s by name', async (name, options) => {
    await expect(listen(serverOptions(options as object))).rejects.toMatchObject({
      name: 'OptionsError',
      message: expect.stringContaining(`"${name}"`),
    })
  })

  test('refuses SCP without files to serve', async () => {
    await expect(listen(serverOptions({ allowScp: true }))).rejects.toMatchObject({
      name: 'OptionsError',
      message: 'allowScp serves the files of sftpFactory, which is not given',
    })
  })

  test('refuses to serve a folder that is not there, before any client hears of it', async () => {
    for (const root of ['/no/such/folder', import.meta.filename]) {
      const listening = listen(serverOptions({ sftpFactory: { root } }))
      await expect(listening).rejects.toThrow(`sftpFactory.root is no directory: ${root}`)
    }
  })

  test('refuses to let nobody in, and to have no host key', async () => {
    const { authorizedClientKeys: _, ...nobody } = serverOptions()
    await expect(listen(nobody)).rejects.toMatchObject({ message: expect.stringContaining('Nobody could log in') })
    const { serverHostKeys: __, ...keyless } = serverOptions()
    await expect(listen(keyless as ListenOptions)).rejects.toMatchObject({
      name: 'OptionsError',
      message: expect.stringContaining('serverHostKeys'),
    })
    await expect(listen(serverOptions({ serverHostKeys: '/nowhere/host_key' }))).rejects.toMatchObject({
      name: 'KeyImportError',
      details: { file: '/nowhere/host_key' },
    })
  })

  test('lets nobody in when a callback is misspelt, and says which', async () => {
    const callbacks = { sessionRequest: () => false, connectionRequest: () => false }
    const warnings: LogEntry[] = []
    const failures: unknown[] = []
    const { server, connect } = await embedded({
      processFactory: parrot,
      serverFactory: () => callbacks as SshServerCallbacks,
      logger: { debug: () => {}, warn: (entry) => void warnings.push(entry) },
      onHandshakeError: (error) => void failures.push(error),
    })
    await expect(connect()).rejects.toBeInstanceOf(Error)
    while (failures.length === 0) await turn()
    expect(failures[0]).toMatchObject({
      code: 'ERR_SSH_SERVER_FACTORY_FAILED',
      message: expect.stringContaining(
        'unknown callback "sessionRequest", "connectionRequest"; did you mean "sessionRequested", "connectionRequested"?',
      ),
      cause: { name: 'OptionsError' },
    })
    expect(warnings).toContainEqual(
      expect.objectContaining({
        event: 'server-factory-failed',
        error: expect.objectContaining({ name: 'OptionsError' }),
      }),
    )
    expect(server.connections.size).toBe(0)
  })

  test('takes callbacks that are an instance of a class', async () => {
    class Callbacks implements SshServerCallbacks {
      readonly users = new Set<string>()
      beginAuth(username: string) {
        this.remember(username)
        return true
      }
      remember(username: string) {
        this.users.add(username)
      }
    }
    const callbacks = new Callbacks()
    const { connect } = await embedded({ processFactory: parrot, serverFactory: () => callbacks })
    expect((await (await connect()).run('x')).stdout).toBe('x')
    expect([...callbacks.users]).toEqual(['tester'])
  })

  test('says that the port is taken, with the error of the system', async () => {
    const { server } = await embedded()
    await expect(listen(serverOptions({ port: server.port }))).rejects.toMatchObject({
      name: 'ConnectError',
      code: 'ERR_SSH_CONNECT_LISTEN_FAILED',
      message: `Cannot listen on 127.0.0.1 port ${server.port}: EADDRINUSE, something listens there already`,
      details: { host: '127.0.0.1', port: server.port, systemCode: 'EADDRINUSE' },
      cause: { code: 'EADDRINUSE' },
    })
  })

  test('is closed by its signal, before and after it listens', async () => {
    await expect(listen(serverOptions({ signal: AbortSignal.abort() }))).rejects.toMatchObject({ code: 'ABORT_ERR' })
    const controller = new AbortController()
    const { server, connect } = await embedded({ signal: controller.signal })
    const conn = await connect()
    controller.abort()
    await server.closed
    await conn.closed
  })
})

describe('callbacks of a server', () => {
  test('are methods of what serverFactory made, and may take their time', async () => {
    class Gate implements SshServerCallbacks {
      readonly calls: string[] = []
      readonly connection: ServerConnection
      constructor(connection: ServerConnection) {
        this.connection = connection
      }
      async connectionMade(connection: ServerConnection) {
        await this.note(`made ${connection === this.connection}`)
      }
      async beginAuth(username: string) {
        await this.note(`begin ${username}`)
        return true
      }
      async validatePassword(username: string, password: string) {
        await this.note(`password ${username}`)
        return password === 'secret'
      }
      authCompleted() {
        this.calls.push(`completed ${this.connection.info.username}`)
      }
      async sessionRequested() {
        await this.note('session')
        return true
      }
      connectionLost(error: Error | undefined) {
        this.calls.push(`lost ${error}`)
      }
      private async note(call: string) {
        await turn()
        this.calls.push(call)
      }
    }
    const gates: Gate[] = []
    const { server, destination } = await embedded({
      processFactory: parrot,
      serverFactory: async (connection) => {
        await turn()
        const gate = new Gate(connection)
        gates.push(gate)
        return gate
      },
    })
    const conn = await connect(
      destination,
      clientOptions({ clientKeys: null, password: 'secret', preferredAuth: 'password' }),
    )
    expect((await conn.run('hello')).stdout).toBe('hello')
    await conn.close()
    while (server.connections.size > 0) await turn()
    expect(gates.map(({ calls }) => calls)).toEqual([
      ['made true', 'begin tester', 'password tester', 'completed tester', 'session', 'lost undefined'],
    ])
  })

  test('that throw cost no more than what they were asked about', async () => {
    const failures: unknown[] = []
    const fail = (what: string) => async () => {
      throw new Error(what)
    }
    const { connect } = await embedded({
      processFactory: parrot,
      logger: { debug: () => {}, warn: ({ event, error }) => failures.push(`${event} ${(error as Error).message}`) },
      serverFactory: () => ({
        connectionMade: fail('made'),
        authCompleted: fail('completed'),
        connectionLost: fail('lost'),
        sessionRequested: fail('session'),
      }),
    })
    const conn = await connect()
    await expect(conn.run('x')).rejects.toMatchObject({ name: 'ChannelOpenError' })
    expect(conn.isClosed).toBe(false)
    await conn.close()
    while (failures.length < 4) await turn()
    expect(failures).toEqual(['made', 'completed', 'session', 'lost'].map((what) => `callback-failed ${what}`))
  })

  test('decide about keys that no file lists, and see a verified signature only in info', async () => {
    const stranger = await generatePrivateKey('ssh-ed25519')
    const { server, destination } = await embedded({
      serverFactory: () => ({
        validatePublicKey: (username, key) => username === 'tester' && key.equals(stranger.publicKey),
      }),
    })
    await using conn = await connect(destination, clientOptions({ clientKeys: [userKey, stranger] }))
    expect(conn.info.username).toBe('tester')
    const [accepted] = server.connections
    expect(accepted?.info.authMethods).toEqual(['publickey'])
  })

  test('change an expired password', async () => {
    let password = 'old'
    const { destination } = await embedded({
      serverFactory: () => ({
        validatePassword: (_username, given) =>
          given === 'old' ? { changeRequired: { prompt: 'Time for a new one' } } : given === password,
        changePassword(_username, oldPassword, newPassword) {
          if (oldPassword !== password) return false
          password = newPassword
          return true
        },
      }),
    })
    const login = clientOptions({ clientKeys: null, password: 'old', preferredAuth: ['password'] })
    await expect(connect(destination, login)).rejects.toMatchObject({ name: 'PermissionDenied' })
    const prompts: string[] = []
    await using conn = await connect(destination, {
      ...login,
      passwordChange(prompt) {
        prompts.push(prompt)
        return { oldPassword: 'old', newPassword: 'new' }
      },
    })
    expect(conn.isClosed).toBe(false)
    expect([password, prompts]).toEqual(['new', ['Time for a new one']])
  })
})

describe('update', () => {
  test('changes what later connections get, and leaves those that are open alone', async () => {
    const { server, connect } = await embedded({ processFactory: parrot })
    const before = await connect()
    await server.update({
      processFactory: (process) => {
        process.stdout.write('updated')
        process.exit(0)
      },
    })
    const after = await connect()
    expect((await before.run('hello')).stdout).toBe('hello')
    expect((await after.run('hello')).stdout).toBe('updated')
  })

  test('changes the callbacks, the host key and who may log in', async () => {
    const key = await generatePrivateKey('ssh-ed25519')
    const user = await generatePrivateKey('ssh-ed25519')
    const names: string[] = []
    const { server, destination } = await embedded({ processFactory: parrot })
    await server.update({
      serverHostKeys: key,
      authorizedClientKeys: user.exportPublicKey(),
      serverFactory: () => ({
        beginAuth(username) {
          names.push(username)
          return true
        },
      }),
    })
    await using conn = await connect(destination, {
      config: null,
      clientKeys: user,
      hostKeyFingerprint: key.getFingerprint(),
    })
    expect((await conn.run('hello')).stdout).toBe('hello')
    expect(names).toEqual(['tester'])
  })

  test('changes nothing when something is wrong', async () => {
    const { server, connect } = await embedded({ processFactory: parrot })
    const wrong: [object, string][] = [
      [{ port: 23 }, '"port"'],
      [{ prot: 23 }, '"prot"'],
      [{ processFactory: undefined, sftpFactory: 'all' }, 'sftpFactory'],
      [{ processFactory: undefined, serverHostKeys: '/nowhere/host_key' }, '/nowhere/host_key'],
      [{ processFactory: undefined, authorizedClientKeys: undefined }, 'Nobody could log in'],
    ]
    for (const [options, said] of wrong) {
      await expect(server.update(options)).rejects.toMatchObject({ message: expect.stringContaining(said) })
    }
    expect((await (await connect()).run('hello')).stdout).toBe('hello')
  })
})

describe('close', () => {
  test('lets open sessions end within the time given, and takes no more', async () => {
    const { processes, processFactory } = held()
    const { server, connect, destination } = await embedded({ processFactory })
    const conn = await connect()
    const running = conn.run('hello')
    while (processes.length === 0) await turn()
    const closing = server.close({ drain: '1m' })
    await expect(conn.run('more')).rejects.toMatchObject({ name: 'ChannelOpenError' })
    await expect(connect(clientOptions())).rejects.toMatchObject({ name: 'ConnectError' })
    processes[0]?.stdout.write('bye')
    processes[0]?.exit(0)
    expect(await running).toMatchObject({ stdout: 'bye', exitStatus: 0 })
    await closing
    await conn.closed
    expect(destination.port).toBeGreaterThan(0)
  })

  test('ends them when the time is over, or at once', async () => {
    for (const options of [{ drain: 10 }, {}]) {
      const { processes, processFactory } = held()
      const { server, connect } = await embedded({ processFactory })
      const conn = await connect()
      const running = conn.run('hello').catch((error: unknown) => error)
      while (processes.length === 0) await turn()
      await server.close(options)
      expect(await running).toBeInstanceOf(Error)
      await processes[0]?.closed
    }
  })

  test('refuses options it does not know, and is called again without harm', async () => {
    const { server, connect } = await embedded()
    await expect(server.close({ drian: 5 } as object)).rejects.toMatchObject({
      message: 'Invalid options for close: unknown option "drian"; did you mean "drain"?',
    })
    const conn = await connect()
    await Promise.all([server.close(), server.close()])
    await server[Symbol.asyncDispose]()
    await conn.closed
  })

  test('happens when `await using` ends', async () => {
    let closed: Promise<void>
    {
      await using server = await listen(serverOptions())
      onTestFinished(() => server.close())
      closed = server.closed
      await connect({ host: '127.0.0.1', port: server.port, username: 'tester' }, clientOptions())
    }
    await closed
    expect(hostKey.algorithm).toBe('ssh-ed25519')
  })
})
