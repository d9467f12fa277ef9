import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import type { ServerConnection, SshServerCallbacks, TunnelHandler } from '../src/index.js'
import { embedded } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

async function saidBy(stream: Duplex, words: string): Promise<string> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
  stream.end(words)
  await once(stream, 'end')
  return Buffer.concat(chunks).toString()
}

test('a builder decides with state of its own, as the class that it is', async () => {
  class Gate implements SshServerCallbacks {
    readonly #asked: unknown[] = []
    readonly #answer: TunnelHandler<unknown> = (stream) => stream.pipe(stream)
    connectionRequested(...asked: unknown[]) {
      this.#asked.push(asked)
      return this.#answer
    }
    async unixConnectionRequested(path: string) {
      this.#asked.push(path)
      return path === '/virtual' && this.#answer
    }
    serverRequested(...asked: unknown[]) {
      this.#asked.push(asked)
      return true
    }
    unixServerRequested(path: string) {
      this.#asked.push(path)
      return false
    }
    get asked() {
      return this.#asked
    }
  }
  const gate = new Gate()
  const { connect } = await embedded({ serverFactory: () => gate })
  const conn = await connect()
  const options = { originHost: '192.0.2.1', originPort: 5 }
  expect(await saidBy(await conn.openConnection('Service', 80, options), 'hello')).toBe('hello')
  expect(await saidBy(await conn.openUnixConnection('/virtual'), 'hello')).toBe('hello')
  await expect(conn.openUnixConnection('/real')).rejects.toMatchObject({ name: 'ChannelOpenError', reasonCode: 1 })
  const listener = await conn.startServer((stream) => stream.pipe(stream), 'localhost', 0)
  expect(await saidBy(connectTcp({ port: listener.port, allowHalfOpen: true }), 'hello')).toBe('hello')
  await listener.close()
  await expect(conn.startUnixServer(() => {}, '/x')).rejects.toMatchObject({ name: 'ChannelListenError' })
  expect(gate.asked).toEqual([['service', 80, '192.0.2.1', 5], '/virtual', '/real', ['localhost', 0], '/x'])
})

test('a builder listens in its own way, and hands on what it accepts', async () => {
  const made: ServerConnection[] = []
  const { connect } = await embedded({
    serverFactory: (connection) => {
      made.push(connection)
      return {
        serverRequested: async (listenHost, listenPort) => {
          const server = createServer({ allowHalfOpen: true }, async (socket) => {
            const { port } = server.address() as AddressInfo
            const stream = await connection.openConnection(listenHost, port, '192.0.2.7', 77)
            socket.pipe(stream).pipe(socket)
          }).listen(listenPort, '127.0.0.1')
          await once(server, 'listening')
          const closed = once(server, 'close')
          const { port } = server.address() as AddressInfo
          return { port, closed, close: async () => void server.close() }
        },
      }
    },
  })
  const conn = await connect()
  const infos: unknown[] = []
  const listener = await conn.startServer(
    (stream, info) => {
      infos.push(info)
      stream.pipe(stream)
    },
    'inside',
    0,
  )
  expect(await saidBy(connectTcp({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true }), 'hello')).toBe(
    'hello',
  )
  expect(infos).toEqual([{ listenHost: 'inside', listenPort: listener.port, originHost: '192.0.2.7', originPort: 77 }])
  const [connection] = made
  await expect(connection?.openConnection('outside', listener.port, '', 0)).rejects.toThrow('did not ask')
})

test('options alone forward what they allow, and end it with the server', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ssh-sdk-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { server, connect } = await embedded({ allowTcpForwarding: 'local', allowStreamLocalForwarding: 'remote' })
  const program = createServer((socket) => void socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(program, 'listening')
  onTestFinished(() => void program.close())
  const { port } = program.address() as AddressInfo
  const conn = await connect()
  expect(await saidBy(await conn.openConnection('127.0.0.1', port), 'hello')).toBe('hello')
  await expect(conn.startServer(() => {}, 'localhost', 0)).rejects.toMatchObject({ name: 'ChannelListenError' })
  const path = join(folder, 'socket')
  const listener = await conn.startUnixServer((stream) => stream.pipe(stream), path)
  const open = connectTcp({ path, allowHalfOpen: true })
  open.write('hello')
  await once(open, 'data')
  const ended = once(
    open.on('error', () => {}),
    'close',
  )
  open.on('end', () => open.end())
  await server.close()
  await Promise.all([ended, listener.closed])
})
