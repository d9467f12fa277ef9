import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { dialThroughProxy } from '../../src/io/proxy-dial.js'
import { parseProxyUrl } from '../../src/io/proxy-url.js'
import { answering, gone, httpProxy, socksProxy } from '../proxies.js'

vi.mock('../../src/io/socket-address.js', async (original) => ({
  ...(await original<typeof import('../../src/io/socket-address.js')>()),
  // Whether sockets read into memory of ours: as Node does, and as the other runtimes do.
  get isNode() {
    return borrows
  },
}))
let borrows = true

const through = (url: string, port: number, signal?: AbortSignal, host = 'host.example') =>
  dialThroughProxy(parseProxyUrl(url), { host, port, ...(signal && { signal }) })

/** All that a socket brings, read as a connection does. */
async function readAll(socket: Socket): Promise<string> {
  const { borrowedReadsOf } = await import('../../src/io/borrowed-reads.js')
  let text = ''
  const listener = (bytes: Uint8Array) => void (text += Buffer.from(bytes).toString())
  const borrowed = borrowedReadsOf(socket)
  if (borrowed === undefined) socket.on('data', listener)
  else borrowed.listen(listener)
  await once(socket, 'end')
  socket.destroy()
  return text
}

/** A server that greets before it is asked, as SSH servers do, and says again what it is told. */
const greeter = () => answering((socket) => void socket.pipe(socket).write('SSH-2.0-greeter\r\n'))

describe.each([true, false])('with reads that are borrowed: %s', (isBorrowed) => {
  const setUp = () => {
    borrows = isBorrowed
    onTestFinished(() => void (borrows = true))
  }

  test('each kind of proxy connects, and no byte is lost or doubled', async () => {
    setUp()
    const { port } = await greeter()
    const [http, socks] = [await httpProxy(), await socksProxy()]
    for (const [url, proxy] of [
      [`http://127.0.0.1:${http.port}`, http],
      [`socks5h://127.0.0.1:${socks.port}`, socks],
      [`socks4a://me@127.0.0.1:${socks.port}`, socks],
    ] as const) {
      const socket = await through(url, port)
      socket.end('and an echo')
      expect(await readAll(socket)).toBe('SSH-2.0-greeter\r\nand an echo')
      expect(proxy.requests.at(-1)).toMatchObject({ host: 'host.example', port })
    }
  })

  test('bytes in the same packet as the answer are kept, also when the connection ends with them', async () => {
    setUp()
    const { port } = await answering((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nSSH-2.0-x\r\nabc'))
    })
    expect(await readAll(await through(`http://127.0.0.1:${port}`, 22))).toBe('SSH-2.0-x\r\nabc')
  })

  test('an answer that comes before it is asked for counts', async () => {
    setUp()
    const { port } = await answering((socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\nrest'))
    expect(await readAll(await through(`http://127.0.0.1:${port}`, 22))).toBe('rest')
  })

  test.each([
    ['http', Buffer.from('HTTP/1.1 200 Connection established\r\nVia: proxy\r\n\r\n')],
    ['socks5h', Buffer.from('0500050000010000000000 00'.replace(' ', ''), 'hex')],
    ['socks4a', Buffer.from('005a000000000000', 'hex')],
  ])('%s: an answer that ends at any byte is an error, and leaves nothing open', async (protocol, answer) => {
    setUp()
    for (let length = 0; length < answer.length; length++) {
      const { port, sockets } = await answering((socket) => void socket.resume().end(answer.subarray(0, length)))
      await expect(through(`${protocol}://127.0.0.1:${port}`, 22)).rejects.toMatchObject({
        code: 'ERR_SSH_CONNECT_PROXY_PROTOCOL',
        message: expect.stringContaining('closed the connection in the middle of its answer'),
      })
      await gone(sockets)
    }
  })

  test('a head without an end is cut off', async () => {
    setUp()
    let sent = 0
    const { port, sockets } = await answering((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      const flood = () => {
        while (!socket.destroyed && socket.write('X-Filler: and so on for ever\r\n')) sent++
      }
      socket.on('drain', flood).resume()
      flood()
    })
    await expect(through(`http://127.0.0.1:${port}`, 22)).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_PROXY_PROTOCOL',
      message: expect.stringContaining('longer than 16384 bytes'),
    })
    await gone(sockets)
    expect(sent).toBeGreaterThan(0)
  })

  test('giving up at any stage leaves nothing open', async () => {
    setUp()
    for (const said of ['', 'HTTP/1.1 200', 'HTTP/1.1 200 OK\r\n']) {
      const controller = new AbortController()
      const { port, sockets } = await answering((socket) => {
        socket.once('data', () => socket.write(said, () => controller.abort()))
        socket.once('end', () => socket.end())
      })
      await expect(through(`http://127.0.0.1:${port}`, 22, controller.signal)).rejects.toMatchObject({
        code: 'ABORT_ERR',
      })
      await gone(sockets)
    }
    const { port, sockets } = await answering(() => {})
    await expect(through(`socks5h://127.0.0.1:${port}`, 22, AbortSignal.abort())).rejects.toMatchObject({
      code: 'ABORT_ERR',
    })
    expect(sockets.size).toBe(0)
  })
})

test('a proxy that wants a login gets it, and one that is not there is named', async () => {
  const { port } = await greeter()
  const [http, socks] = [await httpProxy({ login: 'user:p@ss' }), await socksProxy({ login: 'user:p@ss' })]
  for (const [protocol, proxy] of [
    ['http', http],
    ['socks5h', socks],
  ] as const) {
    const socket = await through(`${protocol}://user:p%40ss@127.0.0.1:${proxy.port}`, port)
    socket.end()
    expect(await readAll(socket)).toBe('SSH-2.0-greeter\r\n')
    const error: Error = await through(`${protocol}://user:wrong@127.0.0.1:${proxy.port}`, port).catch((e) => e)
    expect(error).toMatchObject({ code: 'ERR_SSH_CONNECT_PROXY_REFUSED' })
    expect(error.message).not.toContain('wrong@')
    await expect(through(`${protocol}://127.0.0.1:${proxy.port}`, port)).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_PROXY_REFUSED',
      message: expect.stringContaining('it wants user and password in the proxy address'),
    })
  }
  const proxy = await httpProxy()
  await expect(through(`http://127.0.0.1:${proxy.port}`, 1)).rejects.toMatchObject({
    code: 'ERR_SSH_CONNECT_PROXY_REFUSED',
    details: { status: 502 },
  })
  await expect(through('http://127.0.0.1:1', 22)).rejects.toMatchObject({
    code: 'ERR_SSH_CONNECT_PROXY_UNREACHABLE',
    message: expect.stringContaining('The proxy for host.example port 22 cannot be reached'),
    details: { proxy: '127.0.0.1:1' },
  })
})

test('socks4 and socks5 resolve names here, and socks4a and socks5h leave them to the proxy', async () => {
  const { port } = await greeter()
  const socks = await socksProxy()
  const hosts: Record<string, string> = {}
  for (const protocol of ['socks4', 'socks4a', 'socks5', 'socks5h']) {
    const socket = await dialThroughProxy(parseProxyUrl(`${protocol}://127.0.0.1:${socks.port}`), {
      host: 'localhost',
      port,
      family: 4,
    })
    socket.destroy()
    hosts[protocol] = socks.requests.at(-1)?.host ?? ''
  }
  expect(hosts).toEqual({ socks4: '127.0.0.1', socks4a: 'localhost', socks5: '127.0.0.1', socks5h: 'localhost' })
  await expect(
    through(`socks5://127.0.0.1:${socks.port}`, port, undefined, 'no.such.host.invalid'),
  ).rejects.toMatchObject({
    code: 'ERR_SSH_CONNECT_FAILED',
    message: expect.stringContaining('with socks5h:// or socks4a:// the proxy resolves it'),
  })
})
