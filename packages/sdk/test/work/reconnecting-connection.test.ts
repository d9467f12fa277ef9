import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { FakeClock } from '@ssh/testkit'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  createReconnecting,
  type ListenOptions,
  type ProcessHandler,
  type ReconnectingConnection,
  type ReconnectOptions,
  type ServerProcess,
} from '../../src/index.js'
import { clientOptions, embedded, parrot } from '../embedded-server.js'
import { expectNothingLeftOpen } from '../open-handles.js'
import { type Relay, relayTo } from '../relay.js'
import { outcome, turn, until } from '../turns.js'

expectNothingLeftOpen()

/** Answers commands that begin with `hang` when the test wants it, and others at once. */
function hanging(running: ServerProcess[]): ProcessHandler {
  return (process) => {
    if (process.command?.startsWith('hang') === true) running.push(process)
    else parrot(process)
  }
}

interface Linked {
  readonly link: ReconnectingConnection
  readonly relay: Relay
  readonly clock: FakeClock
  readonly running: ServerProcess[]
  readonly server: Awaited<ReturnType<typeof embedded>>['server']
  /** What was told, in order: `connect`, `disconnect`, `retry 1 after 1000`, `close`. */
  readonly told: string[]
  /** Breaks the link, and waits until that has been noticed and a new attempt is due. */
  drop(): Promise<void>
}

/** A link through a relay, whose time the test makes. Without chance: pauses are 1, 2, 4 … seconds. */
async function linked(
  options: ReconnectOptions = {},
  serverOptions: Partial<ListenOptions> = {},
  isPulledOut = false,
): Promise<Linked> {
  const running: ServerProcess[] = []
  const { server, destination } = await embedded({ processFactory: hanging(running), ...serverOptions })
  const relay = await relayTo(server.port)
  relay.isPulledOut = isPulledOut
  const clock = new FakeClock()
  const link = createReconnecting(
    { ...destination, port: relay.port },
    { ...clientOptions(), clock, jitter: 0, minDelay: '1s', maxDelay: '60s', ...options },
  )
  onTestFinished(() => link.close())
  const told: string[] = []
  link.on('connect', () => told.push('connect'))
  link.on('disconnect', (error) => told.push(error === undefined ? 'disconnect' : 'disconnect with an error'))
  link.on('retry', (attempt, delayMs) => told.push(`retry ${attempt} after ${delayMs}`))
  link.on('close', (error) => told.push(error === undefined ? 'close' : 'close with an error'))
  const retries = () => told.filter((line) => line.startsWith('retry')).length
  const drop = async () => {
    const before = retries()
    relay.cut()
    await until(() => retries() > before)
  }
  return { link, relay, clock, running, server, told, drop }
}

describe('coming back', () => {
  test('connects at once, and again after a pause when the link falls', async () => {
    const { link, clock, told, drop, relay } = await linked()
    const first = await link.connected
    expect(link.connection).toBe(first)
    await drop()
    expect(link.connection).toBeUndefined()
    clock.advance(999)
    expect(relay.accepted).toBe(1)
    clock.advance(1)
    const second = await link.connected
    expect(second).not.toBe(first)
    await until(() => told.length === 4)
    expect(told).toEqual(['connect', 'disconnect with an error', 'retry 1 after 1000', 'connect'])
  })

  test('pauses grow while nothing comes of it, up to the longest, and are short again after a link that lasted', async () => {
    const { link, clock, told, drop, relay } = await linked({ maxDelay: '5s' })
    await link.connected
    relay.isPulledOut = true
    await drop()
    for (const pause of [1000, 2000, 4000, 5000, 5000]) {
      const before = told.length
      clock.advance(pause)
      await until(() => told.length > before)
    }
    relay.isPulledOut = false
    clock.advance(5000)
    await link.connected
    clock.advance(5000)
    await drop()
    expect(told.filter((line) => line.startsWith('retry'))).toEqual([
      'retry 1 after 1000',
      'retry 2 after 2000',
      'retry 3 after 4000',
      'retry 4 after 5000',
      'retry 5 after 5000',
      'retry 6 after 5000',
      'retry 1 after 1000',
    ])
  })

  test('a link that never lasts makes pauses grow too', async () => {
    const { link, clock, told, drop } = await linked()
    await link.connected
    await drop()
    for (const pause of [1000, 2000]) {
      clock.advance(pause)
      await link.connected
      await drop()
    }
    expect(told.filter((line) => line.startsWith('retry'))).toEqual([
      'retry 1 after 1000',
      'retry 2 after 2000',
      'retry 3 after 4000',
    ])
  })

  test('without a first pause there are pauses all the same, also while links are made that never last', async () => {
    const { link, clock, told, drop, relay } = await linked({ minDelay: 0, maxDelay: '1s' })
    await link.connected
    await drop()
    clock.advance(0)
    await link.connected
    clock.advance(20)
    await drop()
    relay.isPulledOut = true
    for (const pause of [200, 400, 800]) {
      const before = told.length
      clock.advance(pause)
      await until(() => told.length > before)
    }
    expect(told.filter((line) => line.startsWith('retry'))).toEqual(
      [0, 200, 400, 800, 1000].map((pause, index) => `retry ${index + 1} after ${pause}`),
    )
  })

  test('chance takes its part of each pause', async () => {
    const numbers = [0, 0.5, 1]
    const { link, clock, told, drop, relay } = await linked({ jitter: 0.5, random: () => numbers.shift() ?? 0 })
    await link.connected
    relay.isPulledOut = true
    await drop()
    clock.advance(1000)
    await until(() => told.length === 4)
    clock.advance(1500)
    await until(() => told.length === 5)
    expect(told.slice(2)).toEqual(['retry 1 after 1000', 'retry 2 after 1500', 'retry 3 after 2000'])
  })

  test('an end in good order is followed by a new connection as well', async () => {
    const { link, clock, told, server } = await linked()
    const first = await link.connected
    for (const connection of server.connections) void connection.close()
    await until(() => told.length === 3)
    expect(told).toEqual(['connect', 'disconnect', 'retry 1 after 1000'])
    clock.advance(1000)
    expect(await link.connected).not.toBe(first)
  })

  test('a server that is not there yet is waited for', async () => {
    const { link, clock, told, relay } = await linked({}, {}, true)
    await until(() => told.length === 1)
    expect(told).toEqual(['retry 1 after 1000'])
    relay.isPulledOut = false
    clock.advance(1000)
    await link.connected
  })
})

describe('giving up', () => {
  test('what will not be different next time is not tried again', async () => {
    for (const wrong of [
      { hostKeyFingerprint: 'SHA256:other' },
      { clientKeys: null },
      { clientKeys: '/no/such/key' },
    ]) {
      const { link, told, clock } = await linked(wrong)
      const error = await outcome(link.closed)
      expect(error).toBeInstanceOf(Error)
      expect(await outcome(link.run('x'))).toBe(error)
      expect(await outcome(link.connected)).toBe(error)
      expect(clock.pending).toBe(0)
      await until(() => told.length > 0)
      expect(told).toEqual(['close with an error'])
      expect(link.isClosed).toBe(true)
    }
  })

  test('maxAttempts counts attempts that fail in a row, the first included', async () => {
    const { link, clock, told, relay, drop } = await linked({ maxAttempts: 2 })
    await link.connected
    clock.advance(10_000)
    relay.isPulledOut = true
    await drop()
    const waiting = outcome(link.run('x'))
    clock.advance(1000)
    await until(() => told.length === 4)
    clock.advance(2000)
    expect(await waiting).toMatchObject({ name: expect.stringMatching(/Connect|Lost/) })
    await until(() => told.length === 5)
    expect(told.slice(1)).toEqual([
      'disconnect with an error',
      'retry 1 after 1000',
      'retry 2 after 2000',
      'close with an error',
    ])
  })

  test('retryable decides, and one that fails has not said yes', async () => {
    const asked: unknown[] = []
    const { link, relay, told } = await linked({
      retryable: (error) => {
        asked.push(error)
        throw new Error('cannot say')
      },
    })
    await link.connected
    relay.cut()
    const error = await outcome(link.closed)
    expect(asked).toEqual([error])
    await until(() => told.length === 3)
    expect(told).toEqual(['connect', 'disconnect with an error', 'close with an error'])
  })

  test('options are checked at once', () => {
    for (const wrong of [{ bogus: 1 }, { jitter: 2 }, { sock: {} }, { minDelay: 'soon' }]) {
      expect(() => createReconnecting('host', wrong as object)).toThrow(
        expect.objectContaining({ name: 'OptionsError' }),
      )
    }
    expect(() => createReconnecting('-x')).toThrow(expect.objectContaining({ name: 'OptionsError' }))
  })
})

describe('work on the link', () => {
  test('commands, processes, SFTP and tunnels go over the connection there is', async () => {
    const { link } = await linked({}, { sftpFactory: true })
    expect((await link.run('hello')).stdout).toBe('hello')
    expect((await (await link.createProcess('there')).wait()).stdout).toBe('there')
    await using sftp = await link.startSftpClient()
    expect(await sftp.realpath('/')).toBe('/')
  })

  test('calls wait for the link, and run once it is there', async () => {
    const { link, clock, drop } = await linked()
    await link.connected
    await drop()
    const waiting = [link.run('one'), link.run('two')]
    clock.advance(1000)
    expect((await Promise.all(waiting)).map(({ stdout }) => stdout)).toEqual(['one', 'two'])
  })

  test('and no longer than waitTimeout', async () => {
    const { link, clock, drop, relay } = await linked({ waitTimeout: '5s', minDelay: '10s' })
    await link.connected
    relay.isPulledOut = true
    await drop()
    const waiting = outcome(link.run('x'))
    await turn()
    clock.advance(4999)
    await turn()
    clock.advance(1)
    expect(await waiting).toMatchObject({
      name: 'TimeoutError',
      code: 'ERR_SSH_RECONNECT_TIMEOUT',
      details: { timeoutMs: 5000 },
      cause: expect.any(Error),
    })
  })

  test('an abort ends the wait', async () => {
    const { link, drop } = await linked()
    await link.connected
    await drop()
    const controller = new AbortController()
    const waiting = outcome(link.startSftpClient({ signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect(await waiting).toMatchObject({ name: 'AbortError', cause: { message: 'enough' } })
  })

  test('what was running when the link fell fails, and is not run again', async () => {
    const { link, clock, running, drop, server } = await linked()
    const command = outcome(link.run('hang'))
    const process = await link.createProcess('hang too')
    await until(() => running.length === 2)
    await drop()
    expect(await command).toMatchObject({ name: 'ConnectionLost' })
    await expect(process.wait()).rejects.toMatchObject({ name: 'ConnectionLost' })
    clock.advance(1000)
    expect((await link.run('next')).stdout).toBe('next')
    expect(running).toHaveLength(2)
    await until(() => server.connections.size === 1)
  })

  test('a session that was being opened when the link fell is opened on the next', async () => {
    let asked = 0
    const { link, clock, relay, told } = await linked(
      {},
      {
        serverFactory: () => ({
          sessionRequested: () => {
            asked++
            return asked === 1 ? new Promise<boolean>(() => {}) : true
          },
        }),
      },
    )
    const waiting = link.run('once')
    await until(() => asked === 1)
    relay.cut()
    await until(() => told.includes('retry 1 after 1000'))
    clock.advance(1000)
    expect((await waiting).stdout).toBe('once')
  })
})

/** A TCP server that sends back what it gets. */
async function echo(): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.pipe(socket)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as { port: number }).port
}

/** Sends text to a port and gives what comes back; undefined when the connection is closed before. */
function ask(port: number, text: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1', () => socket.write(text))
    const done = (answer: string | undefined) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('data', (data) => done(data.toString()))
    socket.on('error', () => {})
    socket.once('close', () => done(undefined))
  })
}

const everything: Partial<ListenOptions> = { allowTcpForwarding: true }

describe('ports that are listened on here', () => {
  test('stay open, and lead over whichever connection there is', async () => {
    const { link, clock, drop } = await linked({}, everything)
    const target = await echo()
    const listener = await link.forwardLocalPort('127.0.0.1', 0, '127.0.0.1', target)
    const { port } = listener
    expect(await ask(port, 'one')).toBe('one')
    await drop()
    expect(listener.isClosed).toBe(false)
    const waiting = ask(port, 'two')
    await until(() => listener.connections === 1)
    clock.advance(1000)
    expect(await waiting).toBe('two')
    expect(listener.port).toBe(port)
    await link.close()
    await listener.closed
    expect(await ask(port, 'three')).toBeUndefined()
  })

  test('whoever connects while the link is down is let go after waitTimeout', async () => {
    const { link, clock, drop, relay } = await linked({ waitTimeout: '5s', minDelay: '1h', maxDelay: '1h' }, everything)
    const failures: Error[] = []
    const options = { onError: (error: Error) => void failures.push(error) }
    const listener = await link.forwardLocalPort('127.0.0.1', 0, '127.0.0.1', await echo(), options)
    await link.connected
    relay.isPulledOut = true
    await drop()
    const waiting = ask(listener.port, 'hello')
    await until(() => listener.connections === 1 && clock.pending === 2)
    clock.advance(5000)
    expect(await waiting).toBeUndefined()
    expect(failures).toMatchObject([{ code: 'ERR_SSH_RECONNECT_TIMEOUT' }])
  })

  test('may be listened on before there is a link, SOCKS too', async () => {
    const { link } = await linked({}, everything)
    const target = await echo()
    const listener = await link.forwardSocks('127.0.0.1', 0)
    const answer = await new Promise<Buffer>((resolve) => {
      const socket = connectTcp(listener.port, '127.0.0.1', () => {
        const request = Buffer.from([4, 1, 0, 0, 127, 0, 0, 1, 0])
        request.writeUInt16BE(target, 2)
        socket.write(request)
      })
      socket.once('data', (data) => {
        socket.destroy()
        resolve(data)
      })
    })
    expect(answer[1]).toBe(0x5a)
  })
})

describe('ports that the server listens on', () => {
  test('are asked for again on each connection, and keep the number that the server chose', async () => {
    const { link, clock, drop } = await linked({}, everything)
    const listener = await link.forwardRemotePort('127.0.0.1', 0, '127.0.0.1', await echo())
    const { port } = listener
    expect(await ask(port, 'one')).toBe('one')
    await drop()
    expect(listener.isClosed).toBe(false)
    clock.advance(1000)
    await link.connected
    let answer: string | undefined
    while (answer === undefined) answer = await ask(port, 'two')
    expect(answer).toBe('two')
    expect(listener.port).toBe(port)
    await listener.close()
    expect(await ask(port, 'three')).toBeUndefined()
  })

  test('are asked for until the server agrees, and each refusal is told', async () => {
    let isRefusing = false
    const { link, clock, drop } = await linked(
      {},
      {
        ...everything,
        serverFactory: () => ({ serverRequested: () => !isRefusing }),
      },
    )
    const refusals: unknown[] = []
    link.on('forwardFailed', (error, which) => refusals.push([error, which]))
    const listener = await link.startServer((stream) => stream.end('hello'), '127.0.0.1', 0)
    isRefusing = true
    await drop()
    clock.advance(1000)
    await until(() => refusals.length === 1)
    clock.advance(1000)
    await until(() => refusals.length === 2)
    expect(refusals[0]).toEqual([expect.objectContaining({ name: 'ChannelListenError' }), listener])
    isRefusing = false
    clock.advance(2000)
    let answer: string | undefined
    while (answer === undefined) answer = await ask(listener.port, 'x')
    expect(answer).toBe('hello')
  })

  test('what the server refuses the first time is an error', async () => {
    const { link } = await linked(
      {},
      {
        ...everything,
        serverFactory: () => ({ serverRequested: () => false }),
      },
    )
    await expect(link.forwardRemotePort('127.0.0.1', 0, '127.0.0.1', 1)).rejects.toMatchObject({
      name: 'ChannelListenError',
    })
  })

  test('an abort closes the listener', async () => {
    const { link } = await linked({}, everything)
    const controller = new AbortController()
    const { signal } = controller
    const listener = await link.forwardRemotePort('127.0.0.1', 0, '127.0.0.1', await echo(), { signal })
    controller.abort()
    await listener.closed
    expect(await ask(listener.port, 'x')).toBeUndefined()
  })
})

describe('the end', () => {
  test('close ends everything, whoever waits is told so, and nothing is tried again', async () => {
    const { link, clock, drop, told } = await linked()
    await link.connected
    await drop()
    const waiting = outcome(link.run('x'))
    await turn()
    await Promise.all([link.close(), link.close()])
    expect(await waiting).toMatchObject({ code: 'ERR_SSH_CONNECTION_CLOSED' })
    await link.closed
    expect(clock.pending).toBe(0)
    await until(() => told.includes('close'))
    expect(told).toEqual(['connect', 'disconnect with an error', 'retry 1 after 1000', 'close'])
    await expect(link.run('late')).rejects.toMatchObject({ code: 'ERR_SSH_CONNECTION_CLOSED' })
    await expect(link.forwardLocalPort('127.0.0.1', 0, 'x', 1)).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECTION_CLOSED',
    })
  })

  test('close while it connects leaves nothing open', async () => {
    const { link, server } = await linked()
    await link.close()
    await link.closed
    await until(() => server.connections.size === 0)
  })

  test('a signal closes it, also one that has fired already', async () => {
    const controller = new AbortController()
    const { link } = await linked({ signal: controller.signal })
    await link.connected
    controller.abort()
    await link.closed
    const { link: late } = await linked({ signal: AbortSignal.abort() })
    await late.closed
    expect(late.isClosed).toBe(true)
  })

  test('closed is told once the connection is closed, and not before', async () => {
    const controller = new AbortController()
    const { link } = await linked({ signal: controller.signal })
    const connection = await link.connected
    const order: string[] = []
    connection.closed.then(() => order.push('connection'))
    link.on('close', () => order.push('event'))
    controller.abort()
    await link.closed
    order.push('closed')
    await until(() => order.length === 3)
    expect(order).toEqual(['connection', 'closed', 'event'])
  })

  test('disposal is close', async () => {
    const { link } = await linked()
    {
      await using used = link
      await used.connected
    }
    expect(link.isClosed).toBe(true)
  })
})
