/** Our client forwards through OpenSSH's and Dropbear's servers: each kind, both ways, and what they refuse. */

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, statSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { ChannelListenError, ChannelOpenError, type Listener, type SshClientConnection } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  canServeDropbear,
  connectTo,
  type ForeignServer,
  freePort,
  isRoot,
  lacks,
  mustRun,
  runProgram,
  startDropbear,
  startSshd,
  temporaryFolder,
} from '../src/index.js'

const MiB = 1 << 20
const sent = randomBytes(6 * MiB)
const answered = randomBytes(5 * MiB)
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Everything up to the end of the other side; ours stays as it is. */
function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.once('end', () => resolve(Buffer.concat(chunks)))
    stream.once('error', reject)
  })
}

/** Gives its answer at once, and behind it, once the other side has ended, the hash of what that said. */
function answer(socket: Duplex): void {
  socket.on('error', () => {})
  socket.write(answered)
  readAll(socket).then(
    (received) => socket.end(hash(received)),
    () => {},
  )
}

/** Sends everything, ends, and checks what comes after that: only a tunnel that passes ends alone lets it come. */
async function expectAnswer(stream: Duplex): Promise<void> {
  stream.end(sent)
  const received = await readAll(stream)
  expect(received.length).toBe(answered.length + 64)
  expect(hash(received.subarray(0, answered.length))).toBe(hash(answered))
  expect(String(received.subarray(answered.length))).toBe(hash(sent))
}

async function listening(server: Server, where: number | string): Promise<number> {
  if (typeof where === 'number') server.listen(where, '127.0.0.1')
  else server.listen(where)
  await once(server, 'listening')
  // The server under test is another user.
  if (typeof where === 'string') chmodSync(where, 0o777)
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A server of ours that answers, on a free port or a path; gone with the file. */
async function answering(where: number | string = 0): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, answer)
  closings.push(() => server.close())
  return await listening(server, where)
}

const closings: (() => unknown)[] = []
afterAll(() => {
  for (const close of closings) close()
})

/** A program's connection to a listener of ours, or to a port or path. */
async function program(where: Pick<Listener, 'port' | 'path'>): Promise<Socket> {
  const { port, path } = where
  const place = path === undefined ? { host: '127.0.0.1', port } : { path }
  const socket = connect({ ...place, allowHalfOpen: true })
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

const hasCurl = await runProgram(['curl', '--version']).then(
  ({ status }) => status === 0,
  () => false,
)

describe.skipIf(lacks('sshd', 'ssh-keygen'))('through sshd', () => {
  let server: ForeignServer
  let conn: SshClientConnection
  let port: number
  let path: string
  let number = 0
  const newPath = () => join(server.folder, `socket${number++}`)
  beforeAll(async () => {
    server = await startSshd()
    conn = await connectTo(server)
    port = await answering()
    path = join(server.folder, 'answer')
    await answering(path)
  })
  afterAll(async () => {
    await conn?.close()
    await server?.stop()
  })

  test('one connection reaches a port, and one a path: megabytes both ways, ends one by one', async () => {
    await expectAnswer(await conn.openConnection('127.0.0.1', port))
    await expectAnswer(await conn.openConnection('localhost', port, { originHost: '192.0.2.1', originPort: 4711 }))
    await expectAnswer(await conn.openUnixConnection(path))
  })

  test('what sshd cannot reach is an error with its reason', async () => {
    const unused = await freePort()
    await expect(conn.openConnection('127.0.0.1', unused)).rejects.toMatchObject({
      name: 'ChannelOpenError',
      reasonCode: 2,
      message: expect.stringMatching(/refused/i),
    })
    await expect(conn.openConnection('no-such-host.invalid', 80)).rejects.toBeInstanceOf(ChannelOpenError)
    await expect(conn.openUnixConnection(join(server.folder, 'none'))).rejects.toBeInstanceOf(ChannelOpenError)
  })

  test('what listens here is carried to a port or a path there', async () => {
    using folder = temporaryFolder()
    const [one, two] = [join(folder.path, 'one'), join(folder.path, 'two')]
    const listeners = [
      await conn.forwardLocalPort('127.0.0.1', 0, '127.0.0.1', port),
      await conn.forwardLocalPortToPath('127.0.0.1', 0, path),
      await conn.forwardLocalPath(one, path),
      await conn.forwardLocalPathToPort(two, '127.0.0.1', port),
    ]
    expect(listeners.map((listener) => listener.port > 0)).toEqual([true, true, false, false])
    await Promise.all(listeners.map(async (listener) => expectAnswer(await program(listener))))
    expect(statSync(one).mode & 0o777).toBe(0o600)
    await Promise.all(listeners.map((listener) => listener.close()))
    expect(statSync(one, { throwIfNoEntry: false })).toBeUndefined()
  })

  test('localhost is both families on one port', async () => {
    await using listener = await conn.forwardLocalPort('localhost', 0, '127.0.0.1', port)
    const families = listener.addresses.map(({ address }) => address)
    expect(families[0]).toBe('127.0.0.1')
    for (const host of families) {
      const socket = connect({ host, port: listener.port, allowHalfOpen: true })
      onTestFinished(() => void socket.destroy())
      await expectAnswer(socket)
    }
  })

  test('what sshd listens on is carried to a port or a path here', async () => {
    using folder = temporaryFolder()
    const local = join(folder.path, 'socket')
    await answering(local)
    const [three, four] = [newPath(), newPath()]
    const listeners = [
      await conn.forwardRemotePort('127.0.0.1', 0, '127.0.0.1', port),
      await conn.forwardRemotePort('LocalHost', 0, '127.0.0.1', port),
      await conn.forwardRemotePortToPath('', 0, local),
      await conn.forwardRemotePath(three, local),
      await conn.forwardRemotePathToPort(four, '127.0.0.1', port),
    ]
    expect(new Set(listeners.map((listener) => listener.port)).size).toBe(4)
    expect(listeners.map((listener) => listener.path)).toEqual([undefined, undefined, undefined, three, four])
    if (isRoot()) await Promise.all(listeners.map(async (listener) => expectAnswer(await program(listener))))
    else for (const listener of listeners.slice(0, 3)) await expectAnswer(await program(listener))
    await Promise.all(listeners.map((listener) => listener.close()))
    for (const listener of listeners.slice(0, 3)) {
      await expect(program(listener)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    }
  })

  test('a handler in this process takes what comes to a port or a path of sshd', async () => {
    const infos: unknown[] = []
    const handler = (stream: Duplex, info: unknown) => {
      infos.push(info)
      answer(stream)
    }
    await using onPort = await conn.startServer(handler, 'localhost', 0)
    const socket = await program(onPort)
    const { localPort } = socket
    await expectAnswer(socket)
    const { port: listenPort } = onPort
    const origin = { originHost: '127.0.0.1', originPort: localPort }
    expect(infos).toEqual([{ listenHost: 'localhost', listenPort, ...origin }])
    const listenPath = newPath()
    await using onPath = await conn.startUnixServer(handler, listenPath)
    await expectAnswer(await program(onPath))
    expect(infos[1]).toEqual({ listenPath })
  })

  test('a port that is taken, and one for root alone, are refused', async () => {
    await using listener = await conn.startServer(() => {}, '127.0.0.1', 0)
    await using other = await connectTo(server)
    const refused = other.startServer(() => {}, '127.0.0.1', listener.port)
    await expect(refused).rejects.toMatchObject({
      name: 'ChannelListenError',
      message: expect.stringContaining(`127.0.0.1 port ${listener.port}`),
    })
    if (isRoot()) await expect(other.startServer(() => {}, '127.0.0.1', 1)).rejects.toBeInstanceOf(ChannelListenError)
    // A path that is there already, unless sshd may unlink it.
    await expect(other.startUnixServer(() => {}, path)).rejects.toBeInstanceOf(ChannelListenError)
  })

  test('a listener that is closed leaves its tunnels alone, and its port is free again', async () => {
    const accepted: Duplex[] = []
    const listener = await conn.startServer((stream) => void accepted.push(stream), '127.0.0.1', 0)
    const socket = await program(listener)
    socket.write('x')
    while (accepted.length === 0) await new Promise((resolve) => setImmediate(resolve))
    await listener.close()
    const [stream] = accepted
    if (stream === undefined) return
    expect(String((await once(stream, 'data'))[0])).toBe('x')
    stream.end('still open')
    expect(String(await readAll(socket))).toBe('still open')
    await using again = await conn.startServer(() => {}, '127.0.0.1', listener.port)
    expect(again.port).toBe(listener.port)
  })

  test('a hundred tunnels at once carry what they are given', async () => {
    const body = randomBytes(200_000)
    const http = createHttpServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => response.end(`${request.url} ${hash(Buffer.concat(chunks))}`))
    })
    const httpPort = await listening(http, 0)
    onTestFinished(() => void http.close())
    await using listener = await conn.forwardLocalPort('127.0.0.1', 0, '127.0.0.1', httpPort)
    const replies = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const url = `http://127.0.0.1:${listener.port}/${index}`
        const response = await fetch(url, { method: 'POST', body, headers: { connection: 'close' } })
        return await response.text()
      }),
    )
    expect(replies).toEqual(replies.map((_, index) => `/${index} ${hash(body)}`))
    while (listener.connections > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  test('everything ends with the connection', async () => {
    const other = await connectTo(server)
    const accepted: Duplex[] = []
    const local = await other.forwardLocalPort('127.0.0.1', 0, '127.0.0.1', port)
    const remote = await other.startServer((stream) => void accepted.push(stream), '127.0.0.1', 0)
    const tunnel = await other.openConnection('127.0.0.1', port)
    const [here, there] = [await program(local), await program(remote)]
    // Both tunnels are open: what answers has answered, and what accepts has accepted.
    await once(here, 'data')
    while (accepted.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const [stream] = accepted
    if (stream === undefined) return
    const closed = [tunnel, stream].map(
      (each) => new Promise((resolve) => each.on('error', () => {}).once('close', resolve)),
    )
    const ended = [here, there].map(
      (socket) => new Promise((resolve) => socket.resume().once('end', resolve).once('close', resolve)),
    )
    await other.close()
    await Promise.all([local.closed, remote.closed, ...closed, ...ended])
    await expect(program(local)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await expect(other.openConnection('127.0.0.1', port)).rejects.toMatchObject({ code: 'ERR_SSH_CONNECTION_CLOSED' })
  })

  describe.skipIf(!hasCurl)('curl by SOCKS', () => {
    let socks: Listener
    let httpPort: number
    let url: string
    const http = createHttpServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => response.end(hash(Buffer.concat(chunks))))
    })
    beforeAll(async () => {
      httpPort = await listening(http, 0)
      url = `http://localhost:${httpPort}/`
      socks = await conn.forwardSocks('127.0.0.1', 0)
    })
    afterAll(() => void http.close())

    test.each([
      ['--socks5-hostname', 'localhost'],
      ['--socks4a', 'localhost'],
      ['--socks5', '127.0.0.1'],
      ['--socks4', '127.0.0.1'],
    ])('with %s', async (option, host) => {
      const said = await mustRun(
        ['curl', '-sS', option, `127.0.0.1:${socks.port}`, '--data-binary', '@-', url.replace('localhost', host)],
        { input: sent },
      )
      expect(said).toBe(hash(sent))
    })

    test.each(['--socks5-hostname', '--socks4a'])('with %s is told what sshd cannot reach', async (option) => {
      const unused = await freePort()
      const { status, stderr } = await runProgram([
        'curl',
        ...['-sS', option, `127.0.0.1:${socks.port}`, `http://127.0.0.1:${unused}/`],
      ])
      expect(status).not.toBe(0)
      expect(stderr).toMatch(/SOCKS|complete/i)
    })
  })
})

describe.skipIf(lacks('sshd', 'ssh-keygen'))('an sshd that forbids', () => {
  test('forwarding refuses everything, and the connection lives', async () => {
    await using server = await startSshd({ config: { AllowTcpForwarding: 'no', AllowStreamLocalForwarding: 'no' } })
    await using conn = await connectTo(server)
    await expect(conn.openConnection('127.0.0.1', 22)).rejects.toMatchObject({ reasonCode: 1 })
    await expect(conn.openUnixConnection('/run/none')).rejects.toBeInstanceOf(ChannelOpenError)
    await expect(conn.startServer(() => {}, '', 0)).rejects.toMatchObject({
      name: 'ChannelListenError',
      message: expect.stringContaining('AllowTcpForwarding'),
    })
    await expect(conn.startUnixServer(() => {}, join(server.folder, 'a'))).rejects.toBeInstanceOf(ChannelListenError)
    const errors: Error[] = []
    await using listener = await conn.forwardLocalPort('127.0.0.1', 0, '127.0.0.1', 22, {
      onError: (error) => void errors.push(error),
    })
    expect(await readAll(await program(listener))).toHaveLength(0)
    expect(errors).toMatchObject([{ name: 'ChannelOpenError', reasonCode: 1 }])
    expect((await conn.run('echo alive')).stdout).toBe('alive\n')
  })

  test('all but one destination and one port to listen on lets these through', async () => {
    const [port, listenPort] = [await answering(), await freePort()]
    const config = { PermitOpen: `127.0.0.1:${port}`, PermitListen: `localhost:${listenPort}` }
    await using server = await startSshd({ config })
    await using conn = await connectTo(server)
    await expectAnswer(await conn.openConnection('127.0.0.1', port))
    await expect(conn.openConnection('127.0.0.1', port === 65535 ? 1 : port + 1)).rejects.toMatchObject({
      reasonCode: 1,
    })
    await using listener = await conn.forwardRemotePort('localhost', listenPort, '127.0.0.1', port)
    await expectAnswer(await program(listener))
    await expect(conn.startServer(() => {}, 'localhost', 0)).rejects.toBeInstanceOf(ChannelListenError)
  })

  test('other addresses than its own loopback listens there alone, and the port still leads here', async () => {
    await using server = await startSshd({ config: { GatewayPorts: 'no' } })
    await using conn = await connectTo(server)
    for (const host of ['', '0.0.0.0', 'localhost', '127.0.0.1']) {
      await using listener = await conn.startServer(answer, host, 0)
      await expectAnswer(await program(listener))
    }
  })
})

describe.skipIf(lacks('dropbear') || !canServeDropbear())('through Dropbear', () => {
  test('ports are forwarded both ways', async () => {
    await using server = await startDropbear()
    await using conn = await connectTo(server)
    const port = await answering()
    await expectAnswer(await conn.openConnection('127.0.0.1', port))
    await using local = await conn.forwardLocalPort('127.0.0.1', 0, '127.0.0.1', port)
    await expectAnswer(await program(local))
    await using remote = await conn.forwardRemotePort('localhost', 0, '127.0.0.1', port)
    expect(remote.port).toBeGreaterThan(0)
    await expectAnswer(await program(remote))
    await expect(conn.openConnection('127.0.0.1', await freePort())).rejects.toBeInstanceOf(ChannelOpenError)
  })

  test('that forbids forwarding refuses it', async () => {
    await using server = await startDropbear(['-j', '-k'])
    await using conn = await connectTo(server)
    await expect(conn.openConnection('127.0.0.1', 22)).rejects.toBeInstanceOf(ChannelOpenError)
    await expect(conn.startServer(() => {}, 'localhost', 0)).rejects.toBeInstanceOf(ChannelListenError)
    expect((await conn.run('echo alive')).stdout).toBe('alive\n')
  })
})
