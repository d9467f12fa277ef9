/** The way to a server through others: sshd as jump host, OpenSSH's ssh as proxy command, and SSH within SSH. */

import { connect, connectReverse, getServerHostKey, type SshClientConnection, type TunnelHop } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  connectTo,
  type ForeignServer,
  freePort,
  knownHostsOf,
  lacks,
  makeKey,
  peer,
  runInShell,
  ssh,
  startSshd,
  temporaryFolder,
  withoutComment,
} from '../src/index.js'

const hopTo = ({ host, port, username, clientKey, hostKeys }: ForeignServer): TunnelHop => ({
  destination: { host, port, username },
  options: { clientKeys: clientKey.path, knownHosts: knownHostsOf({ host, port, hostKeys }), config: null },
})

describe.skipIf(lacks('sshd', 'ssh', 'ssh-keygen'))('through sshd', () => {
  let gate: ForeignServer
  let middle: ForeignServer
  let inner: ForeignServer
  beforeAll(async () => {
    const [first, second, third] = await Promise.all([startSshd(), startSshd(), startSshd()])
    gate = first
    middle = second
    inner = third
  })
  afterAll(() => Promise.all([gate.stop(), middle.stop(), inner.stop()]))

  /** Runs a command, and sends more both ways than any window holds. */
  async function works(conn: SshClientConnection): Promise<void> {
    expect((await conn.run('id -un', { check: true })).stdout.trim()).toBe(inner.username)
    const input = Buffer.alloc(5_000_000, 'to and fro ')
    const { stdout } = await conn.run('cat', { input, encoding: 'buffer', maxBuffer: '8m' })
    expect(stdout.equals(input)).toBe(true)
  }

  test('as the only jump host', async () => {
    const conn = await connectTo(inner, { tunnel: [hopTo(gate)], config: null })
    await works(conn)
    await conn.close()
    await expect(conn.closed).resolves.toBeUndefined()
  })

  test('as two of them, as a string of ProxyJump has it', async () => {
    using folder = temporaryFolder()
    const knownHosts = folder.write('known_hosts', [gate, middle, inner].map(knownHostsOf).join(''))
    const clientKeys = [gate, middle, inner].map(({ clientKey }) => clientKey.path)
    const [tunnel, destination] = [
      [gate, middle].map(({ username, host, port }) => `${username}@${host}:${port}`).join(','),
      `${inner.username}@${inner.host}:${inner.port}`,
    ]
    await using conn = await connect(destination, { tunnel, knownHosts, clientKeys, config: null, agentPath: null })
    await works(conn)
    const sftp = await conn.startSftpClient()
    await sftp.writeFile(`${inner.folder}/through-two`, 'hops')
    expect(await conn.run(['cat', `${inner.folder}/through-two`])).toMatchObject({ stdout: 'hops', exitStatus: 0 })
    await sftp.close()
  })

  test('as a connection that stays, and with its host key asked first', async () => {
    await using outer = await connectTo(gate, { config: null })
    const key = await getServerHostKey({ host: inner.host, port: inner.port }, { tunnel: outer, config: null })
    expect(inner.hostKeys).toContain(withoutComment(key.exportPublicKey()).trim())
    const login = hopTo(inner).options ?? {}
    const conn = await outer.connectSsh({ host: inner.host, port: inner.port, username: inner.username }, login)
    await works(conn)
    await conn.close()
    expect((await outer.run('id -un')).stdout.trim()).toBe(gate.username)
  })

  test('that refuses to forward', async () => {
    await using strict = await startSshd({ config: { AllowTcpForwarding: 'no' } })
    await expect(connectTo(inner, { tunnel: [hopTo(strict)], config: null })).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_TUNNEL_REFUSED',
      message: expect.stringMatching(/^Jump host 127\.0\.0\.1: /),
      details: { jumpHost: '127.0.0.1' },
    })
  })

  /** OpenSSH's ssh, told how to log in to the gate and to nobody else. */
  function sshAsProxy(knownHosts: string): string[] {
    const options = {
      UserKnownHostsFile: knownHosts,
      GlobalKnownHostsFile: '/dev/null',
      IdentityFile: gate.clientKey.path,
      IdentitiesOnly: 'yes',
      IdentityAgent: 'none',
      BatchMode: 'yes',
    }
    const settings = Object.entries(options).flatMap(([keyword, value]) => ['-o', `${keyword}=${value}`])
    return [
      peer('ssh'),
      '-F',
      'none',
      ...settings,
      '-p',
      String(gate.port),
      '-W',
      '%h:%p',
      `${gate.username}@${gate.host}`,
    ]
  }

  test('by the program ssh, as an argv and as a command of the shell', async () => {
    using folder = temporaryFolder()
    const argv = sshAsProxy(folder.write('known_hosts', knownHostsOf(gate)))
    for (const proxyCommand of [argv, argv.join(' ')]) {
      const conn = await connectTo(inner, { proxyCommand, config: null })
      await works(conn)
      await conn.close()
      await expect(conn.closed).resolves.toBeUndefined()
    }
  })

  describe.skipIf(lacks('nc'))('by the program nc', () => {
    test('as an argv and as a command of the shell, and it goes with the connection', async () => {
      for (const proxyCommand of [[peer('nc'), '%h', '%p'], `${peer('nc')} %h %p`]) {
        const conn = await connectTo(inner, { proxyCommand, config: null })
        await works(conn)
        await conn.close()
        await expect(conn.closed).resolves.toBeUndefined()
      }
    })

    test('from behind a jump host, which is reached by it', async () => {
      const { destination, options } = hopTo(gate)
      const tunnel = [{ destination, options: { ...options, proxyCommand: [peer('nc'), '%h', '%p'] } }]
      await using conn = await connectTo(inner, { tunnel, config: null })
      await works(conn)
    })

    test('as ssh_config has it', async () => {
      using folder = temporaryFolder()
      const config = folder.write(
        'config',
        `Host inner\n  HostName ${inner.host}\n  ProxyCommand ${peer('nc')} %h %p\n`,
      )
      const { port, username, clientKey } = inner
      await using conn = await connect('inner', {
        port,
        username,
        clientKeys: clientKey.path,
        knownHosts: knownHostsOf(inner),
        agentPath: null,
        config,
      })
      await works(conn)
      expect(conn.info.remoteAddress).toBeUndefined()
    })

    test('whose words are in the error when nobody listens', async () => {
      const proxyCommand = [peer('nc'), '-v', '%h', '%p']
      await expect(
        connectTo({ ...inner, port: await freePort() }, { proxyCommand, config: null }),
      ).rejects.toMatchObject({
        code: 'ERR_SSH_CONNECT_PROXY_COMMAND_FAILED',
        message: expect.stringMatching(/nc.* ended with status 1 .*refused/s),
        details: { exitStatus: 1 },
      })
    })
  })

  test('by the program ssh that does not trust the gate, whose words are in the error', async () => {
    using folder = temporaryFolder()
    const proxyCommand = sshAsProxy(folder.write('known_hosts', ''))
    await expect(connectTo(inner, { proxyCommand, config: null })).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_PROXY_COMMAND_FAILED',
      message: expect.stringMatching(/ended with status 255 .*Host key verification failed/s),
      details: { exitStatus: 255 },
    })
  })

  test('a server of ours listens at its port, and ssh logs in to it there', async () => {
    using folder = temporaryFolder()
    const [hostKey, clientKey] = [
      await makeKey(folder.path, 'host', 'ed25519'),
      await makeKey(folder.path, 'client', 'ed25519'),
    ]
    await using outer = await connectTo(gate, { config: null })
    const nested = await outer.listenSsh('127.0.0.1', 0, {
      serverHostKeys: hostKey.path,
      authorizedClientKeys: `${clientKey.publicLine}\n`,
      processFactory: runInShell,
    })
    const hostKeys = [withoutComment(hostKey.publicLine)]
    const target = { host: '127.0.0.1', port: nested.port, username: 'tester', hostKeys, clientKey } as const
    const { status, stdout } = await ssh(target, 'echo from within; exit 3')
    expect([status, stdout.toString()]).toEqual([3, 'from within\n'])
    const input = Buffer.alloc(5_000_000, 'to and fro ')
    const echoed = await ssh(target, 'cat', { input })
    expect(echoed.stdout.equals(input)).toBe(true)
    await outer.close()
    await nested.closed
  })

  test('a client of ours waits at its port, and a server of ours finds it there', async () => {
    using folder = temporaryFolder()
    const [hostKey, clientKey] = [
      await makeKey(folder.path, 'host', 'ed25519'),
      await makeKey(folder.path, 'client', 'ed25519'),
    ]
    await using outer = await connectTo(gate, { config: null })
    const listener = await outer.listenReverseSsh('127.0.0.1', 0, {
      destination: 'tester@device',
      clientKeys: clientKey.path,
      knownHosts: `device ${hostKey.publicLine}\n`,
      config: null,
    })
    const [next, served] = await Promise.all([
      listener[Symbol.asyncIterator]().next(),
      connectReverse(
        { host: '127.0.0.1', port: listener.port },
        {
          serverHostKeys: hostKey.path,
          authorizedClientKeys: `${clientKey.publicLine}\n`,
          processFactory: runInShell,
          tunnel: [hopTo(middle)],
        },
      ),
    ])
    expect((await next.value?.run('echo both ways'))?.stdout).toBe('both ways\n')
    await next.value?.close()
    await served.closed
    await listener.close()
  })
})
