import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { channelTypes, openFailureReasons } from '@ssh/wire'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Channel } from '../../src/connection/channel.js'
import type { ChannelOpenRequest } from '../../src/connection/channel-open.js'
import { ChannelOpenError } from '../../src/errors.js'
import {
  type ForwardingPair,
  forwardingPair,
  program,
  readAll,
  socketFolder,
  until,
} from '../forwarding/forwarding-pair.js'
import { Collector, pattern } from '../mux-pair.js'

const MiB = 1024 * 1024

/** What the server was asked to open, and what it does about it: by default it accepts and echoes. */
function answering(pair: ForwardingPair, answer: (request: ChannelOpenRequest) => void = echo): ChannelOpenRequest[] {
  const asked: ChannelOpenRequest[] = []
  for (const type of ['direct-tcpip', 'direct-streamlocal@openssh.com']) {
    pair.server.incoming.onChannel(type, (request) => {
      asked.push(request)
      answer(request)
    })
  }
  return asked
}

function echo(request: ChannelOpenRequest): void {
  const channel = request.accept()
  channel.attach({
    onData(chunk) {
      channel.write(Uint8Array.from(chunk))
      channel.release(chunk.length)
    },
    onEnd: () => channel.end(),
  })
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe('one connection from the server', () => {
  test('to a port says where it goes and where it comes from, and is a stream both ways', async () => {
    const pair = forwardingPair()
    const asked = answering(pair)
    const stream = await pair.forwarding.openConnection('example.org', 80, { originHost: '192.0.2.1', originPort: 77 })
    expect(channelTypes.decode('direct-tcpip', asked[0]?.typeData ?? new Uint8Array(0))).toEqual({
      hostToConnect: 'example.org',
      portToConnect: 80,
      originatorAddress: '192.0.2.1',
      originatorPort: 77,
    })
    const bytes = pattern(3 * MiB)
    stream.end(bytes)
    expect(sha256(await readAll(stream))).toBe(sha256(bytes))
  })

  test('to a path has its two reserved fields empty (trap 39)', async () => {
    const pair = forwardingPair()
    const asked = answering(pair)
    const stream = await pair.forwarding.openUnixConnection('/run/some.sock')
    expect(channelTypes.decode('direct-streamlocal@openssh.com', asked[0]?.typeData ?? new Uint8Array(0))).toEqual({
      socketPath: '/run/some.sock',
      reservedString: expect.objectContaining({ length: 0 }),
      reservedUint32: 0,
    })
    stream.end('hello')
    expect(String(await readAll(stream))).toBe('hello')
  })

  test("keeps what arrives at once for the channel's later consumer", async () => {
    const pair = forwardingPair()
    answering(pair, (request) => {
      const channel = request.accept()
      channel.write(pattern(10))
      channel.close()
    })
    const channel = await pair.forwarding.openTcpChannel('a', 1)
    await until(() => channel.isClosed)
    const collector = new Collector(channel)
    expect([collector.length, collector.events.at(-1)]).toEqual([10, 'close'])
  })

  test("that is refused says why, the server's words made safe", async () => {
    const pair = forwardingPair()
    answering(pair, (request) => request.reject(openFailureReasons.connectFailed, 'no\u001b[31m way'))
    await expect(pair.forwarding.openConnection('a', 1)).rejects.toMatchObject({
      name: 'ChannelOpenError',
      reasonCode: 2,
      message: expect.stringContaining('no\\x1b[31m way'),
    })
  })

  test('that is given up is closed when it opens all the same', async () => {
    const pair = forwardingPair()
    const asked = answering(pair, () => {})
    const aborting = new AbortController()
    const opening = pair.forwarding.openConnection('a', 1, { signal: aborting.signal })
    await until(() => asked.length > 0)
    aborting.abort()
    await expect(opening).rejects.toMatchObject({ code: 'ABORT_ERR' })
    const channel = asked[0]?.accept()
    await until(() => channel?.isClosed === true && pair.client.mux.channelCount === 0)
  })

  test.each<[string, (pair: ForwardingPair) => Promise<unknown>]>([
    ['a port over 65535', ({ forwarding }) => forwarding.openConnection('a', 65536)],
    ['port 0', ({ forwarding }) => forwarding.openConnection('a', 0)],
    ['no host', ({ forwarding }) => forwarding.openConnection('', 1)],
    ['a host with a line break', ({ forwarding }) => forwarding.openConnection('a\nb', 1)],
    ['a path with a zero', ({ forwarding }) => forwarding.openUnixConnection('/a\0b')],
    ['an unknown option', ({ forwarding }) => forwarding.openConnection('a', 1, { signl: 1 } as never)],
    ['a port to listen on over 65535', ({ forwarding }) => forwarding.forwardLocalPort('', 65536, 'a', 1)],
    ['a handler that is none', ({ forwarding }) => forwarding.startServer(1 as never, '', 0)],
  ])('with %s is refused before anything is sent (D14)', async (_name, call) => {
    const pair = forwardingPair()
    const asked = answering(pair)
    await expect(call(pair)).rejects.toMatchObject({ name: 'OptionsError' })
    expect(asked).toEqual([])
  })

  test('ends with the connection, and none is opened after it', async () => {
    const pair = forwardingPair()
    answering(pair)
    const stream = await pair.forwarding.openConnection('a', 1)
    const failed = once(stream, 'error')
    pair.end()
    expect((await failed)[0]).toMatchObject({ code: 'ERR_SSH_CONNECTION_CLOSED' })
    await expect(pair.forwarding.openConnection('a', 1)).rejects.toMatchObject({ code: 'ERR_SSH_CONNECTION_CLOSED' })
    await expect(pair.forwarding.forwardLocalPort('', 0, 'a', 1)).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECTION_CLOSED',
    })
  })
})

describe('a port of this machine', () => {
  test('is carried to a port of the server: bytes, ends, and who asks', async () => {
    const pair = forwardingPair()
    const asked = answering(pair)
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'db.internal', 5432)
    const socket = await program(listener)
    const { localPort } = socket
    const bytes = pattern(2 * MiB)
    socket.end(bytes)
    expect(sha256(await readAll(socket))).toBe(sha256(bytes))
    expect(channelTypes.decode('direct-tcpip', asked[0]?.typeData ?? new Uint8Array(0))).toEqual({
      hostToConnect: 'db.internal',
      portToConnect: 5432,
      originatorAddress: '127.0.0.1',
      originatorPort: localPort,
    })
    await until(() => listener.connections === 0)
    await until(() => pair.client.mux.channelCount === 0)
    expect(listener.addresses).toEqual([{ address: '127.0.0.1', port: listener.port }])
  })

  test('lets the server end first, and the program answer after that (R5)', async () => {
    const pair = forwardingPair()
    let remote: Collector | undefined
    answering(pair, (request) => {
      const channel = request.accept()
      remote = new Collector(channel)
      channel.write(pattern(5))
      channel.end()
    })
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1)
    const socket = await program(listener)
    expect(await readAll(socket)).toHaveLength(5)
    socket.end('and I say')
    await until(() => remote?.events.at(-1) === 'close')
    expect(String(remote?.bytes)).toBe('and I say')
  })

  test("resets the program's connection as well as the channel when either breaks (R5)", async () => {
    const pair = forwardingPair()
    const channels: Channel[] = []
    answering(pair, (request) => {
      const channel = request.accept()
      channels.push(channel)
      channel.write(pattern(1))
    })
    const errors: Error[] = []
    const onError = (error: Error) => void errors.push(error)
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1, { onError })
    const resetting = await program(listener)
    await once(resetting, 'data')
    resetting.resetAndDestroy()
    const collector = new Collector(channels[0] ?? expect.fail())
    await until(() => collector.events.at(-1) === 'close')
    await until(() => listener.connections === 0)
    expect(errors).toMatchObject([{ code: 'ECONNRESET' }])

    const socket = await program(listener)
    await once(socket, 'data')
    channels[1]?.abort()
    await once(socket, 'end')
    await until(() => listener.connections === 0)
    expect(errors).toHaveLength(1)
  })

  test('closes the channel that opens for a program that left meanwhile (trap 38)', async () => {
    const pair = forwardingPair()
    const asked = answering(pair, () => {})
    const errors: Error[] = []
    const onError = (error: Error) => void errors.push(error)
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1, { onError })
    const socket = await program(listener)
    await until(() => asked.length === 1)
    socket.resetAndDestroy()
    await until(() => listener.connections === 0)
    const channel = asked[0]?.accept()
    await until(() => channel?.isClosed === true)
    await until(() => pair.client.mux.channelCount === 0)
    expect(errors).toEqual([])
  })

  test('drops a program whose channel the server refuses, tells why, and goes on', async () => {
    const pair = forwardingPair()
    let isRefusing = true
    answering(pair, (request) => (isRefusing ? request.reject(1, 'not today') : echo(request)))
    const errors: Error[] = []
    const onError = (error: Error) => {
      errors.push(error)
      throw new Error('a listener that throws')
    }
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1, { onError })
    expect(await readAll(await program(listener))).toHaveLength(0)
    expect(errors).toMatchObject([{ name: 'ChannelOpenError', reasonCode: 1 }])
    expect(pair.logged).toMatchObject([{ event: 'connection-failed' }, { event: 'callback-failed' }])
    isRefusing = false
    const socket = await program(listener)
    socket.end('again')
    expect(String(await readAll(socket))).toBe('again')
  })

  test('asks whom to take, and takes no refusal for a failure', async () => {
    const pair = forwardingPair()
    const asked = answering(pair)
    const errors: Error[] = []
    const answers = [
      () => false,
      () => Promise.resolve(false),
      () => {
        throw new ChannelOpenError(1, 'not you')
      },
      () => {
        throw new Error('bug')
      },
      () => 'yes' as never,
      () => true,
    ]
    const origins: unknown[] = []
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1, {
      accept: (origin) => {
        origins.push(origin)
        return (answers.shift() ?? expect.fail())()
      },
      onError: (error) => void errors.push(error),
    })
    for (let count = 0; count < 5; count++) {
      const socket = await program(listener)
      const { localPort } = socket
      expect(await readAll(socket)).toHaveLength(0)
      expect(origins.at(-1)).toEqual({ originHost: '127.0.0.1', originPort: localPort })
    }
    expect([asked.length, errors.map(({ message }) => message)]).toEqual([0, ['bug']])
    const socket = await program(listener)
    socket.end('hello')
    expect(String(await readAll(socket))).toBe('hello')
  })

  test('stops accepting when closed and leaves open tunnels alone', async () => {
    const pair = forwardingPair()
    answering(pair)
    await using listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1)
    const { port } = listener
    const socket = await program(listener)
    socket.write('before')
    await once(socket, 'data')
    expect(listener.connections).toBe(1)
    await listener.close()
    await listener.closed
    await expect(program({ port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect([listener.connections, listener.isClosed]).toEqual([1, true])
    socket.end('after')
    expect(String(await readAll(socket))).toBe('after')
    await until(() => listener.connections === 0)
  })

  test('closes when its signal aborts, and is not opened when that was aborted before', async () => {
    const pair = forwardingPair()
    answering(pair)
    const aborting = new AbortController()
    const { signal } = aborting
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1, { signal })
    aborting.abort()
    await listener.closed
    await expect(pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1, { signal })).rejects.toMatchObject({
      code: 'ABORT_ERR',
    })
  })

  test('ends with the connection: listener, tunnels, and what is still being opened', async () => {
    const pair = forwardingPair()
    let isEchoing = true
    const asked = answering(pair, (request) => {
      if (isEchoing) echo(request)
    })
    const errors: Error[] = []
    const onError = (error: Error) => void errors.push(error)
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1, { onError })
    const open = await program(listener)
    open.write('x')
    await once(open, 'data')
    isEchoing = false
    const opening = await program(listener)
    await until(() => asked.length === 2)
    // Reset: what they got is not all there was.
    const broken = Promise.all([once(open.resume(), 'error'), once(opening.resume(), 'error')])
    pair.end()
    await expect(broken).resolves.toMatchObject([[{ code: 'ECONNRESET' }], [{ code: 'ECONNRESET' }]])
    await listener.closed
    await until(() => listener.connections === 0)
    expect(errors).toEqual([])
  })

  test('lets others flow while one program does not read, and holds no more than its window (D15)', async () => {
    const pair = forwardingPair()
    const channels: Channel[] = []
    answering(pair, (request) => {
      const channel = request.accept()
      channels.push(channel)
      new Collector(channel)
    })
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1)
    const stalled = await program(listener)
    stalled.pause()
    await until(() => channels.length === 1)
    const block = pattern(MiB)
    for (let count = 0; count < 64; count++) channels[0]?.write(block)
    const others = await Promise.all(Array.from({ length: 99 }, () => program(listener)))
    await until(() => channels.length === 100)
    for (const channel of channels.slice(1)) {
      channel.write(pattern(64 * 1024))
      channel.close()
    }
    const received = await Promise.all(others.map(readAll))
    expect(received.every(({ length }) => length === 64 * 1024)).toBe(true)
    // What left the server is a window, and what the kernel's socket buffers took.
    const left = 64 * MiB - (channels[0]?.bufferedBytes ?? 0)
    expect(left).toBeLessThan(16 * MiB)
    stalled.destroy()
    for (const socket of others) socket.destroy()
  })
})

describe('a tunnel of a port of this machine', () => {
  test('is counted no longer than it is there, whatever became of the decision about it', async () => {
    const pair = forwardingPair()
    answering(pair)
    let asked = 0
    const accept = () => {
      asked++
      return new Promise<boolean>(() => {})
    }
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1, { accept })
    const left = await program(listener)
    await until(() => asked === 1)
    expect(listener.connections).toBe(1)
    left.resetAndDestroy()
    await until(() => listener.connections === 0)
    await program(listener)
    await until(() => asked === 2)
    pair.end()
    await until(() => listener.connections === 0)
  })

  test("fails although whoever is told of it fails, too: that is nobody's unhandled rejection", async () => {
    const pair = forwardingPair()
    answering(pair, (request) => request.reject(openFailureReasons.connectFailed, 'no'))
    const onError = async () => {
      throw new Error('the reporter is broken')
    }
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1, { onError })
    await readAll(await program(listener))
    await until(() => pair.logged.some(({ event, callback }) => event === 'callback-failed' && callback === 'onError'))
  })

  test('may lead to an IPv6 address in brackets, and come from nowhere', async () => {
    const pair = forwardingPair()
    const asked = answering(pair)
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, '[2001:db8::1]', 1)
    await program(listener)
    await until(() => asked.length === 1)
    await pair.forwarding.openTcpChannel('[::1]', 2, { originHost: '' })
    const said = asked.map(({ typeData }) => channelTypes.decode('direct-tcpip', typeData))
    expect(said).toMatchObject([
      { hostToConnect: '2001:db8::1', originatorAddress: '127.0.0.1' },
      { hostToConnect: '::1', originatorAddress: '127.0.0.1' },
    ])
  })
})

describe('whether the process stays alive', () => {
  const servers = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length

  test('is for the listener to say, or for its connection', async () => {
    // A server that is closed, or could not listen, takes a turn to be gone.
    await until(() => servers() === 0)
    const pair = forwardingPair()
    const listener = await pair.forwarding.forwardLocalPort('127.0.0.1', 0, 'a', 1)
    expect(servers()).toBe(1)
    expect(listener.unref()).toBe(listener)
    expect(servers()).toBe(0)
    listener.ref()
    expect(servers()).toBe(1)
    pair.forwarding.keepProcessAlive(false)
    await pair.forwarding.forwardSocks('localhost', 0)
    await until(() => servers() === 0)
    pair.forwarding.keepProcessAlive(true)
    expect(servers()).toBeGreaterThan(1)
  })
})

describe.skipIf(process.platform === 'win32')('a path of this machine', () => {
  test.each(['path', 'port'] as const)('is carried to a %s of the server', async (target) => {
    const pair = forwardingPair()
    const asked = answering(pair)
    const path = join(socketFolder(), 'socket')
    const listener =
      target === 'path'
        ? await pair.forwarding.forwardLocalPath(path, '/run/there')
        : await pair.forwarding.forwardLocalPathToPort(path, 'there', 80, { mode: 0o660 })
    expect(statSync(path).mode & 0o777).toBe(target === 'path' ? 0o600 : 0o660)
    expect([listener.path, listener.port]).toEqual([path, 0])
    const socket = await program(listener)
    socket.end('hello')
    expect(String(await readAll(socket))).toBe('hello')
    const typeData = asked[0]?.typeData ?? new Uint8Array(0)
    if (target === 'path') {
      expect(channelTypes.decode('direct-streamlocal@openssh.com', typeData).socketPath).toBe('/run/there')
    } else {
      expect(channelTypes.decode('direct-tcpip', typeData)).toMatchObject({ hostToConnect: 'there', portToConnect: 80 })
    }
    await listener.close()
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined()
  })

  test('delivers what closed in order although the connection ends before its program has read it', async () => {
    const pair = forwardingPair()
    const channels: Channel[] = []
    answering(pair, (request) => void channels.push(request.accept()))
    const path = join(socketFolder(), 'socket')
    const socket = await program(await pair.forwarding.forwardLocalPath(path, '/run/there'))
    await until(() => channels.length === 1)
    // Less than the window, so that it leaves the server; more than the kernel holds, so that it waits in this process.
    const bytes = pattern(1.5 * MiB)
    channels[0]?.write(bytes)
    channels[0]?.close()
    await until(() => channels[0]?.isClosed === true)
    pair.end()
    expect(sha256(await readAll(socket))).toBe(sha256(bytes))
  })

  test('is where a port of this machine can lead', async () => {
    const pair = forwardingPair()
    const asked = answering(pair)
    const listener = await pair.forwarding.forwardLocalPortToPath('127.0.0.1', 0, '/run/there')
    const socket = await program(listener)
    socket.end('hello')
    expect(String(await readAll(socket))).toBe('hello')
    expect(asked[0]?.channelType).toBe('direct-streamlocal@openssh.com')
  })
})

describe('a SOCKS proxy of this machine', () => {
  const connectTo = (host: string, port: number) =>
    Uint8Array.from([5, 1, 0, 5, 1, 0, 3, host.length, ...Buffer.from(host), port >> 8, port & 255])

  test('connects where a program asks, says so once that is open, and carries what came with the request', async () => {
    const pair = forwardingPair()
    const asked = answering(pair, () => {})
    const infos: unknown[] = []
    const accept = (info: unknown) => infos.push(info) > 0
    const listener = await pair.forwarding.forwardSocks('127.0.0.1', 0, { accept })
    const socket = await program(listener)
    socket.write(connectTo('example.org', 443))
    socket.end('payload')
    await until(() => asked.length === 1)
    const received: Buffer[] = []
    socket.on('data', (chunk: Buffer) => received.push(chunk))
    await until(() => Buffer.concat(received).length === 2)
    expect([...Buffer.concat(received)]).toEqual([5, 0])
    const [request] = asked
    expect(channelTypes.decode('direct-tcpip', request?.typeData ?? new Uint8Array(0))).toEqual({
      hostToConnect: 'example.org',
      portToConnect: 443,
      originatorAddress: '127.0.0.1',
      originatorPort: socket.localPort,
    })
    expect(infos).toEqual([
      { originHost: '127.0.0.1', originPort: socket.localPort, destHost: 'example.org', destPort: 443 },
    ])
    if (request !== undefined) echo(request)
    await once(socket, 'end')
    expect(Buffer.concat(received).subarray(2)).toEqual(
      Buffer.concat([Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]), Buffer.from('payload')]),
    )
  })

  test.each<[string, number, number]>([
    ['prohibits it', openFailureReasons.administrativelyProhibited, 2],
    ['cannot connect', openFailureReasons.connectFailed, 5],
    ['has no room', openFailureReasons.resourceShortage, 1],
  ])('says in SOCKS that the server %s', async (_name, reason, code) => {
    const pair = forwardingPair()
    answering(pair, (request) => request.reject(reason, 'no'))
    const listener = await pair.forwarding.forwardSocks('127.0.0.1', 0)
    const socket = await program(listener)
    socket.write(connectTo('example.org', 443))
    expect([...(await readAll(socket))]).toEqual([5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0])
    const old = await program(listener)
    old.write(Uint8Array.from([4, 1, 1, 187, 192, 0, 2, 1, 0]))
    expect([...(await readAll(old))]).toEqual([0, 0x5b, 0, 0, 0, 0, 0, 0])
  })

  test('refuses whom it is told to refuse, with the reason given', async () => {
    const pair = forwardingPair()
    const asked = answering(pair)
    const errors: Error[] = []
    const listener = await pair.forwarding.forwardSocks('127.0.0.1', 0, {
      accept: ({ destPort }) => {
        if (destPort === 25) throw new ChannelOpenError(openFailureReasons.connectFailed, 'no mail')
        return false
      },
      onError: (error) => void errors.push(error),
    })
    for (const [port, code] of [
      [25, 5],
      [26, 2],
    ] as const) {
      const socket = await program(listener)
      socket.write(connectTo('example.org', port))
      expect((await readAll(socket))[3]).toBe(code)
    }
    expect([asked, errors]).toEqual([[], []])
  })

  test('drops what speaks no SOCKS, and what leaves too early, and tells of both', async () => {
    const pair = forwardingPair()
    const errors: Error[] = []
    const listener = await pair.forwarding.forwardSocks('127.0.0.1', 0, { onError: (error) => void errors.push(error) })
    const http = await program(listener)
    http.write('GET / HTTP/1.1\r\n\r\n')
    expect(await readAll(http)).toHaveLength(0)
    const early = await program(listener)
    early.end(Uint8Array.of(5, 1))
    expect(await readAll(early)).toHaveLength(0)
    await until(() => errors.length === 2)
    expect(errors).toMatchObject([{ code: 'ERR_SSH_SOCKS_REFUSED' }, { code: 'ERR_SSH_SOCKS_REFUSED' }])
    expect(listener.connections).toBe(0)
  })

  test('drops who takes too long to ask, and tells of it', async () => {
    const pair = forwardingPair()
    const asked = answering(pair)
    const errors: Error[] = []
    const listener = await pair.forwarding.forwardSocks('127.0.0.1', 0, {
      requestTimeout: 20,
      onError: (error) => void errors.push(error),
    })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const silent = await program(listener)
    const slow = await program(listener)
    slow.write(Uint8Array.of(5, 1, 0))
    await once(slow, 'data')
    await until(() => listener.connections === 2)
    vi.advanceTimersByTime(20)
    expect(await Promise.all([readAll(silent), readAll(slow)])).toMatchObject([{ length: 0 }, { length: 0 }])
    await until(() => errors.length === 2)
    expect(errors[0]).toMatchObject({ code: 'ERR_SSH_SOCKS_REFUSED', message: expect.stringContaining('20 ms') })
    expect([asked, listener.connections]).toEqual([[], 0])
  })
})
