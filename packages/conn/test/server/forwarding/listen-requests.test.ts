import { once } from 'node:events'
import { existsSync, linkSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { channelTypes, globalRequests, openFailureReasons } from '@ssh/wire'
import { describe, expect, test, vi } from 'vitest'
import type { Channel } from '../../../src/connection/channel.js'
import { Listener } from '../../../src/forwarding/listener.js'
import type { ServerCallbacks } from '../../../src/server/server-callbacks.js'
import { streamPair } from '../../loopback.js'
import { Collector, pattern } from '../../mux-pair.js'
import { connectTo, echo, folder, type RawClient, rawClient, readAll, target } from './raw-client.js'

/** Gives what comes on channels back, and keeps what was said of them. */
function echoing(client: RawClient) {
  const opened: { readonly type: string; readonly said: object }[] = []
  client.acceptingForwarded((channel, { channelType, typeData }) => {
    const type = channelType as 'forwarded-tcpip'
    opened.push({ type, said: channelTypes.decode(type, typeData) })
    channel.attach({
      onData: (chunk) => {
        channel.write(chunk)
        channel.release(chunk.length)
      },
      onEnd: () => channel.end(),
    })
  })
  return opened
}

async function refusesConnections(port: number): Promise<void> {
  await expect(connectTo(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
}

/** Answers with a port that the client chose, or one that is free. */
async function listening(client: RawClient, host = 'localhost', port = 0): Promise<number> {
  const bound = await client.listen(host, port)
  if (bound === false) throw new Error('The server refused to listen')
  return bound
}

describe('a port that this process listens on', () => {
  test('brings the client what connects to it: a free port, in the reply, and who it was', async () => {
    const client = await rawClient({ allowTcpForwarding: 'remote' })
    const opened = echoing(client)
    const port = await listening(client, 'LocalHost')
    expect(port).toBeGreaterThan(0)
    const socket = await connectTo(port)
    const { localPort } = socket
    const bytes = pattern(3 << 20)
    const all = readAll(socket)
    socket.end(bytes.slice())
    expect(Buffer.compare(await all, bytes)).toBe(0)
    expect(opened).toEqual([
      {
        type: 'forwarded-tcpip',
        // The name as the client wrote it, by which it knows its own request; the real port.
        said: {
          connectedAddress: 'LocalHost',
          connectedPort: port,
          originatorAddress: '127.0.0.1',
          originatorPort: localPort,
        },
      },
    ])
  })

  test('is the one that the client asked for, and then the reply says none', async () => {
    const free = await listening(await rawClient({ allowTcpForwarding: true }))
    // Taken while the other connection has it, and both families of the loopback are listened on.
    const client = await rawClient({ allowTcpForwarding: true })
    expect(await client.listen('localhost', free)).toBe(false)
    const port = await listening(client)
    expect(await client.cancel('localhost', port)).toBe(true)
    const data = globalRequests.encode('tcpip-forward', { bindAddress: 'localhost', bindPort: port })
    expect(await client.request('tcpip-forward', data)).toEqual({
      outcome: 'success',
      data: expect.toSatisfy((d) => d.length === 0),
    })
  })

  test('goes on in one direction after the other one ended', async () => {
    const client = await rawClient({ allowTcpForwarding: true })
    let channel: Channel | undefined
    client.acceptingForwarded((each) => (channel = each))
    const socket = await connectTo(await listening(client))
    await vi.waitFor(() => expect(channel).toBeDefined())
    channel?.write(Buffer.from('all I have to say'))
    channel?.end()
    expect((await readAll(socket)).toString()).toBe('all I have to say')
    const collector = new Collector(channel as Channel)
    socket.write('and I')
    socket.end(' go on')
    await vi.waitFor(() => expect(collector.events.at(-1)).toBe('close'))
    expect(collector.bytes.toString()).toBe('and I go on')
  })

  test('closes when it is cancelled, by any spelling of its name; what is open stays', async () => {
    const client = await rawClient({ allowTcpForwarding: true })
    echoing(client)
    const port = await listening(client, 'localhost')
    const socket = await connectTo(port)
    socket.write('before')
    await once(socket, 'data')
    expect(await client.cancel('LOCALHOST', port)).toBe(true)
    await refusesConnections(port)
    socket.write('after')
    expect(String((await once(socket, 'data'))[0])).toBe('after')
    expect(await client.cancel('localhost', port)).toBe(false)
    expect(await client.listen('localhost', port)).toBe(port)
  })

  test('closes with the connection, and so does what is open', async () => {
    const client = await rawClient({ allowTcpForwarding: true })
    echoing(client)
    const port = await listening(client)
    const socket = await connectTo(port)
    socket.write('before')
    await once(socket, 'data')
    // Reset: what it got is not all there was.
    const broken = once(socket, 'error')
    await client.link.close()
    await expect(broken).resolves.toMatchObject([{ code: 'ECONNRESET' }])
    await refusesConnections(port)
  })

  test('drops who connects when the client does not want the channel', async () => {
    const client = await rawClient({ allowTcpForwarding: true })
    client.notingForwarded()
    const port = await listening(client)
    const socket = await connectTo(port)
    await vi.waitFor(() => expect(client.wanted).toHaveLength(1))
    client.wanted[0]?.reject(openFailureReasons.connectFailed, 'nobody home')
    await once(socket.resume(), 'end')
    expect(client.server.isClosed).toBe(false)
  })

  test('gives up a channel whose program has gone before the client answered (trap 38)', async () => {
    const client = await rawClient({ allowTcpForwarding: true })
    client.notingForwarded()
    const socket = await connectTo(await listening(client))
    await vi.waitFor(() => expect(client.wanted).toHaveLength(1))
    socket.resetAndDestroy()
    await once(socket, 'close')
    // A turn for the server to see it.
    await vi.waitFor(() => expect(client.wanted[0]?.isPending).toBe(true))
    const channel = client.wanted[0]?.accept()
    new Collector(channel as Channel)
    await vi.waitFor(() => expect(channel?.isClosed).toBe(true))
    expect(client.server.peer.mux.channelCount).toBe(0)
  })

  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address

  test.skipIf(outside === undefined)(
    'is on the loopback only, whatever the client asks, unless gatewayPorts',
    async () => {
      for (const host of ['', '*', '0.0.0.0', '::', outside as string]) {
        const client = await rawClient({ allowTcpForwarding: true })
        const port = await listening(client, host)
        expect(await canConnect(outside as string, port)).toBe(false)
        expect(await canConnect('127.0.0.1', port)).toBe(true)
      }
      const any = await rawClient({ allowTcpForwarding: true, gatewayPorts: true })
      expect(await canConnect(outside as string, await listening(any, 'localhost'))).toBe(true)
      const chosen = await rawClient({ allowTcpForwarding: true, gatewayPorts: 'clientspecified' })
      expect(await canConnect(outside as string, await listening(chosen, 'localhost'))).toBe(false)
      expect(await canConnect(outside as string, await listening(chosen, '0.0.0.0'))).toBe(true)
    },
  )
})

async function canConnect(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  const outcome = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'error').then(() => false),
  ]).catch(() => false)
  socket.destroy()
  return outcome
}

describe('a Unix socket that this process listens on', () => {
  test('brings the client what connects to it, is for this user alone, and goes away', async () => {
    const client = await rawClient({ allowStreamLocalForwarding: 'remote' })
    const opened = echoing(client)
    const path = join(folder(), 'socket')
    expect(await client.listenUnix(path)).toBe(true)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const socket = await connectTo(path)
    socket.end('hello')
    expect((await readAll(socket)).toString()).toBe('hello')
    expect(opened).toMatchObject([{ type: 'forwarded-streamlocal@openssh.com', said: { socketPath: path } }])
    expect(await client.listenUnix(path)).toBe(false)
    expect(await client.cancelUnix(path)).toBe(true)
    await vi.waitFor(() => expect(existsSync(path)).toBe(false))
    expect(await client.cancelUnix(path)).toBe(false)
    expect(await client.listenUnix(path)).toBe(true)
    await client.link.close()
    await vi.waitFor(() => expect(existsSync(path)).toBe(false))
  })

  test('has the mode that streamLocalBindMask leaves', async () => {
    const client = await rawClient({ allowStreamLocalForwarding: true, streamLocalBindMask: 0o117 })
    const path = join(folder(), 'socket')
    expect(await client.listenUnix(path)).toBe(true)
    expect(statSync(path).mode & 0o777).toBe(0o660)
  })

  test('does not take the place of a file, nor of a socket that somebody listens on', async () => {
    const [file, live] = [join(folder(), 'file'), join(folder(), 'live')]
    writeFileSync(file, 'precious')
    await target(echo, live)
    for (const streamLocalBindUnlink of [false, true]) {
      const client = await rawClient({ allowStreamLocalForwarding: true, streamLocalBindUnlink })
      expect(await client.listenUnix(file)).toBe(false)
      expect(await client.listenUnix(live)).toBe(false)
    }
    expect(statSync(file).size).toBe(8)
    await connectTo(live)
  })

  test('takes the place of a socket that is left over only with streamLocalBindUnlink', async () => {
    const here = folder()
    const [live, stale] = [join(here, 'live'), join(here, 'stale')]
    const program = createServer().listen(live)
    await once(program, 'listening')
    // The name that it does not know of stays when it closes, as after a crash.
    linkSync(live, stale)
    program.close()
    await once(program, 'close')
    expect(await (await rawClient({ allowStreamLocalForwarding: true })).listenUnix(stale)).toBe(false)
    const client = await rawClient({ allowStreamLocalForwarding: true, streamLocalBindUnlink: true })
    expect(await client.listenUnix(stale)).toBe(true)
    await connectTo(stale)
  })

  test.each(['', 'relative', '../x', '/run/../x', '/a\0b', '\0abstract'])('is not at %j (D14)', async (path) => {
    const client = await rawClient({ allowStreamLocalForwarding: true })
    expect(await client.listenUnix(path)).toBe(false)
    expect(client.server.isClosed).toBe(false)
  })
})

describe('the builder', () => {
  test('is told where, in lower case', async () => {
    const serverRequested = vi.fn(() => false)
    const unixServerRequested = vi.fn(() => false)
    const client = await rawClient({ callbacks: { serverRequested, unixServerRequested } })
    expect(await client.listen('Inside.Example', 0)).toBe(false)
    expect(serverRequested).toHaveBeenCalledWith('inside.example', 0)
    expect(await client.listenUnix('/Run/X')).toBe(false)
    expect(unixServerRequested).toHaveBeenCalledWith('/Run/X')
  })

  const answers: readonly (readonly [string, () => unknown])[] = [
    ['undefined', () => undefined],
    ['1', () => 1],
    ['"yes"', () => 'yes'],
    ['an object', () => ({ port: 80 })],
    ['a listener without a port', () => ({ close: () => {} })],
    [
      'an exception',
      () => {
        throw new Error('a bug')
      },
    ],
    ['a rejection', () => Promise.reject(new Error('a bug'))],
  ]
  test.each(answers)('refuses by %s', async (_, answer) => {
    const callbacks = { serverRequested: answer, unixServerRequested: answer } as ServerCallbacks
    const client = await rawClient({ allowTcpForwarding: true, allowStreamLocalForwarding: true, callbacks })
    expect(await client.listen('localhost', 0)).toBe(false)
    expect(await client.listenUnix(join(folder(), 'socket'))).toBe(false)
  })

  test('has this process listen although no option allows it, and is asked about each that connects', async () => {
    const infos: unknown[] = []
    const client = await rawClient({
      callbacks: {
        serverRequested: () => async (info) => {
          infos.push(info)
          return infos.length > 1
        },
      },
    })
    echoing(client)
    const port = await listening(client)
    const first = await connectTo(port)
    const originPort = first.localPort
    await once(first.resume(), 'end')
    const second = await connectTo(port)
    second.end('hello')
    expect((await readAll(second)).toString()).toBe('hello')
    const origin = { originHost: '127.0.0.1', originPort }
    expect(infos).toMatchObject([{ ...origin, listenHost: 'localhost', listenPort: port }, {}])
  })

  test('listens in its own way: the port is told, and the listener ends with the request or the connection', async () => {
    const stops: string[] = []
    const listener = (name: string, port: number) =>
      new Listener({
        addresses: [{ address: 'elsewhere', port }],
        connections: () => 0,
        stop: () => void stops.push(name),
      })
    const made = [listener('first', 4000), listener('second', 4001), listener('third', 4002)]
    const client = await rawClient({ callbacks: { serverRequested: async () => made.shift() ?? false } })
    const opened = echoing(client)
    const { connection } = client.server
    await expect(connection.openConnection('', 4000, '192.0.2.1', 1)).rejects.toMatchObject({
      name: 'ChannelOpenError',
    })
    expect(await client.listen('', 0)).toBe(4000)
    const stream = await connection.openConnection('', 4000, '192.0.2.1', 1)
    stream.end('from elsewhere')
    expect((await readAll(stream)).toString()).toBe('from elsewhere')
    const said = { connectedAddress: '', connectedPort: 4000, originatorAddress: '192.0.2.1', originatorPort: 1 }
    expect(opened).toEqual([{ type: 'forwarded-tcpip', said }])
    expect(await client.cancel('', 4000)).toBe(true)
    expect(stops).toEqual(['first'])
    await expect(connection.openConnection('', 4000, '192.0.2.1', 1)).rejects.toMatchObject({
      name: 'ChannelOpenError',
    })
    expect(await client.listen('', 4001)).toBe(4001)
    expect(await client.listen('', 0)).toBe(4002)
    await client.link.close()
    await vi.waitFor(() => expect(stops).toEqual(['first', 'second', 'third']))
    await expect(connection.openConnection('', 4001, '192.0.2.1', 1)).rejects.toThrow()
  })

  test('gives a Unix connection of its own to the client, unless that gives up or the signal does', async () => {
    const client = await rawClient({
      callbacks: {
        unixServerRequested: (path) => new Listener({ addresses: [], path, connections: () => 0, stop: () => {} }),
      },
    })
    client.notingForwarded()
    const { connection } = client.server
    expect(await client.listenUnix('/virtual')).toBe(true)
    const controller = new AbortController()
    const given = connection.openUnixConnection('/virtual', { signal: controller.signal })
    await vi.waitFor(() => expect(client.wanted).toHaveLength(1))
    controller.abort()
    await expect(given).rejects.toMatchObject({ code: 'ABORT_ERR' })
    await expect(connection.openUnixConnection('/virtual', { signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORT_ERR',
    })
    const other = connection.openUnixConnection('/virtual')
    await vi.waitFor(() => expect(client.wanted).toHaveLength(2))
    client.link.abort()
    await expect(other).rejects.toThrow()
  })

  test('whose listener closes by itself serves nobody any more', async () => {
    const listener = new Listener({ addresses: [{ address: '', port: 4000 }], connections: () => 0, stop: () => {} })
    const client = await rawClient({ callbacks: { serverRequested: () => listener } })
    expect(await client.listen('', 0)).toBe(4000)
    await listener.close()
    await expect(client.server.connection.openConnection('', 4000, '', 0)).rejects.toMatchObject({
      name: 'ChannelOpenError',
    })
    expect(await client.cancel('', 4000)).toBe(false)
  })

  test('who answers when the client has cancelled or is gone has what was made closed', async () => {
    const stops: number[] = []
    const answers: ((listener: Listener) => void)[] = []
    const listener = (port: number) =>
      new Listener({ addresses: [{ address: '', port }], connections: () => 0, stop: () => void stops.push(port) })
    const client = await rawClient({
      callbacks: { serverRequested: () => new Promise<Listener>((resolve) => void answers.push(resolve)) },
    })
    const first = client.listen('', 4000)
    const cancelled = client.cancel('', 4000)
    const second = client.listen('', 4001)
    await vi.waitFor(() => expect(answers).toHaveLength(2))
    answers[0]?.(listener(4000))
    expect(await first).toBe(false)
    expect(await cancelled).toBe(true)
    expect(stops).toEqual([4000])
    client.link.abort()
    await client.server.closed.catch(() => {})
    answers[1]?.(listener(4001))
    expect(await second).toBe(false)
    await vi.waitFor(() => expect(stops).toEqual([4000, 4001]))
  })

  test('takes it on through another connection', async () => {
    const signals: AbortSignal[] = []
    const stops: string[] = []
    let bring: ((stream: ReturnType<typeof streamPair>[0], info: object) => unknown) | undefined
    const onward = {
      startServer: async (handler: never, host: string, port: number, { signal }: { signal: AbortSignal }) => {
        bring = handler
        signals.push(signal)
        return new Listener({
          addresses: [{ address: host, port: port || 5000 }],
          connections: () => 0,
          stop: () => void stops.push(`${host}:${port}`),
        })
      },
      startUnixServer: async () => Promise.reject(new Error('not there')),
    }
    const client = await rawClient({
      callbacks: { serverRequested: () => onward as never, unixServerRequested: () => onward as never },
    })
    const opened = echoing(client)
    expect(await client.listen('inside', 0)).toBe(5000)
    expect(await client.listenUnix('/x')).toBe(false)
    const [near, far] = streamPair()
    bring?.(far, { listenHost: 'inside', listenPort: 5000, originHost: '192.0.2.1', originPort: 9 })
    near.end('through')
    expect((await readAll(near)).toString()).toBe('through')
    const said = { connectedAddress: 'inside', connectedPort: 5000, originatorAddress: '192.0.2.1', originatorPort: 9 }
    expect(opened).toEqual([{ type: 'forwarded-tcpip', said }])
    expect(await client.cancel('inside', 5000)).toBe(true)
    expect(stops).toEqual(['inside:0'])
    expect(signals[0]?.aborted).toBe(true)
  })
})

describe('a hostile client', () => {
  test.each(['localhost', '', '::'])('gets no port beyond 65535 at %j (D14)', async (host) => {
    const serverRequested = vi.fn(() => true)
    const client = await rawClient({ gatewayPorts: 'clientspecified', callbacks: { serverRequested } })
    for (const port of [65536, 70000, 0xffffffff]) expect(await client.listen(host, port)).toBe(false)
    expect(serverRequested).not.toHaveBeenCalled()
  })

  test('gets no port that it would not learn', async () => {
    const serverRequested = vi.fn(() => true)
    const client = await rawClient({ callbacks: { serverRequested } })
    const data = globalRequests.encode('tcpip-forward', { bindAddress: 'localhost', bindPort: 0 })
    client.link.peer.mux.globalRequest('tcpip-forward', data)
    // Requests are looked at in order: once this one is answered, that one was.
    expect(await client.cancel('localhost', 1)).toBe(false)
    expect(serverRequested).not.toHaveBeenCalled()
  })

  test.each([
    'tcpip-forward',
    'cancel-tcpip-forward',
    'streamlocal-forward@openssh.com',
    'cancel-streamlocal-forward@openssh.com',
  ])('that cuts %s short is disconnected', async (name) => {
    const client = await rawClient({ allowTcpForwarding: true, allowStreamLocalForwarding: true })
    expect(await client.request(name, Uint8Array.of(0, 0, 0, 9, 97))).toMatchObject({ outcome: 'closed' })
    await expect(client.server.closed).rejects.toMatchObject({ name: 'WireError' })
  })

  test('listens as often as it may, pending requests included', async () => {
    let answer: ((value: false) => void) | undefined
    const client = await rawClient({
      allowTcpForwarding: true,
      maxForwards: 2,
      callbacks: { unixServerRequested: () => new Promise<false>((resolve) => (answer = resolve)) },
    })
    const port = await listening(client)
    const pending = client.listenUnix('/slow')
    // Their replies stand behind the one that is pending.
    const refused = Array.from({ length: 500 }, () => client.listen('localhost', 0))
    await vi.waitFor(() => expect(answer).toBeDefined())
    answer?.(false)
    expect(await pending).toBe(false)
    expect(new Set(await Promise.all(refused))).toEqual(new Set([false]))
    await listening(client)
    expect(await client.listen('localhost', 0)).toBe(false)
    expect(await client.cancel('localhost', port)).toBe(true)
    await listening(client)
  })

  test('does not get the same place twice, also while the first request waits', async () => {
    let answer: ((value: true) => void) | undefined
    const client = await rawClient({
      callbacks: { serverRequested: () => new Promise<true>((resolve) => (answer = resolve)) },
    })
    const port = await listening(await rawClient({ allowTcpForwarding: true }))
    const first = client.listen('::1', port)
    const second = client.listen('::1', port)
    await vi.waitFor(() => expect(answer).toBeDefined())
    answer?.(true)
    await first
    expect(await second).toBe(false)
  })

  test('may cancel what it never asked for, ever so often', async () => {
    const client = await rawClient({ allowTcpForwarding: true, allowStreamLocalForwarding: true })
    const cancels = Array.from({ length: 500 }, (_, n) => client.cancel('localhost', n))
    expect(new Set(await Promise.all(cancels))).toEqual(new Set([false]))
    expect(await client.cancelUnix('/etc/passwd')).toBe(false)
  })

  test('that answers no channel holds as many as it may; more connections are dropped', async () => {
    const client = await rawClient({ allowTcpForwarding: true, maxTunnels: 2 })
    client.notingForwarded()
    const port = await listening(client)
    await Promise.all([connectTo(port), connectTo(port)])
    await vi.waitFor(() => expect(client.wanted).toHaveLength(2))
    const third = await connectTo(port)
    await once(third.resume(), 'end')
    expect(client.wanted).toHaveLength(2)
    await expect(client.server.connection.openConnection('localhost', port, '', 0)).rejects.toMatchObject({
      reasonCode: openFailureReasons.resourceShortage,
    })
  })

  test('that reads nothing stops the program that sends to it, and nobody else (D15)', async () => {
    const client = await rawClient({ allowTcpForwarding: true })
    const channels: Channel[] = []
    client.acceptingForwarded((channel) => void channels.push(channel))
    const port = await listening(client)
    const fast = await connectTo(port)
    await vi.waitFor(() => expect(channels).toHaveLength(1))
    let sent = 0
    const chunk = Buffer.alloc(256 * 1024)
    while (sent < 64 << 20 && fast.write(chunk)) sent += chunk.length
    fast.on('drain', () => {
      while (sent < 256 << 20 && fast.write(chunk)) sent += chunk.length
    })
    const other = await connectTo(port)
    await vi.waitFor(() => expect(channels).toHaveLength(2))
    const collector = new Collector(channels[1] as Channel)
    const bytes = pattern(4 << 20)
    other.end(bytes.slice())
    await vi.waitFor(() => expect(collector.length).toBe(bytes.length))
    expect(sent).toBeLessThan(32 << 20)
  })
})

describe('sessions', () => {
  test('are refused after the client said that it wants no more (OpenSSH PROTOCOL §2.2)', async () => {
    const client = await rawClient({
      allowTcpForwarding: true,
      callbacks: { sessionRequested: (request) => void request.accept({ onExec: () => true }) },
    })
    const there = await target(echo)
    const nothing = new Uint8Array(0)
    await client.open('session', nothing)
    expect(await client.request('no-more-sessions@openssh.com', nothing)).toMatchObject({ outcome: 'success' })
    await expect(client.open('session', nothing)).rejects.toMatchObject({
      details: { description: 'the client wanted no more sessions' },
    })
    await client.openTcp('127.0.0.1', there.port)
  })
})
