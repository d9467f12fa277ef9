/** Proxies in this process: an HTTP one that knows CONNECT, and a SOCKS one of versions 4, 4a and 5. */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** What a proxy was asked for. */
export interface ProxiedRequest {
  readonly host: string
  readonly port: number
  /** `user:password` of HTTP and SOCKS5, the user of SOCKS4. */
  readonly login: string | undefined
}

export interface TestProxy {
  readonly port: number
  readonly requests: readonly ProxiedRequest[]
  /** Connections of clients that are open. */
  readonly sockets: ReadonlySet<Socket>
}

export interface TestProxyOptions {
  /** `user:password` that is wanted. */
  readonly login?: string
  /** Where every name leads; default 127.0.0.1. */
  readonly leadsTo?: string
}

/** A TCP server on a free port that does with each connection what it is told; gone with the test. */
export async function answering(onSocket: (socket: Socket) => void): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    onSocket(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, sockets }
}

/** Resolves once none of these is open; fails after a while, of processor time: a busy machine makes it longer. */
export async function gone(sockets: ReadonlySet<Socket>): Promise<void> {
  const before = process.cpuUsage()
  while (sockets.size > 0) {
    const { user, system } = process.cpuUsage(before)
    if (user + system > 3_000_000) throw new Error(`${sockets.size} sockets are still open`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

export async function httpProxy({ login, leadsTo = '127.0.0.1' }: TestProxyOptions = {}): Promise<TestProxy> {
  const requests: ProxiedRequest[] = []
  const { port, sockets } = await answering((socket) => {
    let head = ''
    const onData = (chunk: Buffer) => {
      head += chunk.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      socket.off('data', onData)
      const [, host = '', targetPort] = /^CONNECT \[?([^\]\s]+?)\]?:(\d+) HTTP\/1\.1\r\n/.exec(head) ?? []
      const [, basic] = /^Proxy-Authorization: Basic (\S+)\r$/m.exec(head) ?? []
      const given = basic === undefined ? undefined : Buffer.from(basic, 'base64').toString('utf8')
      requests.push({ host, port: Number(targetPort), login: given })
      if (login !== undefined && given !== login) {
        socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n<p>log in')
        return
      }
      join(socket, leadsTo, Number(targetPort), {
        connected: 'HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n',
        failed: 'HTTP/1.1 502 Bad Gateway\r\n\r\n',
      })
    }
    socket.on('data', onData)
  })
  return { port, requests, sockets }
}

export async function socksProxy({ login, leadsTo = '127.0.0.1' }: TestProxyOptions = {}): Promise<TestProxy> {
  const requests: ProxiedRequest[] = []
  const { port, sockets } = await answering((socket) => {
    converse(socket, { login, leadsTo, requests }).catch(() => socket.destroy())
  })
  return { port, requests, sockets }
}

interface Conversation {
  readonly login: string | undefined
  readonly leadsTo: string
  readonly requests: ProxiedRequest[]
}

async function converse(socket: Socket, { login, leadsTo, requests }: Conversation): Promise<void> {
  const [version] = await read(socket, 1)
  if (version === 4) {
    const [, high = 0, low = 0, ...ip] = await read(socket, 7)
    const user = await readUntilNul(socket)
    const isName = ip.slice(0, 3).every((byte) => byte === 0)
    const host = isName ? await readUntilNul(socket) : ip.join('.')
    requests.push({ host, port: high * 256 + low, login: user || undefined })
    const reply = (code: number) => Buffer.from([0, code, 0, 0, 0, 0, 0, 0])
    if (login !== undefined && user !== login) return void socket.end(reply(93))
    join(socket, leadsTo, high * 256 + low, { connected: reply(90), failed: reply(91) })
    return
  }
  const [count = 0] = await read(socket, 1)
  const methods = await read(socket, count)
  const wanted = login === undefined ? 0 : 2
  if (!methods.includes(wanted)) return void socket.end(Buffer.from([5, 0xff]))
  socket.write(Buffer.from([5, wanted]))
  let given: string | undefined
  if (wanted === 2) {
    const [, userLength = 0] = await read(socket, 2)
    const user = await read(socket, userLength)
    const [passwordLength = 0] = await read(socket, 1)
    given = `${user}:${await read(socket, passwordLength)}`
    socket.write(Buffer.from([1, given === login ? 0 : 1]))
    if (given !== login) return void socket.end()
  }
  const [, , , type] = await read(socket, 4)
  const host = await readAddress(socket, type ?? 0)
  const targetPort = (await read(socket, 2)).readUInt16BE()
  requests.push({ host, port: targetPort, login: given })
  const reply = (code: number) => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0])
  join(socket, leadsTo, targetPort, { connected: reply(0), failed: reply(5) })
}

async function readAddress(socket: Socket, type: number): Promise<string> {
  if (type === 1) return (await read(socket, 4)).join('.')
  if (type === 4) return (await read(socket, 16)).toString('hex')
  const [length = 0] = await read(socket, 1)
  return (await read(socket, length)).toString('latin1')
}

async function readUntilNul(socket: Socket): Promise<string> {
  for (let text = ''; ; ) {
    const [byte = 0] = await read(socket, 1)
    if (byte === 0) return text
    text += String.fromCharCode(byte)
  }
}

async function read(socket: Socket, length: number): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0)
  for (;;) {
    const bytes: Buffer | null = socket.read(length)
    if (bytes !== null && bytes.length === length) return bytes
    if (socket.destroyed || socket.readableEnded) throw new Error('The client is gone')
    await Promise.race([once(socket, 'readable'), once(socket, 'end'), once(socket, 'close')])
  }
}

function join(
  client: Socket,
  host: string,
  port: number,
  say: { readonly connected: string | Buffer; readonly failed: string | Buffer },
): void {
  const target = connect({ host, port, allowHalfOpen: true })
  target.once('connect', () => {
    client.write(say.connected)
    client.pipe(target).pipe(client)
  })
  target.once('error', () => client.end(say.failed))
  client.once('close', () => target.destroy())
}
