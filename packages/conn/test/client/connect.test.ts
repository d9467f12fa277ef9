import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { AbortError } from '@ssh/wire'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ClientOptions } from '../../src/client/client-options.js'
import { establishClient } from '../../src/client/connect.js'
import { aliceOptions, connecting, hostKey, listening, passwordCallbacks, serving, streamPair } from '../loopback.js'

/** A TCP server that does no SSH. */
async function speaking(onSocket: (socket: Socket) => void): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.resume()
    onSocket(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, sockets }
}

const at = (port: number) => ({ host: '127.0.0.1', port })
const failing = (port: number, options: ClientOptions = {}) =>
  establishClient(at(port), { ...aliceOptions, ...options }).then(
    () => {
      throw new Error('The connection was established')
    },
    (error) => error,
  )

describe('a connection', () => {
  test('tells its facts, opens sessions, and closes normally on both sides', async () => {
    const server = await listening()
    const connection = await connecting(server.port)
    expect(connection.info).toMatchObject({
      username: 'alice',
      host: '127.0.0.1',
      port: server.port,
      remoteAddress: '127.0.0.1',
      remotePort: server.port,
      algorithms: { serverHostKey: 'ssh-ed25519' },
    })
    expect(connection.getServerHostKey().equals(hostKey.publicKey)).toBe(true)
    const [accepted] = server.connections
    await accepted?.authenticated
    await connection.close()
    await expect(connection.closed).resolves.toBeUndefined()
    await expect(accepted?.closed).resolves.toBeUndefined()
    expect(connection.isClosed).toBe(true)
    expect(connection.info.remoteAddress).toBe('127.0.0.1')
  })

  test('changes keys when asked, for everybody who asked', async () => {
    const server = await listening()
    const connection = await connecting(server.port)
    const rekeyed = vi.fn()
    connection.on('rekey', rekeyed)
    await Promise.all([connection.rekey(), connection.rekey()])
    await vi.waitFor(() => expect(rekeyed).toHaveBeenCalledOnce())
  })

  test('refuses at once what comes too late, saying what ended it', async () => {
    const server = await listening()
    const connection = await connecting(server.port)
    connection.abort(new Error('enough of this'))
    await expect(connection.closed).rejects.toThrow('enough of this')
    await expect(connection.openSessionChannel()).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECTION_CLOSED',
      message: expect.stringContaining('enough of this'),
    })
    await expect(connection.rekey()).rejects.toMatchObject({ code: 'ERR_SSH_CONNECTION_CLOSED' })
    expect(() => connection.sendDebug('too late')).not.toThrow()
    await connection.close()
  })

  test('delivers events that came before anybody could listen, and none can end the connection', async () => {
    const server = await listening({ banner: 'Be good' })
    const connection = await connecting(server.port)
    const banners: string[] = []
    connection.on('banner', (message) => banners.push(message))
    await vi.waitFor(() => expect(banners).toEqual(['Be good']))
    server.connections.forEach((accepted) => void accepted.sendDebug('one', true))
    const debugs: unknown[] = []
    connection.on('debug', (...values) => debugs.push(values))
    await vi.waitFor(() => expect(debugs).toEqual([['one', true]]))
  })

  test('tells its end as an event too', async () => {
    const server = await listening()
    const connection = await connecting(server.port)
    const ended = once(connection, 'close')
    await connection.close()
    expect(await ended).toEqual([undefined])
  })

  test('works over any stream of bytes', async () => {
    const [near, far] = streamPair()
    await serving(far)
    const link = await establishClient('anywhere', { ...aliceOptions, sock: near })
    expect(link.addresses.remoteAddress).toBeUndefined()
    await link.close()
    expect([near.destroyed, near.readableEnded]).toEqual([true, true])
  })

  test('fails over a stream that was closed before', async () => {
    const [near] = streamPair()
    near.destroy()
    await expect(establishClient('anywhere', { ...aliceOptions, sock: near })).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECTION_LOST',
    })
  })

  test('falls back to another address of the name when the first refuses', async () => {
    const server = await listening()
    const { port } = server
    const dns = await import('node:dns')
    const lookup = vi.spyOn(dns.default, 'lookup') as unknown as {
      mockImplementation(f: unknown): void
      mockRestore(): void
    }
    lookup.mockImplementation((_host: string, _options: unknown, done: (...results: unknown[]) => void) =>
      done(null, [
        { address: '::1', family: 6 },
        { address: '127.0.0.99', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ]),
    )
    onTestFinished(() => lookup.mockRestore())
    const link = await establishClient({ host: 'many.example', port }, aliceOptions)
    expect(link.addresses.remoteAddress).toBe('127.0.0.1')
    await link.close()
    await server.close()
    const error = await establishClient({ host: 'many.example', port }, aliceOptions).catch((e) => e)
    expect(error).toMatchObject({ code: 'ERR_SSH_CONNECT_FAILED', details: { attempts: { length: 3 } } })
  })
})

describe('what is no SSH server is told apart', () => {
  const closing = (socket: Socket) => void socket.destroy()
  test.each<[string, (socket: Socket) => void, Partial<ClientOptions>, object]>([
    [
      'a web server',
      (socket) => void socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      {},
      { code: 'ERR_SSH_TRANSPORT_NOT_SSH', message: expect.stringContaining('HTTP') },
    ],
    [
      'a port that says nothing',
      () => {},
      { loginTimeout: 100 },
      { code: 'ERR_SSH_LOGIN_TIMEOUT', name: 'TimeoutError' },
    ],
    ['a port that says nothing in time', () => {}, { connectTimeout: 100 }, { code: 'ERR_SSH_CONNECT_TIMEOUT' }],
    [
      'a port that closes at once',
      closing,
      {},
      { code: 'ERR_SSH_CONNECTION_LOST', details: { phase: 'identification' } },
    ],
    [
      'SSH of the last century',
      (socket) => void socket.write('SSH-1.5-x\r\n'),
      {},
      { code: 'ERR_SSH_TRANSPORT_VERSION_UNSUPPORTED' },
    ],
  ])('%s', async (_, onSocket, options, expected) => {
    const { port, sockets } = await speaking(onSocket)
    expect(await failing(port, options)).toMatchObject(expected)
    await vi.waitFor(() => expect(sockets.size).toBe(0))
  })

  test('a port where nothing listens, and a name that is not known', async () => {
    const server = await listening()
    const { port } = server
    await server.close()
    expect(await failing(port)).toMatchObject({
      name: 'ConnectError',
      code: 'ERR_SSH_CONNECT_FAILED',
      details: { systemCode: 'ECONNREFUSED', port },
    })
    await expect(establishClient('no.such.host.invalid', aliceOptions)).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_FAILED',
      details: { host: 'no.such.host.invalid' },
    })
  })
})

describe('logging in fails with what was tried', () => {
  test('for a wrong password', async () => {
    const server = await listening()
    expect(await failing(server.port, { password: 'wrong' })).toMatchObject({
      name: 'PermissionDenied',
      message: expect.stringContaining('password (rejected)'),
      details: {
        userName: 'alice',
        attempts: [
          { method: 'keyboard-interactive', result: 'rejected' },
          { method: 'password', result: 'rejected' },
        ],
        serverMethods: ['keyboard-interactive', 'password'],
      },
    })
  })

  test('also when the server has had enough and hangs up', async () => {
    const server = await listening({ maxAuthTries: 1 })
    expect(await failing(server.port, { password: 'wrong' })).toMatchObject({
      name: 'PermissionDenied',
      cause: { code: 'ERR_SSH_TRANSPORT_DISCONNECTED' },
    })
  })

  test('for want of a common algorithm, with both lists', async () => {
    const server = await listening({ encryptionAlgs: 'aes256-ctr' })
    expect(await failing(server.port, { encryptionAlgs: 'aes128-ctr' })).toMatchObject({
      name: 'KeyExchangeFailed',
      details: { ours: ['aes128-ctr'], theirs: ['aes256-ctr'] },
    })
  })

  test('never repeating a secret', async () => {
    const server = await listening()
    const error = await failing(server.port, {
      password: 'tr0ub4dor',
      passphrase: 'c0rrect',
      keyboardInteractive: () => ['h0rse'],
    })
    const { inspect } = await import('node:util')
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/tr0ub4dor|c0rrect|h0rse/)
  })
})

describe('keys', () => {
  test.each<[string, ClientOptions, object]>([
    [
      'that is missing',
      { clientKeys: '/does/not/exist' },
      { name: 'KeyImportError', message: expect.stringContaining('there is no such file') },
    ],
    [
      'that is a folder',
      { clientKeys: '/tmp' },
      { name: 'KeyImportError', message: expect.stringContaining('not a regular file') },
    ],
    ['that is garbage', { clientKeys: 'hello\nworld' }, { name: 'KeyImportError' }],
  ])('a key file %s fails before anything is sent', async (_, options, expected) => {
    const sent = vi.fn()
    const { port } = await speaking((socket) => void socket.on('data', sent))
    expect(await failing(port, options)).toMatchObject(expected)
    expect(sent).not.toHaveBeenCalled()
  })

  test('an encrypted key asks for its passphrase once, and says when it is missing or wrong', async () => {
    const server = await listening({ callbacks: { validatePublicKey: (_, key) => key.equals(hostKey.publicKey) } })
    const clientKeys = await hostKey.exportPrivateKey('openssh', { passphrase: 'pass', rounds: 1 })
    const withKey = { password: undefined, clientKeys } as unknown as ClientOptions
    expect(await failing(server.port, withKey)).toMatchObject({ code: 'ERR_SSH_KEY_PASSPHRASE_MISSING' })
    expect(await failing(server.port, { ...withKey, passphrase: 'no' })).toMatchObject({
      code: 'ERR_SSH_KEY_PASSPHRASE_WRONG',
    })
    expect(await failing(server.port, { ...withKey, passphrase: () => 'no' })).toMatchObject({
      code: 'ERR_SSH_KEY_PASSPHRASE_WRONG',
      message: expect.stringContaining('a key given as text'),
    })
    expect(await failing(server.port, { ...withKey, passphrase: () => null })).toMatchObject({
      code: 'ERR_SSH_KEY_PASSPHRASE_MISSING',
    })
    const passphrase = vi.fn(async () => 'pass')
    const connection = await connecting(server.port, { ...withKey, passphrase })
    expect(passphrase).toHaveBeenCalledExactlyOnceWith('a key given as text')
    await connection.close()
  })
})

describe('giving up', () => {
  const never = () => new Promise<never>(() => {})
  const after = (reached: () => void) => {
    reached()
    return never()
  }

  /** Aborts once `reached` is called, and checks that nothing stays open. */
  async function abortAt(connect: (signal: AbortSignal, reached: () => void) => Promise<unknown>): Promise<void> {
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const error = await connect(controller.signal, () => setImmediate(() => controller.abort(reason))).catch((e) => e)
    expect(error).toBeInstanceOf(AbortError)
    expect(error).toMatchObject({ code: 'ABORT_ERR', cause: reason })
  }

  test('before anything began', async () => {
    await expect(establishClient(at(1), { ...aliceOptions, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORT_ERR',
    })
  })

  test('while a key or the known hosts are read', async () => {
    await abortAt((signal, reached) => {
      return establishClient(at(1), {
        ...aliceOptions,
        hostKeyFingerprint: undefined,
        knownHosts: () => after(reached),
        signal,
      })
    })
  })

  test.each<[string, (reached: () => void) => { server?: object; client?: ClientOptions }]>([
    ['during the key exchange', (reached) => ({ server: { serverFactory: () => after(reached) } })],
    [
      'during the host key verdict',
      (reached) => ({
        client: { hostKeyFingerprint: undefined as never, knownHosts: null, verifyHostKey: () => after(reached) },
      }),
    ],
    [
      'while the server thinks about a password',
      (reached) => ({ server: { callbacks: { validatePassword: () => after(reached) } } }),
    ],
    ['while we are asked for a password', (reached) => ({ client: { password: () => after(reached) } })],
  ])('%s', async (_, arrange) => {
    let hasBegun = () => {}
    const { server: serverOptions, client } = arrange(() => hasBegun())
    const server = await listening(serverOptions)
    await abortAt((signal, reached) => {
      hasBegun = reached
      return establishClient(at(server.port), { ...aliceOptions, ...client, signal })
    })
    await vi.waitFor(() => expect(server.connections.size).toBe(0))
  })

  test('while TCP connects', async () => {
    const dns = await import('node:dns')
    const lookup = vi.spyOn(dns.default, 'lookup').mockImplementation((() => {}) as never)
    onTestFinished(() => lookup.mockRestore())
    await abortAt((signal, reached) => {
      reached()
      return establishClient('slow.example', { ...aliceOptions, signal })
    })
    await expect(establishClient('slow.example', { ...aliceOptions, connectTimeout: 50 })).rejects.toMatchObject({
      name: 'TimeoutError',
      code: 'ERR_SSH_CONNECT_TIMEOUT',
      message: expect.stringContaining('the TCP connection'),
    })
  })

  test('has no effect once connected', async () => {
    const controller = new AbortController()
    const server = await listening()
    const connection = await connecting(server.port, { signal: controller.signal })
    controller.abort()
    await connection.rekey()
    expect(connection.isClosed).toBe(false)
  })

  test('leaves the process alone: no listener stays on the signal', async () => {
    const { signal } = new AbortController()
    const remove = vi.spyOn(signal, 'removeEventListener')
    const add = vi.spyOn(signal, 'addEventListener')
    const server = await listening({ callbacks: passwordCallbacks })
    await connecting(server.port, { signal })
    expect(add).toHaveBeenCalled()
    for (const [type, listener] of add.mock.calls) expect(remove).toHaveBeenCalledWith(type, listener)
  })
})

test('an option that nobody knows is refused by its name', async () => {
  await expect(establishClient('host', { pasword: 'x' } as never)).rejects.toMatchObject({
    name: 'OptionsError',
    message: 'Invalid options for connect: unknown option "pasword"; did you mean "password"?',
  })
})
