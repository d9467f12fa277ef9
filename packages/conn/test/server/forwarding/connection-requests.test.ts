import { once } from 'node:events'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { Worker } from 'node:worker_threads'
import { toDuplex } from '@ssh/streams'
import { memoryChannelPair } from '@ssh/testkit'
import { openFailureReasons } from '@ssh/wire'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ChannelOpenError } from '../../../src/errors.js'
import type { ServerCallbacks } from '../../../src/server/server-callbacks.js'
import { Collector, pattern } from '../../mux-pair.js'
import { echo, folder, rawClient, readAll, target } from './raw-client.js'

const { administrativelyProhibited, connectFailed, resourceShortage } = openFailureReasons
const refusedWith = (reasonCode: number, text: string) => ({
  name: 'ChannelOpenError',
  reasonCode,
  details: { description: text },
})

describe('a connection that this process makes', () => {
  test.each(['TCP', 'a Unix socket'])('carries bytes both ways, to the end of each: %s', async (kind) => {
    const there = await target(echo, kind === 'TCP' ? '' : join(folder(), 'socket'))
    const client = await rawClient({ allowTcpForwarding: 'local', allowStreamLocalForwarding: 'local' })
    const channel = await (kind === 'TCP' ? client.openTcp('127.0.0.1', there.port) : client.openUnix(there.path))
    const collector = new Collector(channel)
    const bytes = pattern(3 << 20)
    channel.write(bytes.slice())
    channel.end()
    await vi.waitFor(() => expect(collector.events.at(-1)).toBe('close'))
    expect(collector.events.at(-2)).toBe('end')
    expect(collector.closeError).toBeUndefined()
    expect(Buffer.compare(collector.bytes, bytes)).toBe(0)
  })

  test('goes on in one direction after the other one ended', async () => {
    const there = await target((socket) => socket.end('all I have to say'))
    const client = await rawClient({ allowTcpForwarding: true })
    const channel = await client.openTcp('localhost', there.port)
    const collector = new Collector(channel)
    await vi.waitFor(() => expect(collector.events).toEqual(['data', 'end']))
    const [socket] = there.sockets
    const rest = readAll(socket as never)
    channel.write(Buffer.from('and I'))
    channel.write(Buffer.from(' go on'))
    channel.end()
    expect((await rest).toString()).toBe('and I go on')
    await vi.waitFor(() => expect(channel.isClosed).toBe(true))
  })

  test('is open only once there is one: what cannot be reached is an open failure that says why', async () => {
    const there = await target(echo)
    const client = await rawClient({ allowTcpForwarding: true, allowStreamLocalForwarding: true })
    const nothing = join(folder(), 'nothing')
    await expect(client.openUnix(nothing)).rejects.toMatchObject(refusedWith(connectFailed, 'ENOENT'))
    await expect(client.openUnix(`/${'long'.repeat(50)}`)).rejects.toMatchObject({ reasonCode: connectFailed })
    const { port } = there
    const closed = await target(echo)
    expect(closed.port).not.toBe(port)
    await expect(client.openTcp('127.0.0.1', 1)).rejects.toMatchObject(refusedWith(connectFailed, 'ECONNREFUSED'))
    expect(client.link.peer.mux.channelCount).toBe(0)
    expect(client.server.peer.mux.channelCount).toBe(0)
  })

  test('takes no longer than it may, and is given up with the connection', async () => {
    // A program that accepts nothing: once the system's queue is full, whoever connects gets no answer.
    const worker = new Worker(
      `const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
        require('node:worker_threads').parentPort.postMessage(server.address().port)
        setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
      })`,
      { eval: true },
    )
    onTestFinished(async () => void (await worker.terminate()))
    const [port] = (await once(worker, 'message')) as [number]
    const client = await rawClient({ allowTcpForwarding: true, tunnelConnectTimeout: 300 })
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => client.openTcp('127.0.0.1', port)))
    const refused = outcomes.filter(({ status }) => status === 'rejected')
    expect(refused.length).toBeGreaterThan(0)
    for (const outcome of refused) {
      expect(outcome).toMatchObject({ reason: refusedWith(connectFailed, 'it took too long') })
    }
    const patient = await rawClient({ allowTcpForwarding: true, tunnelConnectTimeout: 0 })
    const opening = patient.openTcp('127.0.0.1', port)
    // Requests are looked at in order: once this one is answered, that one is being connected.
    expect(await patient.cancel('localhost', 1)).toBe(false)
    patient.link.abort()
    await expect(opening).rejects.toThrow()
  })

  test('is reset for the client when the program resets it', async () => {
    const there = await target((socket) => void socket.once('data', () => socket.resetAndDestroy()))
    const client = await rawClient({ allowTcpForwarding: true })
    const channel = await client.openTcp('127.0.0.1', there.port)
    new Collector(channel)
    channel.write(Buffer.from('go away'))
    await vi.waitFor(() => expect(channel.isClosed).toBe(true))
    expect(client.link.isClosed).toBe(false)
  })

  test('ends with the connection to the client, also while it is being made', async () => {
    const there = await target((socket) => void socket.resume().on('end', () => socket.end()))
    const client = await rawClient({ allowTcpForwarding: true })
    await client.openTcp('127.0.0.1', there.port)
    const opening = client.openTcp('127.0.0.1', there.port)
    client.link.abort()
    await expect(opening).rejects.toThrow()
    await vi.waitFor(() => expect(there.sockets.every((socket) => socket.destroyed)).toBe(true))
  })
})

describe('the builder', () => {
  test('is told where to, in lower case, and from where', async () => {
    const connectionRequested = vi.fn(() => false)
    const unixConnectionRequested = vi.fn(() => false)
    const client = await rawClient({ callbacks: { connectionRequested, unixConnectionRequested } })
    await expect(client.openTcp('DB.Internal', 5432)).rejects.toThrow()
    expect(connectionRequested).toHaveBeenCalledWith('db.internal', 5432, '192.0.2.9', 4711)
    await expect(client.openTcp('db', 5432, { address: 'two words', port: 70000 })).rejects.toThrow()
    expect(connectionRequested).toHaveBeenLastCalledWith('db', 5432, '', 0)
    await expect(client.openUnix('/run/Docker.sock')).rejects.toThrow()
    expect(unixConnectionRequested).toHaveBeenCalledWith('/run/Docker.sock')
  })

  test.each<[string, unknown]>([
    ['false', false],
    ['undefined', undefined],
    ['null', null],
    ['1', 1],
    ['"yes"', 'yes'],
    ['an empty object', {}],
    ['a promise of false', Promise.resolve(false)],
    ['a destination without a port', { host: '127.0.0.1' }],
    ['a destination with a port that is text', { host: '127.0.0.1', port: '22' }],
    ['a destination that cannot be', { host: '127.0.0.1', port: 70000 }],
    ['a relative path', { path: 'docker.sock' }],
  ])('refuses by %s', async (_, answer) => {
    const client = await rawClient({
      allowTcpForwarding: true,
      callbacks: { connectionRequested: () => answer as never, unixConnectionRequested: () => answer as never },
    })
    const there = await target(echo)
    for (const opening of [client.openTcp('127.0.0.1', there.port), client.openUnix('/run/socket')]) {
      await expect(opening).rejects.toMatchObject({ reasonCode: administrativelyProhibited })
    }
    expect(there.sockets).toEqual([])
  })

  test('refuses with a reason of its own, and by a mistake, which only the log is told', async () => {
    const events: unknown[] = []
    const logger = { debug: () => {}, warn: (entry: unknown) => void events.push(entry) }
    const answers: (() => never)[] = [
      () => {
        throw new ChannelOpenError(resourceShortage, 'come back\x1b[31m tomorrow')
      },
      () => {
        throw new Error('password of the database: hunter2')
      },
      () => Promise.reject(new ChannelOpenError(connectFailed, 'nobody home')) as never,
    ]
    const client = await rawClient({ logger, callbacks: { connectionRequested: () => answers.shift()?.() ?? false } })
    await expect(client.openTcp('a', 1)).rejects.toMatchObject(
      refusedWith(resourceShortage, 'come back\\x1b[31m tomorrow'),
    )
    await expect(client.openTcp('a', 1)).rejects.toMatchObject(
      refusedWith(administrativelyProhibited, 'the server failed to answer'),
    )
    await expect(client.openTcp('a', 1)).rejects.toMatchObject(refusedWith(connectFailed, 'nobody home'))
    expect(events).toMatchObject([{ event: 'callback-failed', callback: 'connectionRequested' }])
  })

  test('has the connection made, although no option allows it', async () => {
    const there = await target(echo)
    const client = await rawClient({ callbacks: { connectionRequested: async () => true } })
    const collector = new Collector(await client.openTcp('127.0.0.1', there.port))
    await vi.waitFor(() => expect(there.sockets).toHaveLength(1))
    there.sockets[0]?.write('hello')
    await vi.waitFor(() => expect(collector.bytes.toString()).toBe('hello'))
  })

  test('has it made to somewhere else', async () => {
    const [port, socket] = [await target(echo), await target(echo, join(folder(), 'socket'))]
    const client = await rawClient({
      callbacks: {
        connectionRequested: (host) =>
          host === 'web' ? { host: '127.0.0.1', port: port.port } : { path: socket.path },
        unixConnectionRequested: () => ({ host: '127.0.0.1', port: port.port }),
      },
    })
    await client.openTcp('web', 80)
    await client.openTcp('db', 5432)
    await client.openUnix('web')
    await vi.waitFor(() => expect([port.sockets.length, socket.sockets.length]).toEqual([2, 1]))
  })

  test('is the other end itself', async () => {
    const infos: unknown[] = []
    const client = await rawClient({
      callbacks: {
        connectionRequested: () => async (stream, info) => {
          infos.push(info)
          const said = await readAll(stream)
          stream.end(`${info.destHost} heard ${said}`)
        },
        unixConnectionRequested:
          () =>
          (stream, { path }) =>
            stream.end(path),
      },
    })
    const channel = await client.openTcp('service', 1)
    const collector = new Collector(channel)
    channel.write(Buffer.from('you'))
    channel.end()
    await vi.waitFor(() => expect(collector.events.at(-1)).toBe('close'))
    expect(collector.bytes.toString()).toBe('service heard you')
    const { connection } = client.server
    const origin = { originHost: '192.0.2.9', originPort: 4711 }
    expect(infos).toEqual([{ connection, destHost: 'service', destPort: 1, ...origin }])
    const unix = new Collector(await client.openUnix('virtual'))
    await vi.waitFor(() => expect(unix.bytes.toString()).toBe('virtual'))
  })

  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('a bug')
      },
    ],
    ['rejects', () => Promise.reject(new Error('a bug'))],
  ])('whose handler %s loses that connection and no other', async (_, fail) => {
    const events: unknown[] = []
    const logger = { debug: () => {}, warn: (entry: unknown) => void events.push(entry) }
    const client = await rawClient({ logger, callbacks: { connectionRequested: () => fail } })
    const collector = new Collector(await client.openTcp('a', 1))
    await vi.waitFor(() => expect(collector.events.at(-1)).toBe('close'))
    expect(events).toMatchObject([{ event: 'callback-failed', callback: 'connectionRequested' }])
    expect(client.server.isClosed).toBe(false)
  })

  test('takes it on through another connection, whose refusal is passed on', async () => {
    const [near, far] = memoryChannelPair()
    const asked: unknown[] = []
    const onward = {
      openTcpChannel: async (host: string, port: number, options: object) => {
        asked.push([host, port, options])
        if (host === 'busy')
          throw new ChannelOpenError(resourceShortage, 'The peer refused: no', { details: { description: 'no' } })
        if (host === 'broken') throw new Error('secret.internal is down')
        return near
      },
      openUnixChannel: async (path: string) => {
        asked.push(path)
        throw new ChannelOpenError(connectFailed, 'nothing there')
      },
    }
    const client = await rawClient({
      callbacks: { connectionRequested: () => onward, unixConnectionRequested: () => onward },
    })
    const channel = await client.openTcp('inside', 22)
    expect(asked).toEqual([
      ['inside', 22, { originHost: '192.0.2.9', originPort: 4711, signal: expect.any(AbortSignal) }],
    ])
    const inside = toDuplex(far)
    const collector = new Collector(channel)
    inside.pipe(new PassThrough()).pipe(inside)
    channel.write(Buffer.from('through'))
    await vi.waitFor(() => expect(collector.bytes.toString()).toBe('through'))
    channel.end()
    await vi.waitFor(() => expect(collector.events.at(-1)).toBe('close'))
    await expect(client.openTcp('busy', 22)).rejects.toMatchObject(refusedWith(resourceShortage, 'no'))
    await expect(client.openTcp('broken', 22)).rejects.toMatchObject(refusedWith(connectFailed, 'it failed'))
    await expect(client.openUnix('/x')).rejects.toMatchObject(refusedWith(connectFailed, 'nothing there'))
  })

  test('who answers when the client is gone has nothing done', async () => {
    const there = await target(echo)
    let answer: ((value: true) => void) | undefined
    const asked = vi.fn(() => new Promise<true>((resolve) => (answer = resolve)))
    const client = await rawClient({ callbacks: { connectionRequested: asked } })
    const opening = client.openTcp('127.0.0.1', there.port)
    opening.catch(() => {})
    await vi.waitFor(() => expect(asked).toHaveBeenCalled())
    client.link.abort()
    await client.server.closed.catch(() => {})
    answer?.(true)
    await expect(opening).rejects.toThrow()
    // A turn of the event loop for whatever might be connected now.
    await new Promise((resolve) => setImmediate(resolve))
    expect(there.sockets).toEqual([])
  })
})

describe('a hostile client', () => {
  const callbacks: ServerCallbacks = {
    connectionRequested: vi.fn(() => true),
    unixConnectionRequested: vi.fn(() => true),
  }

  test.each([
    ['a port beyond 65535', 'host', 70000, 'there is no port 70000'],
    ['the largest number', 'host', 0xffffffff, 'there is no port 4294967295'],
    ['port 0', 'host', 0, 'port 0 cannot be connected to'],
    ['no host, which systems take for this one', '', 80, 'no host is named'],
    ['a name that is two', 'evil.example\0.good.example', 80, 'the host name has blanks or control characters'],
    ['a name of many lines', 'a\r\nb', 80, 'the host name has blanks or control characters'],
    ['an endless name', 'a'.repeat(10_000), 80, 'the host name is too long'],
  ])('is refused %s before anybody is asked (D14)', async (_, host, port, text) => {
    const client = await rawClient({ allowTcpForwarding: true, callbacks })
    await expect(client.openTcp(host, port)).rejects.toMatchObject(refusedWith(administrativelyProhibited, text))
    expect(callbacks.connectionRequested).not.toHaveBeenCalled()
  })

  test.each([
    ['no path', ''],
    ['a path with a NUL', '/a\0b'],
    ['a path with ..', '/run/../etc/x'],
    ['a path that leads out', '../x'],
    ['an endless path', '/'.padEnd(5000, 'x')],
  ])('is refused %s before anybody is asked (D14)', async (_, path) => {
    const client = await rawClient({ allowStreamLocalForwarding: true, callbacks })
    await expect(client.openUnix(path)).rejects.toMatchObject({ reasonCode: administrativelyProhibited })
    expect(callbacks.unixConnectionRequested).not.toHaveBeenCalled()
  })

  test.each(['direct-tcpip', 'direct-streamlocal@openssh.com'])('that cuts %s short is disconnected', async (type) => {
    const client = await rawClient({ allowTcpForwarding: true, allowStreamLocalForwarding: true })
    for (const bytes of [new Uint8Array(0), Uint8Array.of(0, 0, 0, 9, 97)]) {
      await expect(client.open(type, bytes)).rejects.toMatchObject({
        code: expect.stringMatching(/DISCONNECTED|CLOSED/),
      })
    }
    await expect(client.server.closed).rejects.toMatchObject({ name: 'WireError' })
  })

  test.each(['x11', 'auth-agent@openssh.com', 'forwarded-tcpip', 'forwarded-streamlocal@openssh.com'])(
    'gets no %s, which is for a server to open (D12)',
    async (type) => {
      const client = await rawClient({ allowTcpForwarding: true, allowStreamLocalForwarding: true })
      await expect(client.open(type, new Uint8Array(0))).rejects.toMatchObject({ name: 'ChannelOpenError' })
      expect(client.server.isClosed).toBe(false)
    },
  )

  test('may ask ever so often, and leaves nothing behind (D6)', async () => {
    const client = await rawClient()
    for (let round = 0; round < 20; round++) {
      const outcomes = await Promise.allSettled(Array.from({ length: 200 }, (_, n) => client.openTcp('host', n + 1)))
      for (const outcome of outcomes)
        expect(outcome).toMatchObject({ reason: { reasonCode: administrativelyProhibited } })
    }
    expect(client.server.peer.mux.channelCount).toBe(0)
  })

  test('has as many connections as it may, pending ones included, and again one when one has ended', async () => {
    const there = await target(echo)
    let answer: ((value: boolean) => void) | undefined
    const client = await rawClient({
      allowTcpForwarding: true,
      maxTunnels: 2,
      callbacks: { unixConnectionRequested: () => new Promise((resolve) => (answer = resolve)) },
    })
    const pending = client.openUnix('/slow')
    const open = await client.openTcp('127.0.0.1', there.port)
    const shortage = refusedWith(resourceShortage, 'too many forwarded connections')
    for (let n = 0; n < 50; n++) {
      await expect(client.openTcp('127.0.0.1', there.port)).rejects.toMatchObject(shortage)
    }
    await vi.waitFor(() => expect(there.sockets).toHaveLength(1))
    answer?.(false)
    await expect(pending).rejects.toMatchObject({ reasonCode: administrativelyProhibited })
    const next = await client.openTcp('127.0.0.1', there.port)
    await expect(client.openTcp('127.0.0.1', there.port)).rejects.toMatchObject(shortage)
    new Collector(open)
    open.close()
    await vi.waitFor(async () => void (await client.openTcp('127.0.0.1', there.port)))
    expect(next.isClosed).toBe(false)
  })

  test('gets no more connections by handlers that never end', async () => {
    const client = await rawClient({
      maxTunnels: 1,
      callbacks: { connectionRequested: () => () => new Promise(() => {}) },
    })
    const channel = await client.openTcp('a', 1)
    await expect(client.openTcp('a', 1)).rejects.toMatchObject({ reasonCode: resourceShortage })
    new Collector(channel)
    channel.close()
    await vi.waitFor(async () => void (await client.openTcp('a', 1)))
  })
})

describe('a program that does not read, among others that do (D15)', () => {
  test('stops its own connection, which holds no more than the window; the others flow', async () => {
    const stalled = await target((socket) => socket.pause())
    const flowing = await target(echo)
    const client = await rawClient({ allowTcpForwarding: true })
    const first = await client.openTcp('127.0.0.1', stalled.port)
    const others = await Promise.all(Array.from({ length: 20 }, () => client.openTcp('127.0.0.1', flowing.port)))
    const chunk = new Uint8Array(256 * 1024)
    first.attach({ onDrain: () => void write() })
    let written = 0
    const write = (): void => {
      while (written < 256 << 20) {
        written += chunk.length
        if (!first.write(chunk.slice())) return
      }
    }
    write()
    const bytes = pattern(1 << 20)
    const collectors = others.map((channel) => {
      channel.write(bytes.slice())
      channel.end()
      return new Collector(channel)
    })
    await vi.waitFor(() => expect(collectors.map(({ events }) => events.at(-1))).toEqual(others.map(() => 'close')))
    for (const collector of collectors) expect(Buffer.compare(collector.bytes, bytes)).toBe(0)
    // What the sockets of the system hold, the window, and our own buffer; far from what was to be sent.
    expect(written).toBeLessThan(32 << 20)
  })
})
