import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { answering, gone, httpProxy, socksProxy } from '../../conn/test/proxies.js'
import { timeLapse } from '../../conn/test/time-lapse.js'
import {
  type ClientOptions,
  connect,
  getServerAuthMethods,
  getServerHostKey,
  type ListenOptions,
  listen,
  type SshServer,
  type SshServerCallbacks,
  writePrivateKey,
} from '../src/index.js'
import { parrot, userKey, userLine } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

const keys = await Promise.all([1, 2, 3].map(() => generatePrivateKey('ssh-ed25519')))

interface Host {
  readonly server: SshServer
  readonly address: string
  /** Its line of known_hosts. */
  readonly line: string
  /** Users that began to log in. */
  readonly users: string[]
  readonly passwords: string[]
}

/** A server that forwards, and that lets the user in by key and `secret`. @param number which of the host keys it has */
async function host(number: number, options: Partial<ListenOptions> = {}): Promise<Host> {
  const key = keys[number] ?? userKey
  const users: string[] = []
  const passwords: string[] = []
  const callbacks: SshServerCallbacks = {
    beginAuth: (username) => {
      users.push(username)
      return true
    },
    validatePassword: (_username, password) => {
      passwords.push(password)
      return password === 'secret'
    },
  }
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    serverHostKeys: key,
    authorizedClientKeys: userLine,
    serverFactory: () => callbacks,
    processFactory: parrot,
    allowTcpForwarding: true,
    ...options,
  })
  onTestFinished(() => server.close())
  const line = `[127.0.0.1]:${server.port} ${key.exportPublicKey()}`
  return { server, address: `tester@127.0.0.1:${server.port}`, line, users, passwords }
}

const hosts = () => Promise.all([host(0), host(1), host(2)])

/** Options of a client that knows these hosts and has the user's key. */
function knowing(known: readonly Host[], options: ClientOptions = {}): ClientOptions {
  return { clientKeys: userKey, knownHosts: `${known.map(({ line }) => line).join('\n')}\n`, config: null, ...options }
}

async function untilEmpty(...servers: readonly Host[]): Promise<void> {
  while (servers.some(({ server }) => server.connections.size > 0))
    await new Promise((resolve) => setImmediate(resolve))
}

describe('jump hosts', () => {
  test('a chain of them, each known and logged in to as a host of its own', async () => {
    const [first, second, third] = await hosts()
    const conn = await connect(
      third.address,
      knowing([first, second, third], { tunnel: `${first.address}, ${second.address}` }),
    )
    expect((await conn.run('hello')).stdout).toBe('hello')
    expect(conn.info).toMatchObject({ port: third.server.port, remoteAddress: undefined })
    expect([first, second, third].map(({ users }) => users)).toEqual([['tester'], ['tester'], ['tester']])
    const [accepted] = third.server.connections
    // Who connected to the third is the second, and not this process's client.
    expect(accepted?.info.remotePort).not.toBe(undefined)
    await conn.close()
    await expect(conn.closed).resolves.toBeUndefined()
    await untilEmpty(first, second, third)
  })

  test('carry much data, and as much back', async () => {
    const [first, second, third] = await Promise.all([
      host(0),
      host(1),
      host(2, {
        processFactory: (process) => void process.stdin.pipe(process.stdout).on('finish', () => process.exit(0)),
      }),
    ])
    const tunnel = `${first.address},${second.address}`
    await using conn = await connect(third.address, knowing([first, second, third], { tunnel }))
    const input = Buffer.alloc(8 * 1024 * 1024, 'a tunnel in a tunnel ')
    const { stdout } = await conn.run('cat', { input, encoding: 'buffer', maxBuffer: '16m' })
    expect(Buffer.compare(stdout, input)).toBe(0)
  })

  test('an unknown second hop is refused before any credential leaves, and nothing beyond it is asked', async () => {
    const [first, second, third] = await hosts()
    const error = await connect(
      third.address,
      knowing([first, third], { tunnel: `${first.address},${second.address}`, password: 'secret' }),
    ).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      name: 'HostKeyNotVerifiable',
      code: 'ERR_SSH_HOST_KEY_UNKNOWN',
      message: expect.stringMatching(/^Jump host 127\.0\.0\.1: /),
    })
    expect([first.users, second.users, third.users]).toEqual([['tester'], [], []])
    expect([...first.passwords, ...second.passwords]).toEqual([])
    expect(third.server.connections.size).toBe(0)
    await untilEmpty(first, second)
  })

  test('are shown no password that is meant for the host behind them', async () => {
    const [first, second] = await hosts()
    const options = knowing([first, second], { clientKeys: null, password: 'secret', tunnel: first.address })
    await expect(connect(second.address, options)).rejects.toMatchObject({
      name: 'PermissionDenied',
      message: expect.stringMatching(/^Jump host 127\.0\.0\.1: /),
    })
    expect(first.passwords).toEqual([])
    const hops = [{ destination: first.address, options: { password: 'secret' } }]
    await using conn = await connect(second.address, { ...options, tunnel: hops })
    expect((await conn.run('x')).stdout).toBe('x')
    expect(first.passwords).toEqual(['secret'])
  })

  test('that do not forward are told apart from hosts that cannot be reached', async () => {
    const [first, second] = [await host(0, { allowTcpForwarding: false }), await host(1)]
    await expect(connect(second.address, knowing([first, second], { tunnel: first.address }))).rejects.toMatchObject({
      name: 'ConnectError',
      code: 'ERR_SSH_CONNECT_TUNNEL_REFUSED',
      message: expect.stringMatching(/^Jump host 127\.0\.0\.1: It did not connect to 127\.0\.0\.1 port/),
      details: { host: '127.0.0.1', port: second.server.port, jumpHost: '127.0.0.1' },
    })
    await untilEmpty(first)
    const nobody = `tester@127.0.0.1:${second.server.port}`
    await second.server.close()
    const open = await host(2)
    await expect(connect(nobody, knowing([open], { tunnel: open.address }))).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_TUNNEL_REFUSED',
    })
    await expect(connect(open.address, knowing([open], { tunnel: nobody }))).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_FAILED',
      message: expect.stringMatching(/^Jump host 127\.0\.0\.1: Cannot connect to/),
    })
  })

  test('are blamed for what they refuse themselves, and not the hop behind them', async () => {
    const [first, second] = [await host(0, { allowTcpForwarding: false }), await host(1)]
    const hops = [{ destination: first.address }, { destination: `tester@localhost:${second.server.port}` }]
    await expect(connect(second.address, knowing([first, second], { tunnel: hops }))).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_TUNNEL_REFUSED',
      message: expect.stringMatching(/^Jump host 127\.0\.0\.1: It did not connect to localhost/),
      details: { host: 'localhost', jumpHost: '127.0.0.1' },
    })
    await untilEmpty(first)
  })

  test('count within connectTimeout of the whole', async () => {
    const [first] = await hosts()
    const pass = timeLapse()
    const silent = await answering((socket) => {
      socket.once('data', () => pass(60_000)).on('end', () => socket.end())
    })
    const hop = { destination: first.address }
    const tunnel = [hop, { destination: `tester@127.0.0.1:${silent.port}` }]
    await expect(connect('inner', knowing([first], { tunnel, connectTimeout: '1m' }))).rejects.toMatchObject({
      name: 'TimeoutError',
      code: 'ERR_SSH_CONNECT_TIMEOUT',
      message: expect.stringContaining('the way through the tunnel'),
    })
    await gone(silent.sockets)
    await untilEmpty(first)
  })

  test('giving up at any hop leaves nothing open', async () => {
    for (const stage of [0, 1, 2]) {
      const controller = new AbortController()
      const giveUp: Partial<ListenOptions> = {
        serverFactory: () => ({
          beginAuth: () => {
            controller.abort(new Error('enough'))
            return true
          },
        }),
      }
      const [first, second, third] = await Promise.all(
        [0, 1, 2].map((number) => host(number, number === stage ? giveUp : {})),
      )
      if (first === undefined || second === undefined || third === undefined) throw new Error('There are three')
      const tunnel = `${first.address},${second.address}`
      const options = knowing([first, second, third], { tunnel, signal: controller.signal })
      await expect(connect(third.address, options)).rejects.toMatchObject({
        code: 'ABORT_ERR',
        cause: { message: 'enough' },
      })
      await untilEmpty(first, second, third)
    }
  })

  test('that vanish end what goes through them', async () => {
    const [first, second] = await hosts()
    const conn = await connect(second.address, knowing([first, second], { tunnel: first.address }))
    for (const accepted of first.server.connections) accepted.abort(new Error('power cut'))
    await expect(conn.closed).rejects.toMatchObject({ name: 'ConnectionLost' })
    await conn.close()
  })

  test('do not keep the process when the connection does not', async () => {
    const [first, second] = await hosts()
    const active = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
    await using conn = await connect(second.address, knowing([first, second], { tunnel: first.address }))
    const before = active()
    conn.unref()
    expect(active()).toBe(before - 1)
    conn.ref()
    expect(active()).toBe(before)
  })

  test('are checked before anything is dialled', async () => {
    const [first] = await hosts()
    const cases: [ClientOptions, string][] = [
      [{ tunnel: `${first.address},` }, 'it has no host'],
      [{ tunnel: `${first.address},-oProxyCommand=x` }, 'its host is no host name'],
      [
        { tunnel: [{ destination: first.address, options: { bogus: 1 } as object }] },
        'tunnel[0]: unknown option "bogus"',
      ],
      [{ tunnel: [{ destination: first.address, option: {} } as never] }, 'tunnel[0]: unknown option "option"'],
      [
        { tunnel: [{ destination: first.address }, { destination: 'b', options: { proxy: 'http://p' } }] },
        'tunnel[1]: proxy may be given for the first hop only',
      ],
      [{ tunnel: [] as never }, 'tunnel: '],
      [{ tunnel: 7 as never }, 'tunnel: '],
      [{ tunnel: first.address, proxy: 'http://p' }, 'tunnel and proxy are given'],
      [{ proxyCommand: 'nc %h %p', proxy: 'http://p' }, 'proxyCommand and proxy are given'],
      [{ proxy: 'https://secret:hush@p' }, 'proxy: expected http://, socks5://'],
      [{ family: 5 as never }, 'family: '],
      [{ localAddress: 'eth0' }, 'localAddress: '],
      [{ family: 6, localAddress: '127.0.0.1' }, 'localAddress 127.0.0.1 is no IPv6 address'],
      [{ connectionAttempts: 0 }, 'connectionAttempts: '],
    ]
    for (const [options, said] of cases) {
      const error = await connect(first.address, knowing([first], options)).catch((reason: unknown) => reason)
      expect(error, said).toMatchObject({ name: 'OptionsError', message: expect.stringContaining(said) })
      expect(String(error)).not.toMatch(/secret|hush/)
    }
    expect(first.users).toEqual([])
  })

  test("are left out by 'none', and by null for a command", async () => {
    const [first] = await hosts()
    for (const options of [{ tunnel: 'none' }, { proxyCommand: null }, { proxyCommand: 'none' }] as const) {
      await using conn = await connect(first.address, knowing([first], options))
      expect(conn.info.remotePort).toBe(first.server.port)
    }
  })
})

describe('a connection through a connection', () => {
  test('ends with it, and leaves it open', async () => {
    const [first, second] = await hosts()
    await using outer = await connect(first.address, knowing([first]))
    const inner = await outer.connectSsh(second.address, knowing([second]))
    expect((await inner.run('inner')).stdout).toBe('inner')
    await inner.close()
    expect((await outer.run('outer')).stdout).toBe('outer')
    const again = await outer.connectSsh(second.address, knowing([second]))
    await outer.close()
    await expect(again.closed).rejects.toMatchObject({ name: 'ConnectionLost' })
    await again.close()
    await expect(outer.connectSsh(second.address, knowing([second]))).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECTION_CLOSED',
    })
  })

  test('may be refused by the server, which leaves the outer one as it is', async () => {
    const first = await host(0, { permitOpen: ['127.0.0.1:1'] })
    await using outer = await connect(first.address, knowing([first]))
    await expect(outer.connectSsh('tester@127.0.0.1:2', knowing([first]))).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_TUNNEL_REFUSED',
      message: expect.stringContaining('The other end of the tunnel did not connect to 127.0.0.1 port 2'),
    })
    expect((await outer.run('x')).stdout).toBe('x')
  })
})

describe('what a server says of itself', () => {
  test('is heard through tunnels and proxies', async () => {
    const [first, second] = await hosts()
    const [http, socks] = [await httpProxy(), await socksProxy()]
    const hop = { destination: first.address, options: knowing([first]) }
    for (const way of [
      { tunnel: [hop] },
      { proxy: `http://127.0.0.1:${http.port}` },
      { proxy: `socks5h://127.0.0.1:${socks.port}` },
    ]) {
      const key = await getServerHostKey(second.address, { config: null, ...way })
      expect(key.getFingerprint()).toBe(keys[1]?.getFingerprint())
      const methods = await getServerAuthMethods(second.address, { config: null, ...way })
      expect([...methods].sort()).toEqual(['keyboard-interactive', 'password', 'publickey'])
    }
  })

  test('is not heard through a hop whose key nobody knows', async () => {
    const [first, second] = await hosts()
    const tunnel = [{ destination: first.address, options: { knownHosts: '# nobody\n', clientKeys: userKey } }]
    await expect(getServerHostKey(second.address, { tunnel, config: null })).rejects.toMatchObject({
      code: 'ERR_SSH_HOST_KEY_UNKNOWN',
    })
    expect(first.users).toEqual([])
  })
})

test('what a jump host offers is not taken for what the server behind it offers', async () => {
  const [first, second] = await hosts()
  const tunnel = [{ destination: first.address, options: knowing([first], { clientKeys: null }) }]
  await expect(getServerAuthMethods(second.address, { tunnel, config: null })).rejects.toMatchObject({
    name: 'PermissionDenied',
    message: expect.stringMatching(/^Jump host 127\.0\.0\.1: /),
    stack: expect.stringContaining('Jump host 127.0.0.1: '),
    details: { jumpHost: '127.0.0.1' },
  })
})

describe('proxies', () => {
  test('lead to the server, and close with the connection', async () => {
    const first = await host(0)
    const [http, socks] = [await httpProxy({ login: 'u:p' }), await socksProxy()]
    for (const proxy of [
      `http://u:p@127.0.0.1:${http.port}`,
      `socks5://127.0.0.1:${socks.port}`,
      `socks5h://127.0.0.1:${socks.port}`,
      `socks4://127.0.0.1:${socks.port}`,
      `socks4a://127.0.0.1:${socks.port}`,
    ]) {
      const conn = await connect(first.address, knowing([first], { proxy }))
      expect((await conn.run('through')).stdout).toBe('through')
      await conn.close()
    }
    await gone(http.sockets)
    await gone(socks.sockets)
  })

  test('lead to the first of some jump hosts', async () => {
    const [first, second] = await hosts()
    const http = await httpProxy()
    const tunnel = [{ destination: first.address, options: { proxy: `http://127.0.0.1:${http.port}` } }]
    await using conn = await connect(second.address, knowing([first, second], { tunnel }))
    expect((await conn.run('through')).stdout).toBe('through')
    expect(http.requests).toMatchObject([{ host: '127.0.0.1', port: first.server.port }])
  })

  test('that say nothing are given up in time, and by signal', async () => {
    const pass = timeLapse()
    const silent = await answering((socket) => {
      socket.once('data', () => pass(60_000)).on('end', () => socket.end())
    })
    const proxy = `http://secret:hush@127.0.0.1:${silent.port}`
    const error = await connect('h', { proxy, config: null, connectTimeout: '1m' }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'ERR_SSH_CONNECT_TIMEOUT',
      details: { step: 'the connection through the proxy' },
    })
    expect(JSON.stringify(error) + String(error)).not.toMatch(/secret|hush/)
    await gone(silent.sockets)
  })

  test('that answer wrongly fail the call with what they said', async () => {
    const first = await host(0)
    const http = await httpProxy({ login: 'u:p' })
    const proxy = `http://secret:hush@127.0.0.1:${http.port}`
    const error = await connect(first.address, knowing([first], { proxy })).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_SSH_CONNECT_PROXY_REFUSED', details: { status: 407 } })
    expect(JSON.stringify(error) + String(error)).not.toMatch(/secret|hush/)
    await gone(http.sockets)
  })
})

describe('what ssh_config says', () => {
  /** Writes a configuration, with keys and hosts where it says. */
  async function configFile(known: readonly Host[], text: string): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'ssh-sdk-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await writePrivateKey(userKey, join(folder, 'id'))
    await writeFile(join(folder, 'known_hosts'), `${known.map(({ line }) => line).join('\n')}\n`)
    const common = `IdentityFile ${folder}/id\n  IdentityAgent none\n  UserKnownHostsFile ${folder}/known_hosts\n  GlobalKnownHostsFile none\n`
    await writeFile(join(folder, 'config'), text.replaceAll('COMMON', common))
    return join(folder, 'config')
  }

  const section = (name: string, { server }: Host, more = '') =>
    `Host ${name}\n  Hostname 127.0.0.1\n  Port ${server.port}\n  User tester\n  COMMON\n  ${more}\n`

  test('of jump hosts holds for each: names, ports, users, keys, and their own jump hosts', async () => {
    const [first, second, third] = await hosts()
    const config = await configFile(
      [first, second, third],
      section('inner', third, 'ProxyJump middle') +
        section('middle', second, 'ProxyJump gate') +
        section('gate', first),
    )
    await using conn = await connect('inner', { config })
    expect((await conn.run('x')).stdout).toBe('x')
    expect([first, second, third].map(({ users }) => users)).toEqual([['tester'], ['tester'], ['tester']])
  })

  test('yields to what is given in code', async () => {
    const [first, second] = await hosts()
    const config = await configFile(
      [first, second],
      section('inner', second, 'ProxyJump gate') + section('gate', first),
    )
    const socks = await socksProxy()
    for (const options of [
      { tunnel: 'none' },
      { proxyCommand: null },
      { proxy: `socks5h://127.0.0.1:${socks.port}` },
    ]) {
      await using conn = await connect('inner', { config, ...options })
      expect((await conn.run('x')).stdout).toBe('x')
    }
    expect(first.users).toEqual([])
    await using conn = await connect('inner', { config, tunnel: 'gate' })
    expect((await conn.run('x')).stdout).toBe('x')
    expect(first.users).toEqual(['tester'])
  })

  test('of a command is run with its tokens, and names that came from the destination are held back', async () => {
    const first = await host(0)
    const relay = `require('net').connect(process.argv[2], process.argv[1]).on('connect', function () { process.stdin.pipe(this).pipe(process.stdout) })`
    const command = `${process.execPath} -e "${relay}" %h %p %r %n`
    const config = await configFile([first], section('inner', first, `ProxyCommand ${command}`))
    await using conn = await connect('inner', { config })
    expect((await conn.run('x')).stdout).toBe('x')
    await expect(connect({ host: 'inner', username: '$(x)' }, { config })).rejects.toMatchObject({
      name: 'ConfigParseError',
      message: expect.stringContaining('a shell would act upon'),
    })
  })

  test('in a circle is told, and leaves nothing open', async () => {
    const [first, second] = await hosts()
    const config = await configFile(
      [first, second],
      section('one', first, 'ProxyJump two') + section('two', second, 'ProxyJump one'),
    )
    await expect(connect('one', { config })).rejects.toMatchObject({
      name: 'OptionsError',
      message: expect.stringContaining('ProxyJump none'),
    })
    expect([...first.users, ...second.users]).toEqual([])
  })
})
