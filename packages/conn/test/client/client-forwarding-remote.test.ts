import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { channelTypes, globalRequests, openFailureReasons, tcpipForwardReply } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import type { Channel } from '../../src/connection/channel.js'
import { ChannelOpenError } from '../../src/errors.js'
import {
  type ForwardingPair,
  forwardingPair,
  readAll,
  socketFolder,
  targetServer,
  until,
} from '../forwarding/forwarding-pair.js'
import { Collector, pattern } from '../mux-pair.js'

const MiB = 1024 * 1024
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A server that grants everything, port 40001 for 0, and what it was asked. */
function granting(pair: ForwardingPair): string[] {
  const asked: string[] = []
  for (const name of globalRequests.names) {
    pair.server.incoming.onGlobalRequest(name, (request) => {
      asked.push(name)
      const isPort0 = name === 'tcpip-forward' && globalRequests.decode(name, request.data).bindPort === 0
      request.reply(true, isPort0 ? tcpipForwardReply.encode({ boundPort: 40001 }) : undefined)
    })
  }
  return asked
}

function open(pair: ForwardingPair, type: string, typeData: Uint8Array): Promise<Channel> {
  return new Promise((resolve, reject) => {
    pair.server.mux.openChannel(type, typeData, {}, { onOpen: resolve, onFailure: reject })
  })
}

/** Somebody connected to the port that the server listens on. */
function openPort(pair: ForwardingPair, connectedPort = 40001): Promise<Channel> {
  const origin = { originatorAddress: '192.0.2.1', originatorPort: 5000 }
  const typeData = { connectedAddress: 'localhost', connectedPort, ...origin }
  return open(pair, 'forwarded-tcpip', channelTypes.encode('forwarded-tcpip', typeData))
}

function openPath(pair: ForwardingPair, socketPath: string): Promise<Channel> {
  const type = 'forwarded-streamlocal@openssh.com'
  return open(pair, type, channelTypes.encode(type, { socketPath, reserved: new Uint8Array(0) }))
}

describe('a server in this process, on a port of the other side', () => {
  test('is handed each connection as a stream, and who it is', async () => {
    const pair = forwardingPair()
    granting(pair)
    const infos: unknown[] = []
    const listener = await pair.forwarding.startServer(
      (stream, info) => {
        infos.push(info)
        stream.pipe(stream)
      },
      'LocalHost',
      0,
    )
    expect([listener.port, listener.addresses]).toEqual([40001, [{ address: 'localhost', port: 40001 }]])
    const channel = await openPort(pair)
    const collector = new Collector(channel)
    const bytes = pattern(2 * MiB)
    channel.write(bytes)
    channel.end()
    await until(() => collector.events.at(-1) === 'close')
    expect(sha256(collector.bytes)).toBe(sha256(bytes))
    expect(infos).toEqual([{ listenHost: 'localhost', listenPort: 40001, originHost: '192.0.2.1', originPort: 5000 }])
    await until(() => listener.connections === 0)
  })

  test('may be a path', async () => {
    const pair = forwardingPair()
    const asked = granting(pair)
    const listener = await pair.forwarding.startUnixServer(
      (stream, info) => stream.end(info.listenPath),
      '/run/one.sock',
    )
    expect([listener.path, listener.port, listener.addresses]).toEqual(['/run/one.sock', 0, []])
    const collector = new Collector(await openPath(pair, '/run/one.sock'))
    await until(() => collector.events.includes('end'))
    expect(String(collector.bytes)).toBe('/run/one.sock')
    await listener.close()
    expect(asked).toEqual(['streamlocal-forward@openssh.com', 'cancel-streamlocal-forward@openssh.com'])
  })

  test('loses the connection whose handler fails, and that one only', async () => {
    const pair = forwardingPair()
    granting(pair)
    const handlers = [
      () => {
        throw new Error('at once')
      },
      async () => {
        await Promise.resolve()
        throw new Error('later')
      },
      (stream: Duplex) => stream.end('fine'),
    ]
    const errors: Error[] = []
    await pair.forwarding.startServer((stream) => (handlers.shift() ?? expect.fail())(stream), 'localhost', 0, {
      onError: (error) => void errors.push(error),
    })
    for (const word of ['', '', 'fine']) {
      const collector = new Collector(await openPort(pair))
      await until(() => collector.events.includes('end'))
      expect(String(collector.bytes)).toBe(word)
    }
    expect(errors.map(({ message }) => message)).toEqual(['at once', 'later'])
  })

  test('asks whom to take, and gives the reason it is told', async () => {
    const pair = forwardingPair()
    granting(pair)
    const errors: Error[] = []
    const infos: unknown[] = []
    const answers = [
      () => false,
      () => {
        throw new ChannelOpenError(openFailureReasons.resourceShortage, 'come back later')
      },
      async () => {
        throw new Error('bug')
      },
      async () => true,
    ]
    await pair.forwarding.startServer((stream) => stream.end('hello'), 'localhost', 0, {
      accept: (info) => {
        infos.push(info)
        return (answers.shift() ?? expect.fail())()
      },
      onError: (error) => void errors.push(error),
    })
    await expect(openPort(pair)).rejects.toMatchObject({ reasonCode: 1 })
    await expect(openPort(pair)).rejects.toMatchObject({
      reasonCode: 4,
      message: expect.stringContaining('come back later'),
    })
    // What went wrong here is nobody's business over there.
    await expect(openPort(pair)).rejects.toMatchObject({ reasonCode: 2, message: expect.not.stringContaining('bug') })
    expect(await openPort(pair)).toBeDefined()
    expect(errors.map(({ message }) => message)).toEqual(['bug'])
    expect(infos).toHaveLength(4)
  })

  test('stops when closed, leaves what is open alone, and can be started again', async () => {
    const pair = forwardingPair()
    const asked = granting(pair)
    const listener = await pair.forwarding.startServer((stream) => stream.pipe(stream), 'localhost', 8080)
    const channel = await openPort(pair, 8080)
    const collector = new Collector(channel)
    await listener.close()
    await listener.close()
    expect(asked).toEqual(['tcpip-forward', 'cancel-tcpip-forward'])
    await expect(openPort(pair, 8080)).rejects.toMatchObject({ reasonCode: 1 })
    expect(listener.connections).toBe(1)
    channel.write(pattern(3))
    channel.end()
    await until(() => collector.events.at(-1) === 'close')
    expect(collector.length).toBe(3)
    await until(() => listener.connections === 0)
    await using again = await pair.forwarding.startServer(() => {}, 'localhost', 8080)
    expect(again.port).toBe(8080)
  })

  test('ends with the connection', async () => {
    const pair = forwardingPair()
    granting(pair)
    const streams: Duplex[] = []
    const errors: Error[] = []
    const listener = await pair.forwarding.startServer((stream) => void streams.push(stream), 'localhost', 0, {
      onError: (error) => void errors.push(error),
    })
    await openPort(pair)
    await until(() => streams.length === 1)
    const failed = once(streams[0] ?? expect.fail(), 'error')
    pair.end()
    await failed
    await listener.closed
    await until(() => listener.connections === 0)
    expect(errors).toEqual([])
  })

  test('closes when its signal aborts', async () => {
    const pair = forwardingPair()
    const asked = granting(pair)
    const aborting = new AbortController()
    const { signal } = aborting
    const listener = await pair.forwarding.startServer(() => {}, 'localhost', 0, { signal })
    aborting.abort()
    await listener.closed
    expect(asked.at(-1)).toBe('cancel-tcpip-forward')
    await expect(pair.forwarding.startServer(() => {}, 'localhost', 0, { signal })).rejects.toMatchObject({
      code: 'ABORT_ERR',
    })
  })
})

describe('a port of the server', () => {
  test('is carried to a port that this machine reaches: bytes and ends, both ways (R5)', async () => {
    const pair = forwardingPair()
    granting(pair)
    const target = await targetServer((socket) => socket.pipe(socket))
    const listener = await pair.forwarding.forwardRemotePort('localhost', 0, '127.0.0.1', target.port)
    const channel = await openPort(pair)
    const collector = new Collector(channel)
    const bytes = pattern(2 * MiB)
    channel.write(bytes)
    channel.end()
    await until(() => collector.events.at(-1) === 'close')
    expect(sha256(collector.bytes)).toBe(sha256(bytes))
    await until(() => listener.connections === 0)
  })

  test('lets the target end first', async () => {
    const pair = forwardingPair()
    granting(pair)
    const received: Promise<Buffer>[] = []
    const target = await targetServer((socket) => {
      received.push(readAll(socket))
      socket.end('goodbye')
    })
    await pair.forwarding.forwardRemotePort('localhost', 0, '127.0.0.1', target.port)
    const channel = await openPort(pair)
    const collector = new Collector(channel)
    await until(() => collector.events.includes('end'))
    expect(String(collector.bytes)).toBe('goodbye')
    channel.write(Buffer.from('I was not done'))
    channel.end()
    expect(String(await received[0])).toBe('I was not done')
  })

  test('breaks off when the target does, and breaks the target off when the channel does', async () => {
    const pair = forwardingPair()
    granting(pair)
    const target = await targetServer(() => {})
    const errors: Error[] = []
    const onError = (error: Error) => void errors.push(error)
    const listener = await pair.forwarding.forwardRemotePort('localhost', 0, '127.0.0.1', target.port, { onError })
    const first = new Collector(await openPort(pair))
    await until(() => target.sockets.length === 1)
    target.sockets[0]?.resetAndDestroy()
    await until(() => first.events.at(-1) === 'close')
    expect(errors).toMatchObject([{ code: 'ECONNRESET' }])
    const second = await openPort(pair)
    await until(() => target.sockets.length === 2)
    second.abort()
    const socket = target.sockets[1] ?? expect.fail()
    await once(socket.resume(), 'end')
    await until(() => listener.connections === 0)
  })

  test('refuses with the reason what this machine cannot reach, and tells of it', async () => {
    const pair = forwardingPair()
    granting(pair)
    const target = await targetServer(() => {})
    const errors: Error[] = []
    const onError = (error: Error) => void errors.push(error)
    await pair.forwarding.forwardRemotePortToPath('localhost', 0, join(socketFolder(), 'none'), { onError })
    await expect(openPort(pair)).rejects.toMatchObject({
      reasonCode: openFailureReasons.connectFailed,
      message: expect.stringContaining('ENOENT'),
    })
    expect(errors).toMatchObject([{ code: 'ERR_SSH_CONNECT_FAILED' }])
    expect(target.sockets).toEqual([])
  })

  test.skipIf(process.platform === 'win32').each(['port', 'path'] as const)(
    'or a path of it is carried to a path of this machine, or to a port: %s',
    async (from) => {
      const pair = forwardingPair()
      granting(pair)
      const path = join(socketFolder(), 'target')
      const onPath = await targetServer((socket) => socket.end('by path'), path)
      const onPort = await targetServer((socket) => socket.end('by port'))
      const words: string[] = []
      const say = async (channel: Channel) => {
        const collector = new Collector(channel)
        await until(() => collector.events.includes('end'))
        words.push(String(collector.bytes))
      }
      if (from === 'port') {
        await pair.forwarding.forwardRemotePortToPath('localhost', 0, path)
        await say(await openPort(pair))
      } else {
        await pair.forwarding.forwardRemotePath('/run/a', path)
        await pair.forwarding.forwardRemotePathToPort('/run/b', '127.0.0.1', onPort.port)
        await say(await openPath(pair, '/run/a'))
        await say(await openPath(pair, '/run/b'))
      }
      expect(words).toEqual(from === 'port' ? ['by path'] : ['by path', 'by port'])
      expect(onPath.sockets).toHaveLength(1)
    },
  )

  test('does not keep a socket that connects after the connection ended', async () => {
    const pair = forwardingPair()
    granting(pair)
    const target = await targetServer(() => {})
    const listener = await pair.forwarding.forwardRemotePort('localhost', 0, '127.0.0.1', target.port)
    const opening = openPort(pair)
    await until(() => listener.connections === 1)
    pair.end()
    await expect(opening).rejects.toThrow()
    await until(() => listener.connections === 0)
    await until(() => target.sockets.every((socket) => socket.destroyed || socket.readableEnded))
  })

  test('one that does not read holds a window, and the others go on (D15)', async () => {
    const pair = forwardingPair()
    granting(pair)
    const target = await targetServer((socket) => {
      // The first one never reads.
      if (target.sockets.length > 1) socket.pipe(socket)
    })
    const listener = await pair.forwarding.forwardRemotePort('localhost', 0, '127.0.0.1', target.port)
    const stalled = await openPort(pair)
    await until(() => target.sockets.length === 1)
    const block = pattern(MiB)
    for (let count = 0; count < 64; count++) stalled.write(block)
    const others = await Promise.all(Array.from({ length: 99 }, () => openPort(pair)))
    const collectors = others.map((channel) => new Collector(channel))
    for (const channel of others) {
      channel.write(pattern(64 * 1024))
      channel.end()
    }
    await until(() => collectors.every(({ events }) => events.at(-1) === 'close'))
    expect(collectors.every(({ length }) => length === 64 * 1024)).toBe(true)
    // The greatest window, and what the system takes for the socket.
    expect(64 * MiB - stalled.bufferedBytes).toBeLessThan((32 + 16) * MiB)
    await until(() => listener.connections === 1)
  })
})

describe('a hostile server', () => {
  test('opens what was never asked for and gets nothing but a refusal (D12)', async () => {
    const pair = forwardingPair()
    granting(pair)
    await expect(openPort(pair, 22)).rejects.toMatchObject({ reasonCode: 1 })
    await expect(openPath(pair, '/run/agent')).rejects.toMatchObject({ reasonCode: 1 })
    const target = await targetServer(() => {})
    await pair.forwarding.forwardRemotePort('localhost', 8080, '127.0.0.1', target.port)
    await expect(openPort(pair, 22)).rejects.toMatchObject({ reasonCode: 1 })
    await expect(openPath(pair, '/run/agent')).rejects.toMatchObject({ reasonCode: 1 })
    expect(target.sockets).toEqual([])
  })

  const hasPaths = process.platform !== 'win32'
  test.runIf(hasPaths)('cannot fill the memory by channels that it closes while nobody reads them (D15)', async () => {
    const pair = forwardingPair()
    granting(pair)
    const path = join(socketFolder(), 'socket')
    const target = await targetServer((socket) => void socket.pause(), path)
    const listener = await pair.forwarding.forwardRemotePortToPath('localhost', 40001, path)
    // Each a window full, of which the kernel takes little.
    for (let count = 0; count < 60; count++) {
      const channel = await openPort(pair)
      channel.write(pattern(2 * MiB))
      channel.close()
      await until(() => channel.isClosed)
    }
    // Those that waited longest made room.
    await until(() => listener.connections < 30)
    expect(listener.connections).toBeGreaterThan(10)
    await until(() => {
      // Those that are accepted only now, too.
      for (const socket of target.sockets) socket.destroy()
      return listener.connections === 0
    })
  })

  test("cannot use up a tunnel's window with extended data (D9)", async () => {
    const pair = forwardingPair()
    granting(pair)
    const target = await targetServer((socket) => socket.pipe(socket))
    await pair.forwarding.forwardRemotePort('localhost', 0, '127.0.0.1', target.port)
    const channel = await openPort(pair)
    const collector = new Collector(channel)
    for (const type of [0, 1, 2, 0xffffffff]) channel.extendedData(type).write(pattern(4 * MiB))
    channel.write(pattern(100))
    channel.end()
    await until(() => collector.events.at(-1) === 'close')
    expect(collector.bytes).toEqual(Buffer.from(pattern(100)))
  })
})
