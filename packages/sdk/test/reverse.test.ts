import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { generatePrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { answering, gone, socksProxy } from '../../conn/test/proxies.js'
import { timeLapse } from '../../conn/test/time-lapse.js'
import {
  type ConnectReverseOptions,
  connect,
  connectReverse,
  listen,
  listenReverse,
  type ReverseListenOptions,
  type SshClientConnection,
  type SshReverseListener,
} from '../src/index.js'
import { clientOptions, embedded, hostKey, parrot, userKey, userLine } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

/** A client that waits for servers on a free port, and knows the test's host key. */
async function waiting(options: Partial<ReverseListenOptions> = {}): Promise<SshReverseListener> {
  const listener = await listenReverse({
    host: '127.0.0.1',
    port: 0,
    destination: 'tester@device',
    clientKeys: userKey,
    knownHosts: `device ${hostKey.exportPublicKey()}\n`,
    config: null,
    ...options,
  })
  onTestFinished(() => listener.close())
  return listener
}

const serving = (options: Partial<ConnectReverseOptions> = {}): ConnectReverseOptions => ({
  serverHostKeys: hostKey,
  authorizedClientKeys: userLine,
  processFactory: parrot,
  ...options,
})

const at = ({ port }: { readonly port: number }) => ({ host: '127.0.0.1', port })

/** The first connection that comes. */
async function first(listener: SshReverseListener): Promise<SshClientConnection> {
  for await (const conn of listener) return conn
  throw new Error('The listener was closed')
}

const untilEmpty = async (set: () => { readonly size: number }) => {
  while (set().size > 0) await new Promise((resolve) => setImmediate(resolve))
}

describe('a server that connects to its client', () => {
  test('serves it as any other, until either closes', async () => {
    const listener = await waiting()
    const [conn, served] = await Promise.all([first(listener), connectReverse(at(listener), serving())])
    expect((await conn.run('uptime')).stdout).toBe('uptime')
    expect(conn.info).toMatchObject({ username: 'tester', host: 'device', remoteAddress: '127.0.0.1' })
    expect(served.info).toMatchObject({ username: 'tester', remotePort: listener.port })
    expect([...listener.connections]).toEqual([conn])
    await served.close()
    await conn.closed
    expect(listener.connections.size).toBe(0)
  })

  test('is refused when its host key is not the one on file for the name', async () => {
    const other = await generatePrivateKey('ssh-ed25519')
    const listener = await waiting()
    const failure = once(listener, 'failure')
    await expect(connectReverse(at(listener), serving({ serverHostKeys: other }))).rejects.toMatchObject({
      name: 'DisconnectError',
    })
    expect(await failure).toEqual([
      expect.objectContaining({ code: 'ERR_SSH_HOST_KEY_CHANGED', message: expect.stringContaining('device') }),
      '127.0.0.1',
    ])
    expect(listener.connections.size).toBe(0)
  })

  test('is known by its address where no name is given, or by an alias', async () => {
    const lines = [
      [`127.0.0.1 ${hostKey.exportPublicKey()}\n`, undefined],
      [`alias ${hostKey.exportPublicKey()}\n`, 'alias'],
    ] as const
    for (const [knownHosts, hostKeyAlias] of lines) {
      const listener = await waiting({ destination: undefined, username: 'tester', knownHosts, hostKeyAlias })
      const [conn] = await Promise.all([first(listener), connectReverse(at(listener), serving())])
      expect((await conn.run('x')).stdout).toBe('x')
      await conn.close()
    }
  })

  test('goes through tunnels and proxies', async () => {
    const listener = await waiting()
    const gate = await embedded({ allowTcpForwarding: true })
    const proxy = await socksProxy()
    const tunnel = [
      { destination: gate.destination, options: { clientKeys: userKey, knownHosts: gate.knownHosts, config: null } },
    ]
    for (const way of [{ tunnel }, { proxy: `socks5h://127.0.0.1:${proxy.port}` }]) {
      const [conn, served] = await Promise.all([first(listener), connectReverse(at(listener), serving(way))])
      expect((await conn.run('x')).stdout).toBe('x')
      await conn.close()
      await served.closed
    }
    await untilEmpty(() => gate.server.connections)
    const outer = await gate.connect()
    const [conn, served] = await Promise.all([first(listener), outer.connectReverseSsh(at(listener), serving())])
    expect((await conn.run('y')).stdout).toBe('y')
    await outer.close()
    await expect(served.closed).rejects.toMatchObject({ name: 'ConnectionLost' })
    await conn.close()
  })

  test('gives up in time, by signal, and when nobody is there', async () => {
    const pass = timeLapse()
    const silent = await answering((socket) => {
      socket.once('data', () => pass(60_000)).on('end', () => socket.end())
    })
    await expect(connectReverse(at(silent), serving({ connectTimeout: '1m' }))).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_TIMEOUT',
      message: expect.stringContaining("the client's login"),
    })
    const controller = new AbortController()
    const connecting = connectReverse(at(silent), serving({ signal: controller.signal }))
    while (silent.sockets.size === 0) await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    await expect(connecting).rejects.toMatchObject({ code: 'ABORT_ERR' })
    await gone(silent.sockets)
    await expect(connectReverse('127.0.0.1:1', serving())).rejects.toMatchObject({ code: 'ERR_SSH_CONNECT_FAILED' })
    await expect(connectReverse('127.0.0.1:1', serving({ bogus: 1 } as object))).rejects.toMatchObject({
      message: 'Invalid options for connectReverse: unknown option "bogus"',
    })
    await expect(connectReverse('127.0.0.1:1', { serverHostKeys: hostKey })).rejects.toMatchObject({
      message: expect.stringContaining('Nobody could log in'),
    })
  })
})

describe('a client that waits for servers', () => {
  test('hands each connection to its acceptor and to listeners, and to nobody else', async () => {
    const accepted: SshClientConnection[] = []
    const listener = await waiting({ acceptor: (conn) => void accepted.push(conn) })
    const told = once(listener, 'connection')
    const served = await connectReverse(at(listener), serving())
    expect(await told).toEqual(accepted)
    const conns = listener[Symbol.asyncIterator]()
    await listener.close()
    expect(await conns.next()).toEqual({ done: true, value: undefined })
    // What was handed out stays open.
    expect((await accepted[0]?.run('x'))?.stdout).toBe('x')
    await served.close()
  })

  test('ends a connection whose acceptor fails', async () => {
    const listener = await waiting({ acceptor: () => Promise.reject(new Error('not today')) })
    const served = await connectReverse(at(listener), serving())
    await served.closed
  })

  test('passes connections on in turn, and ends with its iterator when it is closed', async () => {
    const listener = await waiting()
    const seen: string[] = []
    const iterating = (async () => {
      for await (const conn of listener) {
        seen.push((await conn.run(`number ${seen.length}`)).stdout)
        await conn.close()
      }
    })()
    for (const _ of [0, 1, 2]) await connectReverse(at(listener), serving()).then((served) => served.closed)
    await listener.close()
    await iterating
    expect(seen).toEqual(['number 0', 'number 1', 'number 2'])
    expect([listener.port, listener.addresses]).toEqual([0, []])
  })

  test('closes those that nobody took, and gives up logins that are under way', async () => {
    const listener = await waiting()
    const served = await connectReverse(at(listener), serving())
    const silent = connectTcp({ port: listener.port, host: '127.0.0.1' })
    await once(silent, 'data')
    await Promise.all([listener.close(), once(silent.resume(), 'close')])
    await served.closed
  })

  test('holds no more that wait than it may', async () => {
    const listener = await waiting({ maxStartups: 1 })
    const served = await connectReverse(at(listener), serving())
    await expect(connectReverse(at(listener), serving())).rejects.toMatchObject({ code: 'ERR_SSH_CONNECTION_LOST' })
    const conn = await first(listener)
    const [another] = await Promise.all([connectReverse(at(listener), serving()), conn.close()])
    expect(another.isClosed).toBe(false)
    await served.close()
  })

  test('is closed by its signal, before and after it listens', async () => {
    await expect(waiting({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORT_ERR' })
    const controller = new AbortController()
    const listener = await waiting({ signal: controller.signal })
    const closed = once(listener, 'close')
    controller.abort()
    await closed
    await listener.closed
  })

  test('checks its options first', async () => {
    for (const [options, said] of [
      [{ port: undefined }, 'port: '],
      [{ bogus: 1 }, 'unknown option "bogus"'],
      [{ sock: {} }, 'unknown option "sock"'],
      [{ destination: '-x' }, 'its host is no host name'],
      [{ env: 7 }, 'env: '],
    ] as const) {
      await expect(waiting(options as object)).rejects.toMatchObject({
        name: 'OptionsError',
        message: expect.stringContaining(said),
      })
    }
    const taken = await waiting()
    await expect(waiting({ port: taken.port })).rejects.toMatchObject({ code: 'ERR_SSH_CONNECT_LISTEN_FAILED' })
  })
})

describe('listening at the far end of a tunnel', () => {
  const inner = { serverHostKeys: hostKey, authorizedClientKeys: userLine, processFactory: parrot }

  test('a server there serves whoever connects, and closes with the connection', async () => {
    const gate = await embedded({ allowTcpForwarding: true })
    const outer = await gate.connect()
    const server = await outer.listenSsh('127.0.0.1', 0, inner)
    expect(server.addresses).toEqual([{ address: '127.0.0.1', port: server.port }])
    const conn = await connect({ ...at(server), username: 'tester' }, clientOptions({ config: null }))
    expect((await conn.run('deep')).stdout).toBe('deep')
    const [accepted] = server.connections
    expect(accepted?.info).toMatchObject({ username: 'tester', remoteAddress: undefined })
    await outer.close()
    await server.closed
    await expect(conn.closed).rejects.toThrow()
    expect(server.port).toBe(0)
    await conn.close()
  })

  test('and leaves the connection open when it is closed itself', async () => {
    const gate = await embedded({ allowTcpForwarding: true, processFactory: parrot })
    const outer = await gate.connect()
    const server = await outer.listenSsh('localhost', 0, inner)
    const { port } = server
    await server.close()
    expect((await outer.run('still here')).stdout).toBe('still here')
    await expect(connect(`127.0.0.1:${port}`, clientOptions({ config: null }))).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_FAILED',
    })
    await outer.close()
  })

  test('may be refused', async () => {
    const gate = await embedded({})
    const outer = await gate.connect()
    await expect(outer.listenSsh('127.0.0.1', 0, inner)).rejects.toMatchObject({ name: 'ChannelListenError' })
    await expect(outer.listenReverseSsh('127.0.0.1', 0)).rejects.toMatchObject({ name: 'ChannelListenError' })
    await outer.close()
    await expect(outer.listenSsh('127.0.0.1', 0, inner)).rejects.toMatchObject({ code: 'ERR_SSH_CONNECTION_CLOSED' })
  })

  test('a way of its own closes with the server', async () => {
    const gate = await embedded({ allowTcpForwarding: true })
    const hop = {
      destination: gate.destination,
      options: { clientKeys: userKey, knownHosts: gate.knownHosts, config: null },
    }
    const server = await listen({ ...inner, host: '127.0.0.1', port: 0, tunnel: [hop] })
    const conn = await connect({ ...at(server), username: 'tester' }, clientOptions({ config: null }))
    expect((await conn.run('x')).stdout).toBe('x')
    await conn.close()
    await server.close()
    await untilEmpty(() => gate.server.connections)
    const stranger = { destination: gate.destination, options: { knownHosts: '# nobody\n', config: null } }
    await expect(listen({ ...inner, port: 0, tunnel: [stranger] })).rejects.toMatchObject({
      code: 'ERR_SSH_HOST_KEY_UNKNOWN',
    })
    const signal = AbortSignal.abort()
    await expect(listen({ ...inner, port: 0, tunnel: [hop], signal })).rejects.toMatchObject({ code: 'ABORT_ERR' })
    await untilEmpty(() => gate.server.connections)
  })

  test('a client there waits for its servers', async () => {
    const gate = await embedded({ allowTcpForwarding: true })
    const outer = await gate.connect()
    const listener = await outer.listenReverseSsh('127.0.0.1', 0, {
      destination: 'tester@device',
      clientKeys: userKey,
      knownHosts: `device ${hostKey.exportPublicKey()}\n`,
      config: null,
    })
    const [conn] = await Promise.all([first(listener), connectReverse(at(listener), serving())])
    expect((await conn.run('x')).stdout).toBe('x')
    await outer.close()
    await listener.closed
    await expect(conn.closed).rejects.toMatchObject({ name: 'ConnectionLost' })
    await conn.close()
  })
})
