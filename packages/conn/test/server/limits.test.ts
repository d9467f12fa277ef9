import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { establishClient } from '../../src/client/connect.js'
import { listenServer } from '../../src/server/listen.js'
import { aliceOptions, connecting, hostKey, listening, passwordCallbacks } from '../loopback.js'

/** What a server says to somebody who says nothing, to the end or up to its identification. */
async function greeting(port: number, host = '127.0.0.1'): Promise<string> {
  const socket = connectTcp(port, host)
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.setEncoding('latin1').on('error', () => {})
  socket.on('data', (data: string) => (text += data))
  while (!text.includes('SSH-') && !socket.closed) {
    await Promise.race([once(socket, 'data'), once(socket, 'close')]).catch(() => {})
  }
  return text
}

const served = /^SSH-2\.0-/

describe('connections that are too many', () => {
  test('of those that log in are told so in a line, and others come in when they are done', async () => {
    const warnings: unknown[] = []
    const { port } = await listening({
      maxStartups: 2,
      logger: {
        debug: () => {},
        warn: ({ event, limit }: { event: string; limit?: unknown }) => warnings.push([event, limit]),
      },
    })
    expect(await greeting(port)).toMatch(served)
    const [waiting] = [await greeting(port)]
    expect(waiting).toMatch(served)
    expect(await greeting(port)).toBe('Exceeded MaxStartups\r\n')
    expect(warnings).toEqual([['connection-refused', 'maxStartups']])
    await expect(
      establishClient({ host: '127.0.0.1', port }, aliceOptions).then((link) => link.close()),
    ).rejects.toMatchObject({ message: expect.stringContaining('Exceeded MaxStartups') })
  })

  test('at all, and of one address', async () => {
    const all = await listening({ maxConnections: 1 })
    const first = await connecting(all.port)
    expect(await greeting(all.port)).toBe('Too many connections\r\n')
    await first.close()
    while (all.connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
    expect(await greeting(all.port)).toMatch(served)

    const each = await listening({ maxConnectionsPerAddress: 1 })
    await connecting(each.port)
    expect(await greeting(each.port)).toBe('Too many connections from your address\r\n')

    const startups = await listening({ perSourceMaxStartups: 1 })
    await connecting(startups.port)
    expect(await greeting(startups.port)).toMatch(served)
    expect(await greeting(startups.port)).toBe('Too many connections from your address are logging in\r\n')
  })

  test('by chance, as sshd draws it', async () => {
    const { port } = await listening({ maxStartups: [1, 100, 2] })
    expect(await greeting(port)).toMatch(served)
    expect(await greeting(port)).toBe('Exceeded MaxStartups\r\n')
    await expect(listening({ maxStartups: [10, 30, 5] })).rejects.toThrow('start below full')
    await expect(listening({ maxStartups: [1, 0, 5] })).rejects.toThrow('maxStartups')
  })
})

test('idleTimeout ends a connection without sessions', async () => {
  const ended: unknown[] = []
  const callbacks = { ...passwordCallbacks, connectionLost: (error?: Error) => void ended.push(error?.message) }
  const { port } = await listening({ idleTimeout: 1, callbacks })
  await (await connecting(port)).closed
  expect(ended).toEqual(['No channel was open for 1 ms'])
})

describe('several addresses', () => {
  test('are listened on at one port, and closed together', async () => {
    const server = await listening({ host: ['127.0.0.1', '127.0.0.2'] }).catch((error: unknown) => error as Error)
    if (server instanceof Error) {
      // Not every system has more of 127.0.0.0/8 than one address.
      expect(server).toMatchObject({ cause: { code: 'EADDRNOTAVAIL' } })
      return
    }
    const { port } = server
    expect(server.addresses).toEqual([
      { address: '127.0.0.1', port },
      { address: '127.0.0.2', port },
    ])
    expect(await greeting(port, '127.0.0.1')).toMatch(served)
    expect(await greeting(port, '127.0.0.2')).toMatch(served)
    await server.close()
    await expect(establishClient({ host: '127.0.0.2', port }, aliceOptions)).rejects.toMatchObject({
      cause: { code: 'ECONNREFUSED' },
    })
  })

  test('of which one cannot be had are none', async () => {
    const { port } = await listening()
    const free = await listening()
    const freed = free.port
    await free.close()
    await expect(listening({ host: ['127.0.0.1', '192.0.2.1'], port: freed })).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_LISTEN_FAILED',
      details: { host: '192.0.2.1' },
    })
    await (await listening({ port: freed })).close()
    await expect(listening({ host: [], port })).rejects.toThrow('host')
  })
})

test('reusePort shares a port where Node can, and says so where it cannot', async () => {
  const options = {
    host: '127.0.0.1',
    serverHostKeys: hostKey,
    serverFactory: () => passwordCallbacks,
    reusePort: true,
  }
  const first = await listenServer({ ...options, port: 0 }).catch((error: unknown) => error as Error)
  if (first instanceof Error) {
    expect(first.message).toMatch(/reusePort needs Node 22\.12|ENOTSUP/)
    return
  }
  onTestFinished(() => first.close())
  const second = await listenServer({ ...options, port: first.port })
  expect(second.port).toBe(first.port)
  await second.close()
})
