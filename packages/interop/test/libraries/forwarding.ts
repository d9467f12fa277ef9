/** Ports and Unix sockets, forwarded by a library and by us. */

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ChannelListenError, ChannelOpenError, type Listener, type SshClientConnection } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectTo, freePort, type LibraryConnection } from '../../src/index.js'
import { inFolder, ourServer, theirClient, theirServer, type Workbench } from './workbench.js'

const sent = randomBytes(3 * 2 ** 20)
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const expected = hash(sent)

async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
  await once(stream, 'end')
  return Buffer.concat(chunks)
}

/** Says the hash of what came, once that has ended: only a tunnel that passes ends alone lets it come. */
function answer(stream: Duplex): void {
  stream.on('error', () => {})
  readAll(stream).then(
    (received) => stream.end(hash(received)),
    () => {},
  )
}

/** A program that answers, on a port and on a path. */
async function startAnswering(path: string) {
  const servers = [0, path].map((where) => createServer({ allowHalfOpen: true }, answer).listen(where))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const [address] = servers.map((server) => server.address())
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    path,
    close: () => servers.map((server) => server.close()),
  }
}

/** What a program gets that connects, says everything, and ends. */
async function exchange(where: { readonly port: number } | { readonly path: string }): Promise<string> {
  const socket: Socket = connect({ ...where, ...('port' in where && { host: '127.0.0.1' }), allowHalfOpen: true })
  socket.end(sent)
  return String(await readAll(socket))
}

const placeOf = ({ port, path }: Pick<Listener, 'port' | 'path'>) => (path === undefined ? { port } : { path })

/** Our client through their server. */
export function describeOurForwarding(bench: Workbench): void {
  describe('forwarding', () => {
    let there: Awaited<ReturnType<typeof startAnswering>>
    let conn: SshClientConnection
    beforeAll(async () => {
      there = await startAnswering(inFolder(bench, 'answers_us'))
      conn = await connectTo(await theirServer(bench, { forwards: true }))
    })
    afterAll(async () => {
      await conn?.close()
      there?.close()
    })

    test('one connection reaches a port, and one a path', async () => {
      for (const stream of [
        await conn.openConnection('127.0.0.1', there.port),
        await conn.openUnixConnection(there.path),
      ]) {
        stream.end(sent)
        expect(String(await readAll(stream))).toBe(expected)
      }
    })

    test('what listens here leads there', async () => {
      const { port, path } = there
      const listeners = [
        await conn.forwardLocalPort('127.0.0.1', 0, '127.0.0.1', port),
        await conn.forwardLocalPortToPath('127.0.0.1', 0, path),
        await conn.forwardLocalPath(inFolder(bench, 'our_l1'), path),
        await conn.forwardLocalPathToPort(inFolder(bench, 'our_l2'), '127.0.0.1', port),
      ]
      for (const listener of listeners) expect(await exchange(placeOf(listener))).toBe(expected)
      await Promise.all(listeners.map((listener) => listener.close()))
    })

    test('what listens there leads here, until it is closed', async () => {
      const { port, path } = there
      const listeners = [
        await conn.forwardRemotePort('127.0.0.1', 0, '127.0.0.1', port),
        await conn.forwardRemotePort('*', 0, '127.0.0.1', port),
        await conn.forwardRemotePortToPath('localhost', 0, path),
        await conn.forwardRemotePath(inFolder(bench, 'our_r1'), path),
        await conn.forwardRemotePathToPort(inFolder(bench, 'our_r2'), '127.0.0.1', port),
        await conn.startServer(answer, '127.0.0.1', 0),
        await conn.startUnixServer(answer, inFolder(bench, 'our_r3')),
      ]
      for (const listener of listeners) expect(await exchange(placeOf(listener))).toBe(expected)
      await Promise.all(listeners.map((listener) => listener.close()))
      for (const listener of listeners.filter(({ path }) => path === undefined)) {
        await expect(exchange(placeOf(listener))).rejects.toMatchObject({ code: 'ECONNREFUSED' })
      }
    })

    test('what it cannot reach, or does not allow, is refused, and the connection lives', async () => {
      await expect(conn.openConnection('127.0.0.1', await freePort())).rejects.toMatchObject({ reasonCode: 2 })
      await expect(conn.openUnixConnection(inFolder(bench, 'nobody'))).rejects.toBeInstanceOf(ChannelOpenError)
      await expect(conn.startServer(answer, '127.0.0.1', there.port)).rejects.toBeInstanceOf(ChannelListenError)
      await using strict = await connectTo(await theirServer(bench))
      await expect(strict.openUnixConnection(there.path)).rejects.toBeInstanceOf(ChannelOpenError)
      await expect(strict.startServer(answer, '127.0.0.1', 0)).rejects.toBeInstanceOf(ChannelListenError)
      const onPath = strict.startUnixServer(answer, inFolder(bench, 'our_r4'))
      await expect(onPath).rejects.toBeInstanceOf(ChannelListenError)
      for (const each of [conn, strict]) expect((await each.run('echo alive')).stdout).toBe('alive\n')
    })
  })
}

/** Their client asks our server for single connections, which every library can. */
export function describeTheirConnections(bench: Workbench): void {
  const { peer } = bench

  test('are connected to where they ask, and only when that is allowed', async () => {
    const there = await startAnswering(inFolder(bench, 'answers_one'))
    try {
      await using open = await ourServer(bench, { allowTcpForwarding: true })
      await using closed = await ourServer(bench)
      const input = sent.toString('base64')
      const forward = async (server: { readonly port: number }, port: number) => {
        const { connection } = await theirClient(bench, server)
        return peer
          .call('forward', { connection, host: '127.0.0.1', port, input })
          .finally(() => peer.call('disconnect', { connection }))
      }
      expect(textOf(await forward(open, there.port))).toBe(expected)
      await expect(forward(open, await freePort())).rejects.toThrow(/refused|ECONNREFUSED|connect failed/i)
      await expect(forward(closed, there.port)).rejects.toThrow(/not permitted|prohibited/i)
    } finally {
      there.close()
    }
  })
}

/** Their client through our server. */
export function describeTheirForwarding(bench: Workbench): void {
  const { peer } = bench

  describe('forwarding', () => {
    let there: Awaited<ReturnType<typeof startAnswering>>
    let server: Awaited<ReturnType<typeof ourServer>>
    let client: LibraryConnection
    beforeAll(async () => {
      there = await startAnswering(inFolder(bench, 'answers_them'))
      server = await ourServer(bench, { allowTcpForwarding: true, allowStreamLocalForwarding: true })
      client = await theirClient(bench, server)
    })
    afterAll(async () => {
      await server?.close()
      there?.close()
    })

    test('one connection reaches a path', async () => {
      const { connection } = client
      const input = sent.toString('base64')
      expect(textOf(await peer.call('forward', { connection, path: there.path, input }))).toBe(expected)
      const nobody = peer.call('forward', { connection, path: inFolder(bench, 'nobody'), input })
      await expect(nobody).rejects.toThrow('ENOENT')
    })

    test('what listens with them leads here, and what listens here leads to them, until it is closed', async () => {
      const { port, path } = there
      const at = (name: string) => inFolder(bench, name)
      const start = async (
        method: Parameters<typeof peer.call<'startForward'>>[1]['method'],
        ...given: readonly (string | number)[]
      ) => {
        const started = await peer.call('startForward', { connection: client.connection, method, arguments: given })
        const [listen] = given
        return {
          ...started,
          place:
            method.includes('_path') && !method.includes('_port_to') ? { path: `${listen}` } : { port: started.port },
        }
      }
      const forwards = [
        await start('forward_local_port', '127.0.0.1', 0, '127.0.0.1', port),
        await start('forward_local_port_to_path', '127.0.0.1', 0, path),
        await start('forward_local_path', at('their_l1'), path),
        await start('forward_local_path_to_port', at('their_l2'), '127.0.0.1', port),
        await start('forward_remote_port', '127.0.0.1', 0, '127.0.0.1', port),
        await start('forward_remote_port', '', await freePort(), 'localhost', port),
        await start('forward_remote_port_to_path', 'localhost', 0, path),
        await start('forward_remote_path', at('their_r1'), path),
        await start('forward_remote_path_to_port', at('their_r2'), '127.0.0.1', port),
      ]
      for (const { place } of forwards) expect(await exchange(place)).toBe(expected)
      await Promise.all(forwards.map(({ forward }) => peer.call('stopForward', { forward })))
      for (const { place } of forwards) await expect(exchange(place)).rejects.toMatchObject({ syscall: 'connect' })
    })

    test('a port that is taken is refused, and the connection lives', async () => {
      const { connection } = client
      const taken = { connection, method: 'forward_remote_port', arguments: ['127.0.0.1', there.port, '', 1] } as const
      await expect(peer.call('startForward', taken)).rejects.toThrow()
      const input = sent.toString('base64')
      expect(textOf(await peer.call('forward', { connection, path: there.path, input }))).toBe(expected)
    })
  })
}

const textOf = ({ data }: { readonly data: string }): string => Buffer.from(data, 'base64').toString()
