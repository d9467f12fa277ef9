import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryHandler } from '@ssh/sftp'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect, type ProcessHandler, type SshClientConnection } from '../src/index.js'
import { clientOptions, embedded, parrot } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'
import { relayTo } from './relay.js'

expectNothingLeftOpen()

/** Copies its input to its output until that ends. */
const cat: ProcessHandler = async (process) => {
  for await (const chunk of process.stdin) process.stdout.write(chunk)
  process.exit(0)
}

/** Neither reads nor writes nor ends. */
const silent: ProcessHandler = () => {}

const ended = (promise: Promise<unknown>) =>
  promise.then(
    () => 'resolved',
    (error: unknown) => error,
  )

/** A connection through a relay of the test, whose cable it can cut. */
async function throughRelay(options: Parameters<typeof embedded>[0]) {
  const { destination } = await embedded(options)
  const sockets = new Set<Socket>()
  const relay = createServer((client) => {
    const server = connectTcp(destination.port, destination.host)
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    client.pipe(server).pipe(client)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => relay.once('listening', resolve))
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  onTestFinished(() => {
    cut()
    relay.close()
  })
  const { port } = relay.address() as { port: number }
  const conn = await connect({ ...destination, port }, clientOptions())
  onTestFinished(() => conn.close())
  return { conn, cut }
}

describe('sessions', () => {
  test('run gives the result, as text or as bytes', async () => {
    const conn = await (await embedded({ processFactory: parrot })).connect()
    const text = await conn.run('héllo')
    expect(text).toMatchObject({ command: 'héllo', exitStatus: 0, exitSignal: null, returncode: 0, stdout: 'héllo' })
    const { stdout } = await conn.run('héllo', { encoding: 'buffer' })
    expect(stdout).toEqual(Buffer.from('héllo'))
  })

  test('run takes argv, and input which is at its end from the start when there is none', async () => {
    const conn = await (await embedded({ processFactory: cat })).connect()
    expect(await conn.run(['cat', "it's"])).toMatchObject({ command: `cat 'it'\\''s'`, stdout: '' })
    expect((await conn.run('cat', { input: 'b\na\n' })).stdout).toBe('b\na\n')
  })

  test('createProcess carries megabytes both ways', async () => {
    const conn = await (await embedded({ processFactory: cat })).connect()
    const data = randomBytes(5 * 1024 * 1024)
    const process = await conn.createProcess('cat', { encoding: 'buffer' })
    const { stdout } = await process.communicate(data)
    expect(stdout.equals(data)).toBe(true)
  })

  test('openSession gives the plain streams', async () => {
    const conn = await (await embedded({ processFactory: cat })).connect()
    const { stdin, stdout, stderr, channel } = await conn.openSession('cat')
    stdin.end('hello')
    stderr.resume()
    let text = ''
    for await (const chunk of stdout) text += String(chunk)
    expect(text).toBe('hello')
    expect(channel).toHaveProperty('isClosed')
  })

  test('run waits for room where the server allows few sessions', async () => {
    const conn = await (await embedded({ processFactory: parrot, maxSessions: 2 })).connect()
    const commands = Array.from({ length: 20 }, (_, index) => `command ${index}`)
    const results = await Promise.all(commands.map((command) => conn.run(command)))
    expect(results.map(({ stdout }) => stdout)).toEqual(commands)
  })

  test('an abort leaves the session closed and the connection usable', async () => {
    const sessions: { closed: Promise<void> }[] = []
    const { connect } = await embedded({
      processFactory: (process) => {
        sessions.push(process)
        if (process.command === 'ok') process.exit(0)
      },
    })
    const conn = await connect()
    const controller = new AbortController()
    const running = conn.run('hang', { signal: controller.signal })
    while (sessions.length === 0) await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    await expect(running).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' })
    await sessions[0]?.closed
    expect(await conn.run('ok')).toMatchObject({ exitStatus: 0 })
  })
})

describe('SFTP', () => {
  test('starts beside commands, and its end leaves the connection open', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ssh-sdk-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const conn = await (await embedded({ processFactory: parrot, sftpFactory: { root: folder } })).connect()
    {
      await using sftp = await conn.startSftpClient()
      await sftp.writeFile('/note.txt', 'hello')
      expect(await sftp.listdir('/')).toEqual(['note.txt'])
    }
    expect(await readFile(join(folder, 'note.txt'), 'utf8')).toBe('hello')
    expect((await conn.run('still here')).stdout).toBe('still here')
  })

  test('takes sizes as people write them', async () => {
    const conn = await (await embedded({ sftpFactory: () => new MemoryHandler() })).connect()
    await using sftp = await conn.startSftpClient({ maximumInFlight: '64k' })
    const data = randomBytes(300_000)
    await sftp.writeFile('/file', data, { blockSize: '4k' })
    expect((await sftp.readFile('/file', { blockSize: '1.5k' })).equals(data)).toBe(true)
    await expect(sftp.readFile('/file', { blockSize: 'large' })).rejects.toMatchObject({ name: 'OptionsError' })
    await expect(conn.startSftpClient({ maximumInFlight: 'large' })).rejects.toMatchObject({ name: 'OptionsError' })
  })

  test('says so when the server has none', async () => {
    const conn = await (await embedded({ processFactory: parrot })).connect()
    await expect(conn.startSftpClient()).rejects.toMatchObject({
      name: 'ChannelError',
      code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED',
      message: expect.stringContaining('subsystem'),
    })
  })

  test('refuses options it does not know, before it opens anything', async () => {
    const conn = await (await embedded({ maxSessions: 0 })).connect()
    await expect(conn.startSftpClient({ maxInFlight: 1 } as object)).rejects.toMatchObject({
      name: 'OptionsError',
      message: expect.stringContaining('"maxInFlight"'),
    })
  })

  test('gives up when aborted', async () => {
    let opened = 0
    const { connect } = await embedded({
      sftpFactory: () => {
        opened += 1
        return new Promise<MemoryHandler>(() => {})
      },
    })
    const conn = await connect()
    const controller = new AbortController()
    const starting = conn.startSftpClient({ signal: controller.signal })
    while (opened === 0) await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    await expect(starting).rejects.toMatchObject({ code: 'ABORT_ERR' })
  })
})

describe('the life of a connection', () => {
  test('keys change on demand, while commands run', async () => {
    const conn = await (await embedded({ processFactory: cat })).connect()
    let rekeys = 0
    conn.on('rekey', () => (rekeys += 1))
    const process = await conn.createProcess('cat')
    await conn.rekey()
    await conn.rekey()
    process.stdin.end('hello')
    expect((await process.wait()).stdout).toBe('hello')
    expect(rekeys).toBe(2)
  })

  test('an abort ends the wait for new keys, and for the answer to a break', async () => {
    const { server, destination } = await embedded({ processFactory: cat })
    const relay = await relayTo(server.port)
    const conn = await connect({ ...destination, port: relay.port }, clientOptions())
    onTestFinished(() => conn.abort())
    const process = await conn.createProcess('cat')
    relay.mute()
    const controller = new AbortController()
    const { signal } = controller
    const waiting = Promise.allSettled([conn.rekey({ signal }), process.sendBreak(100, { signal })])
    controller.abort()
    const outcomes = await waiting
    expect(outcomes).toMatchObject([{ reason: { code: 'ABORT_ERR' } }, { reason: { code: 'ABORT_ERR' } }])
    await expect(conn.rekey({ signal })).rejects.toMatchObject({ code: 'ABORT_ERR' })
    await expect(conn.rekey({ sginal: signal } as never)).rejects.toMatchObject({ name: 'OptionsError' })
  })

  test('debug messages go both ways', async () => {
    const heard: unknown[] = []
    const { server, connect } = await embedded({
      logger: { debug: ({ event, message }) => event === 'debug' && heard.push(message) },
      processFactory: parrot,
    })
    const conn = await connect()
    const debug = new Promise((resolve) => conn.once('debug', (...values) => resolve(values)))
    for (const connection of server.connections) connection.sendDebug('from the server', true)
    expect(await debug).toEqual(['from the server', true])
    conn.sendDebug('from the client')
    await conn.run('anything')
    expect(heard).toContain('from the client')
  })

  test('an orderly goodbye of the server ends the connection without an error, and what is pending with one', async () => {
    const { server, connect } = await embedded({ processFactory: silent })
    const conn = await connect()
    const closed = new Promise((resolve) => conn.once('close', resolve))
    const process = await conn.createProcess('hang')
    const pending = Promise.all([ended(process.wait()), ended(process.closed), ended(conn.run('more'))])
    await server.close()
    expect(await closed).toBeUndefined()
    await conn.closed
    for (const error of await pending) expect(error).toBeInstanceOf(Error)
    await expect(conn.run('late')).rejects.toMatchObject({ code: 'ERR_SSH_CONNECTION_CLOSED' })
  })

  test('a cut cable fails all that is pending, once, and nothing that nobody listens to crashes', async () => {
    const { conn, cut } = await throughRelay({ processFactory: silent, sftpFactory: true })
    const closed = new Promise((resolve) => conn.once('close', resolve))
    const process = await conn.createProcess('hang')
    const sftp = await conn.startSftpClient()
    const pending = [
      process.wait(),
      process.closed,
      conn.run('hang'),
      sftp.stat('/'),
      conn.rekey(),
      conn.startSftpClient(),
      conn.openSession('x'),
    ]
    const outcomes = Promise.all(pending.map(ended))
    cut()
    expect(await closed).toMatchObject({ code: 'ERR_SSH_CONNECTION_LOST' })
    await expect(conn.closed).rejects.toMatchObject({ code: 'ERR_SSH_CONNECTION_LOST' })
    for (const outcome of await outcomes) expect(outcome).toBeInstanceOf(Error)
    process.stdin.write('into the void')
    await sftp.closed
    await conn.close()
  })

  test('abort ends at once, with the reason for whoever waits', async () => {
    const conn = await (await embedded({ processFactory: silent })).connect()
    const running = (await conn.createProcess('hang')).wait()
    const reason = new Error('enough')
    conn.abort(reason)
    await expect(running).rejects.toMatchObject({ cause: reason })
    await expect(conn.closed).rejects.toMatchObject({ code: 'ERR_SSH_CONNECTION_ABORTED', cause: reason })
  })

  test('close may be called again, and disposal is close', async () => {
    const { server, connect } = await embedded()
    let kept: SshClientConnection
    {
      await using conn = await connect()
      kept = conn
      await Promise.all([conn.close(), conn.close()])
    }
    await kept.close()
    await kept.closed
    while (server.connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  test('unref lets the process exit, and ref keeps it', async () => {
    const { server, connect } = await embedded()
    await using conn = await connect()
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
    const before = sockets()
    expect(conn.unref()).toBe(conn)
    expect(sockets()).toBe(before - 1)
    expect(conn.ref()).toBe(conn)
    expect(sockets()).toBe(before)
    expect(server.connections.size).toBe(1)
    // Nobody may be left waiting in a process that ended because nothing kept it.
    conn.unref()
    const closing = conn.close()
    expect(sockets()).toBe(before)
    await closing
  })

  test('setKeepalive takes durations and refuses what is none', async () => {
    const conn = await (await embedded()).connect()
    conn.setKeepalive('30s', 2)
    conn.setKeepalive(0)
    expect(() => conn.setKeepalive('soon')).toThrow(expect.objectContaining({ code: 'ERR_SSH_OPTIONS_INVALID' }))
  })
})
