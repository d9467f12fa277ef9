import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { generatePrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type ClientOptions,
  connect,
  createProcess,
  getServerAuthMethods,
  getServerHostKey,
  run,
  runClient,
  runServer,
} from '../src/index.js'
import { clientOptions, embedded, hostKey, parrot, serverOptions, userKey } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

/** A number of a port where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ssh-sdk-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

describe('connect', () => {
  test('logs in and knows the facts of the connection, also once it is closed', async () => {
    const { server, destination, connect } = await embedded()
    const conn = await connect({ clientVersion: 'Tester_1.0' })
    const [accepted] = server.connections
    expect(accepted?.info).toMatchObject({
      username: 'tester',
      authMethods: ['publickey'],
      clientVersion: 'SSH-2.0-Tester_1.0',
      remoteAddress: '127.0.0.1',
    })
    expect(accepted?.info.publicKey?.equals(userKey.publicKey)).toBe(true)
    const { info } = conn
    expect(info).toMatchObject({
      ...destination,
      clientVersion: 'SSH-2.0-Tester_1.0',
      serverVersion: accepted?.info.serverVersion,
      remoteAddress: '127.0.0.1',
      remotePort: destination.port,
      localPort: accepted?.info.remotePort,
    })
    expect(info.algorithms).toMatchObject({ serverHostKey: 'ssh-ed25519', compressionClientToServer: 'none' })
    expect(conn.getServerHostKey().equals(hostKey.publicKey)).toBe(true)
    expect(conn.isClosed).toBe(false)
    await conn.close()
    expect(conn.isClosed).toBe(true)
    expect(conn.info).toEqual(info)
  })

  test('takes each form of a destination', async () => {
    const { server } = await embedded()
    const { port } = server
    const options = clientOptions({ username: 'option', port })
    for (const [destination, username] of [
      ['127.0.0.1', 'option'],
      ['someone@127.0.0.1', 'someone'],
      [`some@one@127.0.0.1:${port}`, 'some@one'],
      [`[127.0.0.1]:${port}`, 'option'],
      [`ssh://some%20one@127.0.0.1:${port}`, 'some one'],
      [{ host: '127.0.0.1', port, username: 'parts' }, 'parts'],
    ] as const) {
      await using conn = await connect(destination, options)
      expect(conn.info.username).toBe(username)
    }
  })

  test.each(['clientCerts', 'prot'])('refuses the option %s by name', async (name) => {
    await expect(connect('127.0.0.1:1', { [name]: 'x' } as ClientOptions)).rejects.toMatchObject({
      name: 'OptionsError',
      code: 'ERR_SSH_OPTIONS_INVALID',
      message: expect.stringContaining(`"${name}"`),
    })
  })

  test('says of each option of the wrong kind what it should be', async () => {
    const options = { port: 'ssh', keepaliveInterval: 'soon', knownHosts: 7 } as unknown as ClientOptions
    const error = await connect('127.0.0.1', options).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_SSH_OPTIONS_INVALID' })
    for (const said of ['port: expected number', 'keepaliveInterval: "soon" is not a duration', 'knownHosts: ']) {
      expect(String(error)).toContain(said)
    }
  })

  test('refuses a host nobody knows before anything about the user is sent', async () => {
    const names: string[] = []
    const { destination } = await embedded({
      serverFactory: () => ({
        beginAuth(username) {
          names.push(username)
          return true
        },
      }),
    })
    const options = { config: null, clientKeys: userKey, knownHosts: '# empty\n' }
    await expect(connect(destination, options)).rejects.toMatchObject({
      name: 'HostKeyNotVerifiable',
      code: 'ERR_SSH_HOST_KEY_UNKNOWN',
      details: { offered: { fingerprint: hostKey.getFingerprint() } },
    })
    expect(names).toEqual([])
  })

  test('refuses a changed host key, with both fingerprints, file and line', async () => {
    const { destination } = await embedded()
    const file = join(await temporaryFolder(), 'known_hosts')
    const other = await generatePrivateKey('ssh-ed25519')
    await writeFile(file, `# a comment\n[127.0.0.1]:${destination.port} ${other.exportPublicKey()}`)
    await expect(connect(destination, { config: null, clientKeys: userKey, knownHosts: file })).rejects.toMatchObject({
      code: 'ERR_SSH_HOST_KEY_CHANGED',
      details: {
        offered: { fingerprint: hostKey.getFingerprint() },
        known: [{ fingerprint: other.getFingerprint(), file, line: 2 }],
      },
    })
  })

  test('accepts and remembers a new host when told so, and trusts it the next time', async () => {
    const { destination, knownHosts } = await embedded()
    const file = join(await temporaryFolder(), 'known_hosts')
    const first = await connect(destination, {
      config: null,
      clientKeys: userKey,
      knownHosts: file,
      hostKeyPolicy: 'accept-new',
    })
    await first.close()
    expect(await readFile(file, 'utf8')).toBe(knownHosts.replace(' host\n', '\n'))
    const second = await connect(destination, { config: null, clientKeys: userKey, knownHosts: file })
    await second.close()
  })

  test('says which credentials were tried, and what the server would take', async () => {
    const { destination } = await embedded()
    const stranger = await generatePrivateKey('ssh-ed25519')
    await expect(connect(destination, clientOptions({ clientKeys: [stranger] }))).rejects.toMatchObject({
      name: 'PermissionDenied',
      details: {
        attempts: [{ method: 'publickey', keyFingerprint: stranger.getFingerprint(), result: 'rejected' }],
        serverMethods: ['publickey'],
      },
    })
  })

  test('asks for passwords, answers and passphrases only when they are wanted', async () => {
    const asked: string[] = []
    const { destination } = await embedded({
      requiredAuth: [['publickey', 'password', 'keyboard-interactive']],
      serverFactory: () => ({
        validatePassword: (username, password) => username === 'tester' && password === 'secret',
        getKbdintChallenge: () => ({
          name: 'Quiz',
          instructions: 'Answer.',
          prompts: [{ prompt: 'Two?', echo: true }],
        }),
        validateKbdintResponse: (_username, [answer]) => answer === '2',
      }),
    })
    const file = join(await temporaryFolder(), 'id')
    await writeFile(file, await userKey.exportPrivateKey('openssh', { passphrase: 'phrase', rounds: 1 }))
    await using conn = await connect(
      destination,
      clientOptions({
        clientKeys: file,
        passphrase: async (name) => {
          asked.push(name)
          return 'phrase'
        },
        password: async () => {
          asked.push('password')
          return 'secret'
        },
        keyboardInteractive: (name, instructions, prompts) => {
          asked.push(name, instructions, ...prompts.map(({ prompt, echo }) => `${prompt} ${echo}`))
          return ['2']
        },
      }),
    )
    expect(asked.sort()).toEqual([file, 'Answer.', 'Quiz', 'Two? true', 'password'].sort())
    expect(conn.isClosed).toBe(false)
  })

  test('tells the system error when nobody listens', async () => {
    await expect(connect(`127.0.0.1:${await closedPort()}`, clientOptions())).rejects.toMatchObject({
      name: 'ConnectError',
      cause: { code: 'ECONNREFUSED' },
    })
  })

  test('names both lists when there is no common algorithm', async () => {
    const { destination } = await embedded({ encryptionAlgs: 'aes256-gcm@openssh.com' })
    await expect(
      connect(destination, clientOptions({ encryptionAlgs: ['aes128-gcm@openssh.com'] })),
    ).rejects.toMatchObject({
      name: 'KeyExchangeFailed',
      details: { ours: ['aes128-gcm@openssh.com'], theirs: ['aes256-gcm@openssh.com'] },
    })
  })

  test('gives up a server that says nothing, within connectTimeout', async () => {
    const [ours] = duplexPair()
    await expect(runClient(ours, 'host', clientOptions({ connectTimeout: 20 }))).rejects.toMatchObject({
      name: 'TimeoutError',
      code: 'ERR_SSH_CONNECT_TIMEOUT',
    })
    expect(ours.destroyed).toBe(true)
  })

  test('gives up at every step when aborted, and leaves nothing open', { timeout: 60_000 }, async () => {
    const { server, destination } = await embedded()
    let isLoggedIn = false
    for (let turns = 0; !isLoggedIn; turns++) {
      const controller = new AbortController()
      const reason = new Error(`after ${turns} turns`)
      const connecting = connect(destination, clientOptions({ signal: controller.signal }))
      connecting.catch(() => {})
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
      controller.abort(reason)
      isLoggedIn = await connecting.then(
        async (conn) => {
          await conn.close()
          return true
        },
        (error: unknown) => {
          expect(error).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: reason })
          return false
        },
      )
      expect(turns).toBeLessThan(10_000)
    }
    while (server.connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  test('keeps events until somebody listens, however late', async () => {
    const { connect } = await embedded({ banner: 'Welcome\n' })
    const [one, two] = await Promise.all([connect(), connect()])
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    for (const conn of [one, two]) {
      const banners: string[] = []
      conn.on('banner', (message) => banners.push(message))
      const [message] = await new Promise<[string, string]>((resolve) =>
        conn.once('banner', (...text) => resolve(text)),
      )
      expect(message).toBe('Welcome\n')
      expect(banners).toEqual(['Welcome\n'])
    }
  })
})

describe('over streams that are connected already', () => {
  test('both ends speak, and close the streams with them', async () => {
    const [ours, theirs] = duplexPair()
    const serving = runServer(theirs, serverOptionsOfStream())
    const conn = await runClient(ours, 'tester@anywhere', clientOptions())
    const accepted = await serving
    expect(accepted.info.username).toBe('tester')
    expect((await conn.run('hello')).stdout).toBe('hello')
    await conn.close()
    await accepted.closed
    expect([ours.destroyed, theirs.destroyed]).toEqual([true, true])
  })

  test('a client that is not let in is told to the server as well', async () => {
    const [ours, theirs] = duplexPair()
    const serving = runServer(theirs, serverOptionsOfStream())
    serving.catch(() => {})
    const strangers = clientOptions({ clientKeys: await generatePrivateKey('ssh-ed25519') })
    await expect(runClient(ours, 'host', strangers)).rejects.toMatchObject({ name: 'PermissionDenied' })
    await expect(serving).rejects.toMatchObject({ name: 'DisconnectError' })
    expect([ours.destroyed, theirs.destroyed]).toEqual([true, true])
  })

  test('a server gives up when aborted', async () => {
    const [ours, theirs] = duplexPair()
    const controller = new AbortController()
    const serving = runServer(theirs, serverOptionsOfStream({ signal: controller.signal }))
    setImmediate(() => controller.abort())
    await expect(serving).rejects.toMatchObject({ code: 'ABORT_ERR' })
    expect(theirs.destroyed).toBe(true)
    ours.destroy()
  })

  test('a stream that breaks before anybody read it fails the call and nothing else', async () => {
    const [ours, theirs] = duplexPair()
    const serving = runServer(theirs, serverOptionsOfStream())
    const connecting = runClient(ours, 'host', clientOptions())
    ours.destroy(new Error('cut'))
    theirs.destroy(new Error('cut'))
    expect(await Promise.allSettled([connecting, serving])).toMatchObject([
      { reason: { code: 'ERR_SSH_CONNECTION_LOST' } },
      { reason: { code: 'ERR_SSH_CONNECTION_LOST' } },
    ])
  })

  function serverOptionsOfStream(more: object = {}) {
    const { host: _host, port: _port, ...options } = serverOptions({ processFactory: parrot, ...more })
    return options
  }
})

describe('run and createProcess on a connection of their own', () => {
  test('close it when the command is over', async () => {
    const { server, destination } = await embedded({ processFactory: parrot })
    const result = await run(destination, 'hello', clientOptions())
    expect(result).toMatchObject({ stdout: 'hello', exitStatus: 0, command: 'hello' })
    const remote = await createProcess(destination, 'exit 3', clientOptions())
    expect(await remote.wait()).toMatchObject({ stdout: 'exit 3', exitStatus: 3 })
    while (server.connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  test('close it when the command fails or is refused', async () => {
    const { server, destination } = await embedded({ processFactory: parrot })
    await expect(run(destination, 'exit 3', { ...clientOptions(), check: true })).rejects.toMatchObject({
      name: 'ProcessError',
      exitStatus: 3,
    })
    await server.update({ processFactory: undefined })
    await expect(createProcess(destination, 'x', clientOptions())).rejects.toMatchObject({
      code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED',
    })
    while (server.connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  test('check all options before anything is dialled', async () => {
    const { server, destination } = await embedded()
    const made: unknown[] = []
    await server.update({
      serverFactory: (connection) => {
        made.push(connection)
        return {}
      },
    })
    const options = { ...clientOptions(), colour: true }
    await expect(run(destination, 'x', options)).rejects.toMatchObject({
      name: 'OptionsError',
      message: 'Invalid options for run: unknown option "colour"',
    })
    await expect(createProcess(destination, 'x', options)).rejects.toMatchObject({ name: 'OptionsError' })
    expect(made).toEqual([])
  })

  test('send the variables of the connection and of the command', async () => {
    const { destination } = await embedded({
      processFactory: (process) => {
        process.stdout.write(JSON.stringify([...process.env]))
        process.exit(0)
      },
    })
    await using conn = await connect(destination, clientOptions({ env: { A: 'connection', B: 'connection' } }))
    const { stdout } = await conn.run('env', { env: { B: 'command' } })
    expect(new Map(JSON.parse(stdout))).toEqual(
      new Map([
        ['A', 'connection'],
        ['B', 'command'],
      ]),
    )
  })
})

describe('what a server says of itself', () => {
  test('its host key, of the type asked for, without any user', async () => {
    const rsa = await generatePrivateKey('ssh-rsa', { bits: 2048 })
    const { server } = await embedded({ serverHostKeys: [hostKey, rsa] })
    const destination = `127.0.0.1:${server.port}`
    expect((await getServerHostKey(destination)).getFingerprint()).toBe(hostKey.getFingerprint())
    const asked = await getServerHostKey(destination, { serverHostKeyAlgs: 'rsa-sha2-*' })
    expect(asked.getFingerprint()).toBe(rsa.getFingerprint())
  })

  test('the methods it offers a user', async () => {
    const { destination } = await embedded({
      serverFactory: () => ({ validatePassword: () => false, beginAuth: (username) => username !== 'guest' }),
    })
    const methods = await getServerAuthMethods(destination)
    expect([...methods].sort()).toEqual(['keyboard-interactive', 'password', 'publickey'])
    expect(await getServerAuthMethods({ ...destination, username: 'guest' })).toEqual(['none'])
  })

  test('refuse options that mean nothing to them, and give up like connect', async () => {
    const { destination } = await embedded()
    await expect(getServerHostKey(destination, { password: 'x' } as object)).rejects.toMatchObject({
      message: 'Invalid options for getServerHostKey: unknown option "password"',
    })
    await expect(getServerAuthMethods(destination, { knownHosts: null } as object)).rejects.toMatchObject({
      message: 'Invalid options for getServerAuthMethods: unknown option "knownHosts"',
    })
    const signal = AbortSignal.abort()
    await expect(getServerHostKey(destination, { signal })).rejects.toMatchObject({ code: 'ABORT_ERR' })
    await expect(getServerAuthMethods(destination, { signal })).rejects.toMatchObject({ code: 'ABORT_ERR' })
    const nowhere = `127.0.0.1:${await closedPort()}`
    await expect(getServerHostKey(nowhere)).rejects.toMatchObject({ name: 'ConnectError' })
    await expect(getServerAuthMethods(nowhere)).rejects.toMatchObject({ name: 'ConnectError' })
  })
})
