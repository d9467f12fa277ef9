import dns from 'node:dns/promises'
import { once } from 'node:events'
import { lstatSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, Server, type Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { connectStream } from '../../src/io/connect-stream.js'
import { type ListenPath, type ListenPort, StreamListener } from '../../src/io/stream-listener.js'

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))

async function listening(where: ListenPort | ListenPath) {
  const sockets: Socket[] = []
  const errors: Error[] = []
  const listener = await StreamListener.open(where, {
    onConnection: (socket) => void sockets.push(socket.on('error', () => {})),
    onError: (error) => void errors.push(error),
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  return { listener, sockets, errors }
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'ssh-listen-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

async function connected(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  return new Promise((resolve) => {
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** A socket file that nobody listens on. */
async function staleSocket(path: string): Promise<void> {
  const server = createServer()
  server.listen(path)
  await once(server, 'listening')
  // Closing removes the file; what a process leaves that was killed is a hard link to it under its old name.
  const { linkSync, renameSync } = await import('node:fs')
  linkSync(path, `${path}.kept`)
  await new Promise((resolve) => server.close(resolve))
  renameSync(`${path}.kept`, path)
}

describe('listening on a port', () => {
  test('takes a free one for 0 and tells which, and where', async () => {
    const { listener, sockets } = await listening({ host: '127.0.0.1', port: 0 })
    expect(listener.port).toBeGreaterThan(0)
    expect(listener.addresses).toEqual([{ address: '127.0.0.1', port: listener.port }])
    expect(await connected('127.0.0.1', listener.port)).toBe(true)
    await vi.waitFor(() => expect(sockets).toHaveLength(1))
    expect(sockets[0]?.allowHalfOpen).toBe(true)
  })

  test.runIf(hasIpv6)('of localhost is both loopback addresses on one port, and no other', async () => {
    const { listener } = await listening({ host: 'LocalHost', port: 0 })
    const { port } = listener
    expect(listener.addresses).toEqual([
      { address: '127.0.0.1', port },
      { address: '::1', port },
    ])
    expect([await connected('127.0.0.1', port), await connected('::1', port)]).toEqual([true, true])
    expect(await connected('127.0.0.2', port)).toBe(false)
  })

  test.runIf(hasIpv6)('of every address is every address of both families, "::" of one alone', async () => {
    for (const host of ['', '*']) {
      const { port } = (await listening({ host, port: 0 })).listener
      expect([await connected('127.0.0.1', port), await connected('::1', port)]).toEqual([true, true])
    }
    const { port } = (await listening({ host: '::', port: 0 })).listener
    expect([await connected('127.0.0.1', port), await connected('::1', port)]).toEqual([false, true])
  })

  test("that somebody has, or of an address that is not ours, fails with the system's word for it", async () => {
    const { listener } = await listening({ host: '127.0.0.1', port: 0 })
    await expect(listening({ host: '127.0.0.1', port: listener.port })).rejects.toMatchObject({
      name: 'ConnectError',
      code: 'ERR_SSH_CONNECT_LISTEN_FAILED',
      message: expect.stringContaining('EADDRINUSE'),
      cause: { code: 'EADDRINUSE' },
    })
    await expect(listening({ host: '192.0.2.1', port: 0 })).rejects.toMatchObject({ cause: { code: 'EADDRNOTAVAIL' } })
  })

  test.runIf(hasIpv6)('leaves nothing open when one of two addresses is taken', async () => {
    const { listener } = await listening({ host: '::1', port: 0 })
    await expect(listening({ host: 'localhost', port: listener.port })).rejects.toMatchObject({
      cause: { code: 'EADDRINUSE' },
    })
    expect(await connected('127.0.0.1', listener.port)).toBe(false)
  })

  test('stops at once when closed, and leaves connections alone', async () => {
    const { listener, sockets } = await listening({ host: '127.0.0.1', port: 0 })
    const { port } = listener
    const client = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    onTestFinished(() => void client.destroy())
    await once(client, 'connect')
    while (sockets.length === 0) await new Promise((resolve) => setImmediate(resolve))
    listener.close()
    expect(await connected('127.0.0.1', port)).toBe(false)
    sockets[0]?.write('still here')
    expect(String((await once(client, 'data'))[0])).toBe('still here')
  })

  test('that is aborted leaves nothing open', async () => {
    const opening = StreamListener.open(
      { host: '127.0.0.1', port: 0 },
      { onConnection: () => {}, onError: () => {} },
      AbortSignal.abort(),
    )
    await expect(opening).rejects.toMatchObject({ code: 'ABORT_ERR' })
  })
})

test('what is listened on belongs to this process, not to all workers of its cluster', async () => {
  const listen = vi.spyOn(Server.prototype, 'listen')
  onTestFinished(() => listen.mockRestore())
  await listening({ host: 'localhost', port: 0 })
  if (process.platform !== 'win32') await listening({ path: join(folder(), 'socket') })
  expect(listen.mock.calls.length).toBeGreaterThan(0)
  for (const [options] of listen.mock.calls) expect(options).toMatchObject({ exclusive: true })
})

test('giving up does not wait for the address of a name', async () => {
  const lookup = vi.spyOn(dns, 'lookup').mockReturnValue(new Promise<never>(() => {}))
  onTestFinished(() => lookup.mockRestore())
  const aborting = new AbortController()
  const handlers = { onConnection: () => {}, onError: () => {} }
  const opening = StreamListener.open({ host: 'a.name', port: 0 }, handlers, aborting.signal)
  aborting.abort()
  await expect(opening).rejects.toMatchObject({ code: 'ABORT_ERR' })
})

describe.skipIf(process.platform === 'win32')('listening on a path', () => {
  test.each([
    [undefined, 0o600],
    [0o660, 0o660],
  ])('with mode %s lets in whom that says, whatever the mask of the process (D14)', async (mode, expected) => {
    const before = process.umask(0)
    onTestFinished(() => void process.umask(before))
    const path = join(folder(), 'socket')
    const { listener, sockets } = await listening({ path, mode })
    expect(statSync(path).mode & 0o777).toBe(expected)
    expect(process.umask()).toBe(0)
    expect([listener.path, listener.port, listener.addresses]).toEqual([path, 0, []])
    const socket = await connectStream({ path })
    socket.destroy()
    while (sockets.length === 0) await new Promise((resolve) => setImmediate(resolve))
    listener.close()
    expect(lstatSync(path, { throwIfNoEntry: false })).toBeUndefined()
  })

  test('removes a socket that nobody listens on, if told to', async () => {
    const path = join(folder(), 'socket')
    await staleSocket(path)
    await expect(listening({ path })).rejects.toMatchObject({ cause: { code: 'EADDRINUSE' } })
    const { listener } = await listening({ path, unlink: true })
    expect(listener.path).toBe(path)
  })

  test('never removes what is no socket, nor a socket in use', async () => {
    const inFolder = folder()
    const file = join(inFolder, 'file')
    writeFileSync(file, 'precious')
    await expect(listening({ path: file, unlink: true })).rejects.toMatchObject({ cause: { code: 'EADDRINUSE' } })
    expect(statSync(file).size).toBe(8)
    const used = join(inFolder, 'used')
    await listening({ path: used })
    await expect(listening({ path: used, unlink: true })).rejects.toMatchObject({ cause: { code: 'EADDRINUSE' } })
    ;(await connectStream({ path: used })).destroy()
  })

  test.each([
    ['a zero byte', '/tmp/a\0b'],
    ['nothing in it', ''],
    ['more bytes than a socket may have', `/tmp/${'x'.repeat(120)}`],
  ])('with %s fails, here and when connecting (D14)', async (_name, path) => {
    await expect(listening({ path })).rejects.toMatchObject({ code: 'ERR_SSH_CONNECT_LISTEN_FAILED' })
    await expect(connectStream({ path })).rejects.toMatchObject({ code: 'ERR_SSH_CONNECT_FAILED' })
  })
})

describe('connecting to where forwarding delivers', () => {
  test('gives a socket that can be half-open', async () => {
    const { listener } = await listening({ host: '127.0.0.1', port: 0 })
    const socket = await connectStream({ host: '127.0.0.1', port: listener.port })
    onTestFinished(() => void socket.destroy())
    expect(socket.allowHalfOpen).toBe(true)
  })

  test("fails with the system's word for it", async () => {
    const { listener } = await listening({ host: '127.0.0.1', port: 0 })
    const { port } = listener
    listener.close()
    await expect(connectStream({ host: '127.0.0.1', port })).rejects.toMatchObject({
      name: 'ConnectError',
      code: 'ERR_SSH_CONNECT_FAILED',
      details: { systemCode: 'ECONNREFUSED' },
    })
    await expect(connectStream({ path: join(folder(), 'none') })).rejects.toMatchObject({
      details: { systemCode: 'ENOENT' },
    })
  })

  test('can be given up, before and meanwhile', async () => {
    const target = { host: '127.0.0.1', port: 9 }
    await expect(connectStream(target, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORT_ERR' })
    const aborting = new AbortController()
    const opening = connectStream(target, aborting.signal)
    aborting.abort()
    await expect(opening).rejects.toMatchObject({ code: 'ABORT_ERR' })
  })
})
