/** Pools, connections that come back, and many hosts, with sshd and Dropbear on the other side. */

import { connect as connectTcp } from 'node:net'
import { type ClientOptions, createPool, createReconnecting, runOnHosts } from '@ssh/sdk'
import { describe, expect, onTestFinished, test } from 'vitest'
import { canServeDropbear, type ForeignServer, knownHostsOf, lacks, startDropbear, startSshd } from '../src/index.js'

const destinationOf = ({ host, port, username }: ForeignServer) => ({ host, port, username })
const loginOf = (server: ForeignServer): ClientOptions => ({
  config: null,
  clientKeys: server.clientKey.path,
  knownHosts: knownHostsOf(server),
})

describe.skipIf(lacks('sshd', 'ssh-keygen'))('a pool over sshd', () => {
  test('runs thirty commands at once where MaxSessions is 2', async () => {
    await using server = await startSshd({ config: { MaxSessions: 2 }, hostKeyTypes: ['ed25519'] })
    await using pool = createPool({ connect: loginOf(server), maxConnectionsPerHost: 6 })
    const commands = Array.from({ length: 30 }, (_, index) => ['sh', '-c', `sleep 0.05; echo ${index}`])
    const results = await Promise.all(commands.map((command) => pool.run(destinationOf(server), command)))
    expect(results.map(({ stdout }) => stdout)).toEqual(commands.map((_, index) => `${index}\n`))
    expect(pool.stats.connected).toBeGreaterThan(1)
    expect(pool.stats.connected).toBeLessThanOrEqual(6)
    expect(pool.stats).toMatchObject({ sessions: 0, waiting: 0 })
  })

  test('mixes commands, long processes and SFTP within the same limit', async () => {
    await using server = await startSshd({ config: { MaxSessions: 2 }, hostKeyTypes: ['ed25519'] })
    await using pool = createPool({ connect: loginOf(server), maxConnectionsPerHost: 3 })
    const to = destinationOf(server)
    const processes = await Promise.all([pool.createProcess(to, 'cat'), pool.createProcess(to, 'cat')])
    const sftp = await pool.startSftpClient(to)
    const runs = await Promise.all(Array.from({ length: 10 }, (_, index) => pool.run(to, `echo ${index}`)))
    expect(runs.map(({ stdout }) => Number(stdout))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(await sftp.realpath('/')).toBe('/')
    await sftp.close()
    for (const process of processes) expect((await process.communicate('hello')).stdout).toBe('hello')
    await expect.poll(() => pool.stats.sessions).toBe(0)
  })

  test('waits where MaxSessions is 1 and one connection is allowed, first come first served', async () => {
    await using server = await startSshd({ config: { MaxSessions: 1 }, hostKeyTypes: ['ed25519'] })
    await using pool = createPool({ connect: loginOf(server), maxConnectionsPerHost: 1 })
    const order: number[] = []
    const one = async (index: number) => {
      await pool.run(destinationOf(server), 'true', { check: true })
      order.push(index)
    }
    await Promise.all(Array.from({ length: 10 }, (_, index) => one(index)))
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(pool.stats.connected).toBe(1)
  })

  test('replaces a connection whose server process was killed', async () => {
    await using server = await startSshd({ hostKeyTypes: ['ed25519'] })
    await using pool = createPool({ connect: loginOf(server) })
    const to = destinationOf(server)
    const sshd = Number((await pool.run(to, 'echo $PPID')).stdout)
    process.kill(sshd, 'SIGKILL')
    const again = Number((await pool.run(to, 'echo $PPID')).stdout)
    expect(again).not.toBe(sshd)
    expect(pool.stats).toMatchObject({ connected: 2 })
  })
})

describe.skipIf(lacks('sshd', 'ssh-keygen'))('a connection to sshd that comes back', () => {
  /** A link whose pauses are short, and what it told. */
  function linked(server: ForeignServer) {
    const told: string[] = []
    const link = createReconnecting(destinationOf(server), {
      ...loginOf(server),
      minDelay: 50,
      maxDelay: 500,
      waitTimeout: '60s',
    })
    onTestFinished(() => link.close())
    link.on('connect', () => told.push('connect'))
    link.on('disconnect', () => told.push('disconnect'))
    return { link, told }
  }

  test('after its server process was killed: what ran fails, what comes later runs', async () => {
    await using server = await startSshd({ hostKeyTypes: ['ed25519'] })
    const { link, told } = linked(server)
    const sshd = Number((await link.run('echo $PPID')).stdout)
    const running = link.run('sleep 100').catch((error: unknown) => error)
    await link.run('true')
    process.kill(sshd, 'SIGKILL')
    expect(await running).toMatchObject({ name: 'ConnectionLost' })
    expect((await link.run('echo back')).stdout).toBe('back\n')
    await expect.poll(() => told).toEqual(['connect', 'disconnect', 'connect'])
  })

  test('with its forwarded ports, both ways', async () => {
    await using server = await startSshd({ hostKeyTypes: ['ed25519'] })
    const { link } = linked(server)
    const here = await link.forwardLocalPort('127.0.0.1', 0, server.host, server.port)
    const there = await link.startServer((stream) => stream.end('from the client\n'), '127.0.0.1', 0)
    const { port } = there
    expect(await firstLine(here.port)).toMatch(/^SSH-2\.0-OpenSSH/)
    expect(await firstLine(port)).toBe('from the client')
    const sshd = Number((await link.run('echo $PPID')).stdout)
    process.kill(sshd, 'SIGKILL')
    // Waits for the link.
    await expect.poll(() => firstLine(here.port), { timeout: 30_000 }).toMatch(/^SSH-2\.0-OpenSSH/)
    await expect.poll(() => firstLine(port), { timeout: 30_000 }).toBe('from the client')
    expect(there.port).toBe(port)
  })

  test('and is not tried again where the login is refused', async () => {
    await using server = await startSshd({ hostKeyTypes: ['ed25519'] })
    const link = createReconnecting(destinationOf(server), { ...loginOf(server), clientKeys: null, agentPath: null })
    await expect(link.connected).rejects.toMatchObject({ name: 'PermissionDenied' })
    await expect(link.closed).rejects.toMatchObject({ name: 'PermissionDenied' })
  })
})

describe.skipIf(lacks('sshd', 'ssh-keygen', 'dropbear') || !canServeDropbear())('a command on many hosts', () => {
  test('of several kinds, one of which is not there', async () => {
    await using one = await startSshd({ hostKeyTypes: ['ed25519'] })
    await using two = await startSshd({ hostKeyTypes: ['ecdsa'], config: { MaxSessions: 1 } })
    await using three = await startDropbear()
    const servers = [one, two, three]
    const destinations = [...servers.map(destinationOf), { host: '127.0.0.1', port: 1, username: 'nobody' }]
    const results = await runOnHosts(destinations, 'echo "$SSH_CONNECTION" | cut -d" " -f4', {
      config: null,
      perHost: (_, index) =>
        servers[index] === undefined ? { clientKeys: null, agentPath: null } : loginOf(servers[index]),
    })
    expect(results.slice(0, 3).map(({ result }) => Number(result?.stdout))).toEqual(servers.map(({ port }) => port))
    expect(results[3]?.error).toMatchObject({ name: 'ConnectError' })
  })

  test('fifty times over three servers, a few at once', async () => {
    await using one = await startSshd({ hostKeyTypes: ['ed25519'] })
    await using two = await startSshd({ hostKeyTypes: ['ed25519'] })
    await using three = await startDropbear()
    const servers = [one, two, three]
    const all = Array.from({ length: 50 }, (_, index) => servers[index % 3] as ForeignServer)
    const seen = new Set<number>()
    for await (const { index, result, error } of runOnHosts(all.map(destinationOf), 'echo hi', {
      concurrency: 8,
      perHost: (_, index) => loginOf(all[index] as ForeignServer),
    })) {
      expect(error).toBeUndefined()
      expect(result?.stdout).toBe('hi\n')
      seen.add(index)
    }
    expect(seen.size).toBe(50)
  })
})

/** The first line that whoever listens on a port says; empty when it says none. */
function firstLine(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connectTcp(port, '127.0.0.1')
    const done = () => {
      socket.destroy()
      resolve(text.split(/\r?\n/)[0] ?? '')
    }
    socket.on('data', (data) => {
      text += data
      if (text.includes('\n')) done()
    })
    socket.on('error', done).on('close', done)
  })
}
