import { createHash } from 'node:crypto'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type DelayProxy, type DelayProxyOptions, delayProxy } from '../src/delay-proxy.js'
import { seededRandom } from '../src/seeded-random.js'

/** An echo server, and one proxy in front of it per test. */
let server: Server
let proxy: DelayProxy | undefined
const serverSockets = new Set<Socket>()

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true }, (socket) => {
    serverSockets.add(socket)
    socket.on('close', () => serverSockets.delete(socket)).on('error', () => {})
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  await proxy?.close()
  for (const socket of serverSockets) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

async function through(options: Omit<DelayProxyOptions, 'target'>): Promise<Socket> {
  const { port } = server.address() as { port: number }
  proxy = await delayProxy({ target: { port }, ...options })
  const socket = connect({ port: proxy.port, host: proxy.host, allowHalfOpen: true })
  await new Promise((resolve) => socket.once('connect', resolve))
  return socket
}

/** What came back until the end, and how it ended. */
async function collect(socket: Socket): Promise<{ bytes: Buffer; error: string | undefined }> {
  const chunks: Buffer[] = []
  let error: string | undefined
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', (fault: NodeJS.ErrnoException) => {
    error = fault.code
  })
  await new Promise((resolve) => socket.once('end', resolve).once('close', resolve))
  return { bytes: Buffer.concat(chunks), error }
}

const sent = Buffer.from(seededRandom('proxy').bytes(300_000))

describe('a healthy link', () => {
  test('passes every byte and each end on its own', async () => {
    const socket = await through({ roundTripMs: 4 })
    socket.end(sent)
    const { bytes, error } = await collect(socket)
    expect(error).toBeUndefined()
    expect(bytes.equals(sent)).toBe(true)
    expect(proxy?.passed).toEqual({ up: sent.length, down: sent.length })
    expect(proxy?.connectionCount).toBe(1)
  })

  test('adds the round trip time', async () => {
    const socket = await through({ roundTripMs: 60 })
    const start = performance.now()
    socket.write('x')
    await new Promise((resolve) => socket.once('data', resolve))
    expect(performance.now() - start).toBeGreaterThanOrEqual(59)
    socket.destroy()
  })

  test('keeps to the rate limit', async () => {
    const socket = await through({ bytesPerSecond: 3_000_000 })
    const start = performance.now()
    socket.end(sent)
    await collect(socket)
    expect(performance.now() - start).toBeGreaterThanOrEqual(95)
  })

  test('stops a sender whose bytes queue before the rate limit', async () => {
    const socket = await through({ bytesPerSecond: 1000, queueBytes: 10_000 })
    const kernelBuffers = 64 * 1024 * 1024
    let accepted = 0
    while (socket.write(Buffer.alloc(64 * 1024)) && accepted < kernelBuffers) {
      accepted += 64 * 1024
      await new Promise(setImmediate)
    }
    expect(accepted).toBeLessThan(kernelBuffers)
    socket.destroy()
  })
})

describe('a broken link', () => {
  const atByte = 123_456

  test('cut: both ends see an end after exactly that many bytes', async () => {
    const socket = await through({ roundTripMs: 2, fault: { direction: 'down', atByte, action: 'cut' } })
    socket.write(sent)
    const { bytes } = await collect(socket)
    expect(bytes.equals(sent.subarray(0, atByte))).toBe(true)
  })

  test('reset: the socket fails with ECONNRESET', async () => {
    const socket = await through({ fault: { direction: 'up', atByte, action: 'reset' } })
    socket.write(sent)
    const { error } = await collect(socket)
    expect(error).toBe('ECONNRESET')
  })

  test('flip: one byte is inverted, the rest is intact', async () => {
    const socket = await through({ fault: { direction: 'up', atByte, action: 'flip' } })
    socket.end(sent)
    const { bytes } = await collect(socket)
    const expected = Buffer.from(sent)
    expected[atByte] = (expected[atByte] ?? 0) ^ 0xff
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(createHash('sha256').update(expected).digest('hex'))
  })

  test('halfClose: one direction ends, the other goes on', async () => {
    const socket = await through({ fault: { direction: 'up', atByte: 5, action: 'halfClose' } })
    socket.write('hello world')
    const { bytes } = await collect(socket)
    expect(bytes.toString()).toBe('hello')
    expect(socket.writable).toBe(true)
    socket.destroy()
  })

  test('stall: nothing more comes, and nothing closes', async () => {
    const socket = await through({ fault: { direction: 'down', atByte: 5, action: 'stall' } })
    let received = ''
    let closed = false
    socket.on('data', (chunk) => (received += chunk)).on('close', () => (closed = true))
    socket.write('hello world')
    while (received.length < 5) await new Promise(setImmediate)
    for (let turns = 0; turns < 200; turns++) await new Promise(setImmediate)
    expect([received, closed]).toEqual(['hello', false])
    socket.destroy()
  })

  test('the fault may differ from connection to connection', async () => {
    const first = await through({
      fault: (index) => (index === 0 ? { direction: 'up', atByte: 0, action: 'cut' } : undefined),
    })
    first.write('x')
    expect((await collect(first)).bytes.length).toBe(0)
    const second = connect({ port: proxy?.port ?? 0, allowHalfOpen: true })
    second.end('fine')
    expect((await collect(second)).bytes.toString()).toBe('fine')
  })

  test('disturb breaks what is open now', async () => {
    const socket = await through({})
    socket.write('x')
    await new Promise((resolve) => socket.once('data', resolve))
    proxy?.disturb('reset')
    expect((await collect(socket)).error).toBe('ECONNRESET')
  })
})
