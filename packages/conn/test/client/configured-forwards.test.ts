import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type NetConnectOpts } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ConfiguredForwards } from '../../src/client/configured.js'
import { startConfiguredForwards } from '../../src/client/configured-forwards.js'
import type { ForwardEndpoint, ForwardSpec } from '../../src/config/forward-spec.js'
import type { LogEntry } from '../../src/log.js'
import { connecting, listening, type TestServerOptions } from '../loopback.js'

const nothing: ConfiguredForwards = {
  local: [],
  remote: [],
  dynamic: [],
  exitOnFailure: false,
  gatewayPorts: false,
  permitRemoteOpen: undefined,
  socketMask: 0o177,
  unlinksSockets: false,
}

const anyPort: ForwardEndpoint = { host: '127.0.0.1', port: 0 }

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'ssh-forwards-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

/** A program that says `to ` and what it is told, on a port or a socket. */
async function echo(path?: string): Promise<ForwardEndpoint> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.write('to ')
    socket.pipe(socket)
  })
  onTestFinished(() => void server.close())
  await new Promise<void>((done) => server.listen(path ?? { port: 0, host: '127.0.0.1' }, done))
  const address = server.address()
  if (typeof address !== 'object' || address === null) return { path: path ?? '' }
  return { host: '127.0.0.1', port: address.port }
}

/** What comes back by a forwarding. @param first what is said before, byte by byte */
async function say(where: NetConnectOpts, ...first: readonly Uint8Array[]): Promise<string> {
  const socket = connect({ ...where, allowHalfOpen: true })
  for (const bytes of first) socket.write(bytes)
  socket.end('me')
  return text(socket)
}

/** The two messages of a SOCKS5 client that wants a port of 127.0.0.1. */
function socksTo(target: ForwardEndpoint): Uint8Array[] {
  const port = 'port' in target ? target.port : 0
  return [Uint8Array.of(5, 1, 0), Uint8Array.of(5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255)]
}

async function start(forwards: Partial<ConfiguredForwards>, options: TestServerOptions = {}) {
  const server = await listening({ allowTcpForwarding: true, allowStreamLocalForwarding: true, ...options })
  const conn = await connecting(server.port)
  const warnings: LogEntry[] = []
  const logger = { debug() {}, warn: (entry: LogEntry) => warnings.push(entry) }
  const starting = startConfiguredForwards(conn, { ...nothing, ...forwards }, { logger })
  return { conn, warnings, listeners: await starting }
}

const onPort = (port: number): NetConnectOpts => ({ port, host: '127.0.0.1' })

describe('what ssh_config forwards', () => {
  test('leads from ports and sockets here to ports and sockets there', async () => {
    const place = folder()
    const [port, socket] = [await echo(), await echo(join(place, 'target'))]
    const here = [join(place, 'a'), join(place, 'b')] as const
    const { listeners } = await start({
      local: [
        { listen: anyPort, connect: port },
        { listen: anyPort, connect: socket },
        { listen: { path: here[0] }, connect: port },
        { listen: { path: here[1] }, connect: socket },
      ],
    })
    const ports = listeners.slice(0, 2).map((listener) => onPort(listener.port))
    for (const where of [...ports, { path: here[0] }, { path: here[1] }]) expect(await say(where)).toBe('to me')
    expect(statSync(here[0]).mode & 0o777).toBe(0o600)
  })

  test('leads from ports and sockets there to ports and sockets here', async () => {
    const place = folder()
    const [port, socket] = [await echo(), await echo(join(place, 'target'))]
    const there = [join(place, 'a'), join(place, 'b')] as const
    const { listeners } = await start({
      remote: [
        { listen: anyPort, connect: port },
        { listen: anyPort, connect: socket },
        { listen: { path: there[0] }, connect: port },
        { listen: { path: there[1] }, connect: socket },
      ],
    })
    const ports = listeners.slice(0, 2).map((listener) => onPort(listener.port))
    for (const where of [...ports, { path: there[0] }, { path: there[1] }]) expect(await say(where)).toBe('to me')
  })

  test('leads wherever SOCKS asks, from here and from there', async () => {
    const target = await echo()
    const socks: ForwardSpec = { listen: anyPort, connect: undefined }
    const { listeners } = await start({ dynamic: [socks], remote: [socks] })
    expect(listeners).toHaveLength(2)
    for (const { port } of listeners) expect(await say(onPort(port), ...socksTo(target))).toMatch(/to me$/s)
  })

  test('from there to what PermitRemoteOpen names only', async () => {
    const [target, other] = [await echo(), await echo()]
    const { listeners } = await start({
      remote: [{ listen: anyPort, connect: undefined }],
      permitRemoteOpen: ['*:1', `127.0.0.1:${'port' in target ? target.port : 0}`],
    })
    const [{ port } = { port: 0 }] = listeners
    expect(await say(onPort(port), ...socksTo(target))).toMatch(/to me$/s)
    expect(await say(onPort(port), ...socksTo(other))).not.toContain('to me')
  })

  test('ends with the connection', async () => {
    const { conn, listeners } = await start({ local: [{ listen: anyPort, connect: await echo() }] })
    await conn.close()
    await Promise.all(listeners.map((listener) => listener.closed))
    await expect(say(onPort(listeners[0]?.port ?? 0))).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describe('what cannot be forwarded', () => {
  const discard: ForwardEndpoint = { host: '127.0.0.1', port: 9 }
  const refused: Partial<ConfiguredForwards> = {
    local: [{ listen: anyPort, connect: discard }],
    remote: [{ listen: anyPort, connect: discard }],
  }

  test('is told to the logger, and the rest goes on', async () => {
    const { listeners, warnings } = await start(refused, { allowTcpForwarding: 'local' })
    expect(listeners).toHaveLength(1)
    expect(warnings).toMatchObject([{ event: 'configured-forward-failed', error: expect.any(Error) }])
  })

  test('ends all, with ExitOnForwardFailure', async () => {
    const path = join(folder(), 'here')
    const forwards = { ...refused, local: [{ listen: { path }, connect: discard }], exitOnFailure: true }
    await expect(start(forwards, { allowTcpForwarding: 'local' })).rejects.toThrow(/refuse/)
    await expect(say({ path })).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
