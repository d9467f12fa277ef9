import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey } from '@ssh/crypto'
import { fromDuplex } from '@ssh/streams'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { KeyRing, ScriptedAgent } from '../../../conn/test/agent/scripted-agent.js'
import { streamPair } from '../../../conn/test/loopback.js'
import {
  type ConnectionPool,
  connectAgent,
  createPool,
  type ListenOptions,
  type PoolOptions,
  type ServerProcess,
} from '../../src/index.js'
import { clientOptions, embedded, parrot, userKey } from '../embedded-server.js'
import { expectNothingLeftOpen } from '../open-handles.js'
import { relayTo } from '../relay.js'
import { outcome, turn, until } from '../turns.js'

expectNothingLeftOpen()

/** A server that counts its connections and sessions, and a pool whose connections may log in to it. */
async function pooled(options: Partial<ListenOptions> = {}, limits: PoolOptions = {}) {
  /** Commands that run until the test ends them. */
  const running: ServerProcess[] = []
  const seen = { connections: 0, sessions: 0, mostSessions: 0 }
  const { server, destination } = await embedded({
    processFactory: (process) => {
      seen.sessions++
      seen.mostSessions = Math.max(seen.mostSessions, seen.sessions)
      process.closed.then(() => seen.sessions--)
      if (process.command?.startsWith('hang') === true) running.push(process)
      else parrot(process)
    },
    ...options,
    serverFactory: async (connection) => {
      seen.connections++
      return (await options.serverFactory?.(connection)) ?? {}
    },
  })
  const pool = createPool({ ...limits, connect: { ...clientOptions(), ...limits.connect } })
  onTestFinished(() => pool.close())
  const to = { ...destination }
  return { pool, server, destination: to, seen, running, run: (command: string) => pool.run(to, command) }
}

describe('sharing', () => {
  test('calls that come together share one connection, and later ones too', async () => {
    const { pool, run, seen } = await pooled()
    const results = await Promise.all(['a', 'b', 'c'].map(run))
    expect(results.map(({ stdout }) => stdout)).toEqual(['a', 'b', 'c'])
    expect((await run('d')).stdout).toBe('d')
    expect(seen.connections).toBe(1)
    expect(pool.stats).toMatchObject({ connections: 1, connected: 1, sessions: 0, idle: 1, waiting: 0, leases: 0 })
  })

  test('the same destination is one however it is written, with equal options', async () => {
    const { pool, destination, seen } = await pooled()
    const { host, port, username } = destination
    await pool.run(`${username}@${host}:${port}`, 'a')
    await pool.run(`ssh://${username}@${host}:${port}`, 'b', { preferredAuth: ['publickey'] })
    await pool.run(host, 'c', { port, username, preferredAuth: ['publickey'] })
    await pool.run(host, 'd', { port, username })
    expect(seen.connections).toBe(2)
    expect(pool.stats.hosts).toHaveLength(2)
    expect(pool.stats.hosts[0]).toMatchObject({ host, port, username, connections: 1 })
  })

  test('another key, user or limit is another connection', async () => {
    const other = await generatePrivateKey('ssh-ed25519')
    const { pool, destination, seen } = await pooled({
      authorizedClientKeys: `${userKey.exportPublicKey()}\n${other.exportPublicKey()}`,
    })
    await pool.run(destination, 'a')
    await pool.run(destination, 'b', { clientKeys: other })
    await pool.run({ ...destination, username: 'somebody' }, 'c')
    await pool.run(destination, 'd', { loginTimeout: '10s' })
    await pool.run(destination, 'e', { clientKeys: other })
    expect(seen.connections).toBe(4)
  })

  test('a lease keeps the connection for direct use until it is released', async () => {
    const { pool, destination, seen, run } = await pooled()
    const lease = await pool.connect(destination)
    expect((await lease.connection.run('direct')).stdout).toBe('direct')
    await run('shared')
    expect(pool.stats).toMatchObject({ connections: 1, leases: 1, idle: 0 })
    lease.release()
    lease.release()
    expect(pool.stats).toMatchObject({ connections: 1, leases: 0, idle: 1 })
    {
      await using again = await pool.connect(destination)
      expect(again.connection).toBe(lease.connection)
    }
    expect(pool.stats.leases).toBe(0)
    expect(seen.connections).toBe(1)
  })

  test('processes and SFTP clients come from the same connections', async () => {
    const { pool, destination, seen, running } = await pooled({ sftpFactory: true })
    const process = await pool.createProcess(destination, 'hang')
    const sftp = await pool.startSftpClient(destination)
    expect(await sftp.realpath('/')).toBe('/')
    expect(pool.stats).toMatchObject({ connections: 1, sessions: 2, idle: 0 })
    await sftp.close()
    running[0]?.exit(7)
    expect(await process.wait()).toMatchObject({ exitStatus: 7 })
    await until(() => pool.stats.sessions === 0)
    expect(seen.connections).toBe(1)
  })

  test('variables of the pool reach every command', async () => {
    const { pool, destination } = await pooled(
      { processFactory: (process) => process.stdout.end(JSON.stringify([...process.env]), () => process.exit(0)) },
      { connect: { env: { LANG: 'C' } } },
    )
    expect((await pool.run(destination, 'x')).stdout).toContain('LANG')
  })
})

test('what ssh_config says of sessions holds for those of a pool', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ssh-sdk-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const config = join(folder, 'config')
  await writeFile(config, 'Host *\n  SetEnv LC_POOLED=yes\n')
  const { pool, destination } = await pooled(
    { processFactory: (process) => process.stdout.end(`${process.env.get('LC_POOLED')}`, () => process.exit(0)) },
    { connect: { config } },
  )
  expect((await pool.run(destination, 'x')).stdout).toBe('yes')
})

test('an agent is lent to the programs of whichever connection there is room on', async () => {
  const agent = () => {
    const [here, there] = streamPair()
    new ScriptedAgent(fromDuplex(there), new KeyRing(userKey).answer)
    return here
  }
  const counts: number[] = []
  const { pool, destination, seen } = await pooled(
    {
      maxSessions: 1,
      processFactory: async (process) => {
        await using client = await connectAgent(process)
        counts.push((await client.listKeys()).length)
        process.exit(0)
      },
    },
    { maxConnectionsPerHost: 2, connect: { agentPath: agent } },
  )
  const options = { agentForwarding: true }
  const results = await Promise.all([1, 2, 3].map((index) => pool.run(destination, `work ${index}`, options)))
  expect(results.map(({ exitStatus }) => exitStatus)).toEqual([0, 0, 0])
  expect(counts).toEqual([1, 1, 1])
  expect(seen.connections).toBe(2)
})

test('and so is a display', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ssh-x11-test-'))
  const x11Display = join(folder, 'display:0')
  const display = createServer()
  await new Promise<void>((resolve) => display.listen(x11Display, resolve))
  onTestFinished(async () => {
    display.close()
    await rm(folder, { recursive: true })
  })
  const { pool, destination, seen } = await pooled(
    {
      maxSessions: 1,
      x11Forwarding: true,
      processFactory: (process) => process.stdout.end(`${process.x11Display}`, () => process.exit(0)),
    },
    { maxConnectionsPerHost: 2 },
  )
  const options = { x11Forwarding: true, x11Display, x11AuthPath: join(folder, 'none') }
  const results = await Promise.all([1, 2, 3].map(() => pool.run(destination, 'show', options)))
  for (const { stdout } of results) expect(stdout).toMatch(/^localhost:\d+\.0$/)
  expect(seen.connections).toBe(2)
  await expect(pool.run(destination, 'show', { ...options, x11Display: 'nowhere' })).rejects.toMatchObject({
    name: 'X11Error',
  })
})

describe('room', () => {
  test('thirty commands run at once where the server allows two on a connection', async () => {
    const { pool, run, seen } = await pooled({ maxSessions: 2 }, { maxConnectionsPerHost: 5 })
    const commands = Array.from({ length: 30 }, (_, index) => `command ${index}`)
    const results = await Promise.all(commands.map(run))
    expect(results.map(({ stdout }) => stdout)).toEqual(commands)
    expect(seen.connections).toBeLessThanOrEqual(5)
    await until(() => pool.stats.sessions === 0)
  })

  test.each([11, 15, 20])(
    '%i commands that end before the server has refused the last of them all run',
    async (count) => {
      const { run } = await pooled({ processFactory: (process) => process.exit(0) })
      const outcomes = await Promise.all(Array.from({ length: count }, () => outcome(run('x'))))
      expect(outcomes.filter((error) => error !== undefined)).toEqual([])
    },
  )

  test('another connection is made when the first has no room, and no more than may be', async () => {
    const { pool, run, running, seen } = await pooled({ maxSessions: 2 }, { maxConnectionsPerHost: 2 })
    const runs = Array.from({ length: 6 }, (_, index) => run(`hang ${index}`))
    await until(() => running.length === 4)
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(running).toHaveLength(4)
    expect(pool.stats).toMatchObject({ connections: 2, sessions: 4, waiting: 2 })
    for (let ended = 0; ended < 6; ended++) {
      await until(() => running.length > ended)
      running[ended]?.exit(ended)
    }
    expect((await Promise.all(runs)).map(({ exitStatus }) => exitStatus).sort()).toEqual([0, 1, 2, 3, 4, 5])
    expect(seen.connections).toBe(2)
    expect(seen.mostSessions).toBeLessThanOrEqual(4)
  })

  test('what was learned from one refusal is not asked again of the next connection', async () => {
    let asked = 0
    const { run, running, seen } = await pooled({
      maxSessions: 3,
      serverFactory: () => ({
        sessionRequested: () => {
          asked++
          return true
        },
      }),
    })
    const runs = Array.from({ length: 9 }, (_, index) => run(`hang ${index}`))
    await until(() => running.length === 9)
    expect(seen.connections).toBe(3)
    // The server's own limit refuses before anybody is asked.
    expect(asked).toBe(9)
    for (const process of running) process.exit(0)
    await Promise.all(runs)
  })

  test('whoever came first is served first', async () => {
    const { run, running } = await pooled({ maxSessions: 1 }, { maxConnectionsPerHost: 1 })
    const runs = Array.from({ length: 6 }, (_, index) => run(`hang ${index}`))
    for (let ended = 0; ended < 6; ended++) {
      await until(() => running.length > ended)
      running[ended]?.exit(0)
    }
    await Promise.all(runs)
    expect(running.map(({ command }) => command)).toEqual([0, 1, 2, 3, 4, 5].map((index) => `hang ${index}`))
  })

  test('maxSessionsPerConnection is kept without the server saying so', async () => {
    const { pool, run, running } = await pooled({}, { maxSessionsPerConnection: 1, maxConnectionsPerHost: 3 })
    const runs = Array.from({ length: 3 }, (_, index) => run(`hang ${index}`))
    await until(() => running.length === 3)
    expect(pool.stats).toMatchObject({ connections: 3, sessions: 3 })
    for (const process of running) process.exit(0)
    await Promise.all(runs)
  })

  test('hundreds of commands fit on one connection where the server sets no limit', async () => {
    const { pool, run, running, seen } = await pooled({ maxSessions: 500 })
    const runs = Array.from({ length: 300 }, (_, index) => run(`hang ${index}`))
    await until(() => running.length === 300)
    expect(pool.stats).toMatchObject({ connections: 1, sessions: 300 })
    for (const process of running) process.exit(0)
    await Promise.all(runs)
    expect(seen.connections).toBe(1)
  })

  test('a server that allows no session at all fails the calls, and all of them', async () => {
    const { pool, run } = await pooled({ maxSessions: 0 })
    const errors = await Promise.all(['a', 'b', 'c'].map((command) => outcome(run(command))))
    for (const error of errors) expect(error).toMatchObject({ name: 'ChannelOpenError' })
    expect(pool.stats).toMatchObject({ sessions: 0, waiting: 0 })
  })

  test('sessions opened through a lease count as well', async () => {
    const { pool, destination, run, running, seen } = await pooled({ maxSessions: 2 })
    await using lease = await pool.connect(destination)
    const direct = [lease.connection.createProcess('hang 1'), lease.connection.createProcess('hang 2')]
    await Promise.all(direct)
    expect((await run('other')).stdout).toBe('other')
    expect(seen.connections).toBe(2)
    for (const process of running) process.exit(0)
    await Promise.all(direct.map(async (process) => (await process).wait()))
  })

  test('a destination without a connection gets its turn when the pool is full', async () => {
    const one = await pooled({}, { maxConnections: 1 })
    const { destination: other } = await embedded({ processFactory: parrot })
    await one.run('warm')
    expect((await one.pool.run(other, 'elsewhere')).stdout).toBe('elsewhere')
    expect((await one.run('back')).stdout).toBe('back')
    expect(one.pool.stats).toMatchObject({ connections: 1, connected: 3 })
  })

  test('and also while the other destination is busy without end', async () => {
    const one = await pooled({}, { maxConnections: 1 })
    const { destination: other } = await embedded({ processFactory: parrot })
    let isWanted = true
    const busy = async () => {
      while (isWanted) await one.run('again')
    }
    const work = Promise.all([busy(), busy()])
    await until(() => one.seen.connections === 1)
    expect((await one.pool.run(other, 'elsewhere')).stdout).toBe('elsewhere')
    isWanted = false
    await work
  })
})

describe('failure', () => {
  test('calls that share a connect share its failure, and the next call tries again', async () => {
    let isOpen = false
    const { pool, run, seen } = await pooled({
      authorizedClientKeys: '# nobody\n',
      serverFactory: () => ({ validatePublicKey: () => isOpen }),
    })
    const errors = await Promise.all(['a', 'b', 'c'].map((command) => outcome(run(command))))
    for (const error of errors) expect(error).toMatchObject({ name: 'PermissionDenied' })
    expect(seen.connections).toBe(1)
    expect(pool.stats).toMatchObject({ connections: 0, connecting: 0, waiting: 0, hosts: [] })
    isOpen = true
    expect((await run('d')).stdout).toBe('d')
  })

  test('a connection that breaks fails what runs on it, and later calls get another one', async () => {
    const { pool, destination, run, running, seen, server } = await pooled()
    const broken = outcome(run('hang'))
    await until(() => running.length === 1)
    for (const connection of server.connections) connection.abort(new Error('gone'))
    expect(await broken).toMatchObject({ name: expect.stringMatching(/^(ConnectionLost|DisconnectError|SshError)$/) })
    expect((await run('again')).stdout).toBe('again')
    expect(seen.connections).toBe(2)
    expect(running).toHaveLength(1)
    const lease = await pool.connect(destination)
    lease.release()
  })

  test('a connection that died unnoticed is replaced under the next call', async () => {
    const { pool, destination, run, seen } = await pooled()
    await run('first')
    const lease = await pool.connect(destination)
    lease.release()
    // Ended on this side, and nobody has been told yet.
    lease.connection.abort()
    expect((await run('second')).stdout).toBe('second')
    expect(seen.connections).toBe(2)
  })

  test('a call whose connection died under it gets its turn, also when another destination has the last one', async () => {
    const one = await pooled({}, { maxConnections: 1 })
    const other = await pooled()
    const relay = await relayTo(one.server.port)
    const flaky = { ...one.destination, port: relay.port }
    await one.pool.run(flaky, 'first')
    const lease = await one.pool.connect(flaky)
    const elsewhere = one.pool.connect(other.destination)
    await until(() => one.pool.stats.waiting === 1)
    relay.mute()
    const second = one.pool.run(flaky, 'second')
    await until(() => one.pool.stats.sessions === 1)
    relay.cut()
    const held = await elsewhere
    expect(one.pool.stats).toMatchObject({ connections: 1, waiting: 1 })
    lease.release()
    held.release()
    expect((await second).stdout).toBe('second')
  })

  test('and is told of the end of the pool', async () => {
    const { pool, destination, server } = await pooled()
    const relay = await relayTo(server.port)
    const flaky = { ...destination, port: relay.port }
    await pool.run(flaky, 'first')
    relay.mute()
    const second = outcome(pool.run(flaky, 'second'))
    await until(() => pool.stats.sessions === 1)
    relay.cut()
    await until(() => pool.stats.connections === 0)
    await pool.close()
    expect(await second).toMatchObject({ name: 'PoolError', code: 'ERR_SSH_POOL_CLOSED' })
  })

  test('where no second connection can be had, calls wait for the first', async () => {
    let isFull = false
    let refused = 0
    const { pool, run, running } = await pooled({
      maxSessions: 1,
      authorizedClientKeys: '# nobody\n',
      serverFactory: () => ({ validatePublicKey: () => !isFull || refused++ < 0 }),
    })
    const first = run('hang')
    await until(() => running.length === 1)
    isFull = true
    const second = run('second')
    await until(() => refused > 0 && pool.stats.waiting === 1 && pool.stats.connecting === 0)
    running[0]?.exit(0)
    expect((await second).stdout).toBe('second')
    await first
  })

  test('a signal that is none is refused', async () => {
    const { pool, destination } = await pooled()
    await expect(pool.connect(destination, { signal: 'soon' as never })).rejects.toMatchObject({ name: 'OptionsError' })
    expect(pool.stats).toMatchObject({ waiting: 0, connecting: 0 })
  })

  test('an option that nobody knows, and a stream, are refused at once', async () => {
    const { pool, destination } = await pooled()
    await expect(pool.run(destination, 'x', { bogus: 1 } as object)).rejects.toMatchObject({ name: 'OptionsError' })
    await expect(pool.connect(destination, { bogus: 1 } as object)).rejects.toMatchObject({ name: 'OptionsError' })
    await expect(pool.connect(destination, { sock: {} } as object)).rejects.toMatchObject({ name: 'OptionsError' })
    await expect(pool.startSftpClient(destination, { bogus: 1 } as object)).rejects.toMatchObject({
      name: 'OptionsError',
    })
    expect(() => createPool({ bogus: 1 } as object)).toThrow(expect.objectContaining({ name: 'OptionsError' }))
    expect(() => createPool({ connect: { bogus: 1 } as object })).toThrow(
      expect.objectContaining({ name: 'OptionsError' }),
    )
    expect(pool.stats.hosts).toEqual([])
  })
})

describe('giving up', () => {
  test('an abort while others wait for the same connect concerns nobody else', async () => {
    const { pool, destination } = await pooled()
    const controller = new AbortController()
    const aborted = outcome(pool.run(destination, 'a', { signal: controller.signal }))
    const other = pool.run(destination, 'b')
    controller.abort(new Error('enough'))
    expect(await aborted).toMatchObject({ name: 'AbortError', cause: { message: 'enough' } })
    expect((await other).stdout).toBe('b')
  })

  test('an abort by the last who waits ends the connect', async () => {
    const { pool, destination, server } = await pooled()
    const controller = new AbortController()
    const aborted = outcome(pool.connect(destination, { signal: controller.signal }))
    expect(pool.stats).toMatchObject({ connecting: 1, waiting: 1 })
    controller.abort()
    expect(await aborted).toMatchObject({ name: 'AbortError' })
    await until(() => pool.stats.connecting === 0)
    expect(pool.stats).toMatchObject({ connections: 0, waiting: 0, hosts: [] })
    await until(() => server.connections.size === 0)
  })

  test('a limit of time counts the wait for room', async () => {
    const { pool, destination, run, running } = await pooled({ maxSessions: 1 }, { maxConnectionsPerHost: 1 })
    const first = run('hang')
    await until(() => running.length === 1)
    await expect(pool.run(destination, 'late', { timeout: 20 })).rejects.toMatchObject({ name: 'ProcessTimeoutError' })
    expect(pool.stats.waiting).toBe(0)
    running[0]?.exit(0)
    await first
  })

  test('a signal is let go of once the call is over', async () => {
    const { pool, destination } = await pooled()
    const { signal } = new AbortController()
    let listeners = 0
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--
      removeEventListener.apply(signal, args)
    }
    for (const command of ['a', 'b', 'c']) await pool.run(destination, command, { signal })
    ;(await pool.connect(destination, { signal })).release()
    expect(listeners).toBeLessThanOrEqual(0)
  })
})

describe('the end', () => {
  test('a connection that nobody uses is closed after idleTimeout', async () => {
    const { pool, run, server } = await pooled({}, { idleTimeout: 10 })
    await run('a')
    await until(() => pool.stats.connections === 0)
    await until(() => server.connections.size === 0)
    expect(pool.stats.hosts).toEqual([])
  })

  test('close ends everything, and whoever waits is told so', async () => {
    const { pool, run, running, server } = await pooled({ maxSessions: 1 }, { maxConnectionsPerHost: 1 })
    const open = outcome(run('hang'))
    await until(() => running.length === 1)
    const waiting = outcome(run('waiting'))
    await until(() => pool.stats.waiting === 1)
    await Promise.all([pool.close(), pool.close()])
    expect(await open).toBeInstanceOf(Error)
    expect(await waiting).toMatchObject({ name: 'PoolError', code: 'ERR_SSH_POOL_CLOSED' })
    await pool.closed
    await expect(run('late')).rejects.toMatchObject({ code: 'ERR_SSH_POOL_CLOSED' })
    expect(pool.isClosed).toBe(true)
    expect(pool.stats).toMatchObject({ connections: 0, hosts: [] })
    await until(() => server.connections.size === 0)
  })

  test('close with drain lets what runs end, and takes nothing new', async () => {
    const { pool, run, running } = await pooled()
    const open = run('hang')
    await until(() => running.length === 1)
    const closing = pool.close({ drain: '1m' })
    await expect(run('late')).rejects.toMatchObject({ code: 'ERR_SSH_POOL_CLOSED' })
    running[0]?.exit(4)
    expect(await open).toMatchObject({ exitStatus: 4 })
    await closing
  })

  test('another close need not wait as long, and neither does the first then', async () => {
    const { pool, run, running } = await pooled()
    const command = outcome(run('hang'))
    await until(() => running.length === 1)
    const patient = pool.close({ drain: '30d' })
    await pool.close()
    await Promise.all([patient, pool.closed])
    expect(await command).toMatchObject({ name: 'ConnectionLost' })
  })

  test('times that no timer can wait are long ones', async () => {
    const spy = vi.spyOn(globalThis, 'setTimeout')
    onTestFinished(() => spy.mockRestore())
    const { pool, run } = await pooled({}, { idleTimeout: '30d', connect: { connectTimeout: '30d' } })
    await run('x')
    await until(() => pool.stats.idle === 1)
    await pool.close({ drain: '30d' })
    const delays = spy.mock.calls.map(([, delay]) => delay)
    expect(delays.filter((delay) => (delay ?? 0) > 0x7fff_ffff)).toEqual([])
    expect(delays).toContain(0x7fff_ffff)
  })

  test('close with drain waits no longer than it says', async () => {
    const { pool, run, running } = await pooled()
    const open = outcome(run('hang'))
    await until(() => running.length === 1)
    await pool.close({ drain: 10 })
    expect(await open).toBeInstanceOf(Error)
  })

  test('close while a connect is under way leaves nothing open', async () => {
    const { pool, run, server } = await pooled()
    const waiting = outcome(run('a'))
    await pool.close()
    expect(await waiting).toMatchObject({ code: 'ERR_SSH_POOL_CLOSED' })
    await until(() => server.connections.size === 0)
  })

  test('disposal is close', async () => {
    let kept: ConnectionPool
    {
      await using pool = createPool()
      kept = pool
    }
    expect(kept.isClosed).toBe(true)
    await kept.closed
  })

  test('no listener is added to a connection by using it', async () => {
    const { pool, destination, run } = await pooled()
    await using lease = await pool.connect(destination)
    const count = () =>
      lease.connection.eventNames().reduce((sum, name) => sum + lease.connection.listenerCount(name), 0)
    const before = count()
    await Promise.all(Array.from({ length: 50 }, (_, index) => run(`${index}`)))
    expect(count()).toBe(before)
  })

  test('an idle connection does not keep the process alive, a used one does', async () => {
    const { pool, destination, run } = await pooled()
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
    await run('a')
    const idle = sockets()
    const lease = await pool.connect(destination)
    expect(sockets()).toBe(idle + 1)
    lease.release()
    expect(sockets()).toBe(idle)
  })
})
