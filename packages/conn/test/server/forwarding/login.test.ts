/** What the key of a login allows (authorized_keys), and what is taken on through a connection that our client made. */

import { join } from 'node:path'
import { generatePrivateKey } from '@ssh/crypto'
import { openFailureReasons } from '@ssh/wire'
import { describe, expect, test, vi } from 'vitest'
import type { ServerCallbacks } from '../../../src/server/server-callbacks.js'
import { connecting, listening } from '../../loopback.js'
import { Collector, pattern } from '../../mux-pair.js'
import {
  connectTo,
  echo,
  folder,
  type RawClient,
  type RawServerOptions,
  rawClient,
  readAll,
  target,
} from './raw-client.js'

const key = await generatePrivateKey('ssh-ed25519')
const second = await generatePrivateKey('ssh-ed25519')
const prohibited = { reasonCode: openFailureReasons.administrativelyProhibited }

function byKey(keyOptions: string, options: RawServerOptions = {}): Promise<RawClient> {
  const line = `${keyOptions} ${key.exportPublicKey()}`.trim()
  return rawClient(
    { authorizedClientKeys: line, allowTcpForwarding: true, allowStreamLocalForwarding: true, ...options },
    { password: undefined as never, clientKeys: key },
  )
}

async function outcome(opening: Promise<unknown>): Promise<'open' | 'refused'> {
  return opening.then(
    () => 'open' as const,
    (error) => {
      expect(error).toMatchObject(prohibited)
      return 'refused' as const
    },
  )
}

describe('the key of a login', () => {
  test.each(['no-port-forwarding', 'restrict'])(
    'with %s forwards nothing, and no callback is asked',
    async (option) => {
      const there = [await target(echo), await target(echo, join(folder(), 'socket'))] as const
      const asked = vi.fn(() => true)
      const callbacks: ServerCallbacks = {
        connectionRequested: asked,
        unixConnectionRequested: asked,
        serverRequested: asked,
        unixServerRequested: asked,
      }
      for (const client of [await byKey(option), await byKey(option, { callbacks })]) {
        expect(await outcome(client.openTcp('127.0.0.1', there[0].port))).toBe('refused')
        expect(await outcome(client.openUnix(there[1].path))).toBe('refused')
        expect(await client.listen('localhost', 0)).toBe(false)
        expect(await client.listenUnix(join(folder(), 'socket'))).toBe(false)
      }
      expect(asked).not.toHaveBeenCalled()
    },
  )

  test('with restrict,port-forwarding forwards all', async () => {
    const there = await target(echo)
    const client = await byKey('restrict,port-forwarding')
    expect(await outcome(client.openTcp('127.0.0.1', there.port))).toBe('open')
    expect(await client.listen('localhost', 0)).toBeGreaterThan(0)
  })

  test('with permitopen connects there and nowhere else, and not to sockets', async () => {
    const [there, other] = [await target(echo), await target(echo)]
    const socket = await target(echo, join(folder(), 'socket'))
    const client = await byKey(`permitopen="LOCALHOST:${there.port}",permitopen="example:*"`)
    expect(await outcome(client.openTcp('LocalHost', there.port))).toBe('open')
    expect(await outcome(client.openTcp('127.0.0.1', there.port))).toBe('refused')
    expect(await outcome(client.openTcp('localhost', other.port))).toBe('refused')
    expect(await outcome(client.openUnix(socket.path))).toBe('refused')
    // The other direction is another matter.
    expect(await client.listen('localhost', 0)).toBeGreaterThan(0)
  })

  test('with permitlisten listens there and nowhere else, and not on sockets', async () => {
    const there = await target(echo)
    const client = await byKey('permitlisten="inside.example:*"', { callbacks: { serverRequested: () => true } })
    expect(await client.listen('Inside.Example', 0)).toBeGreaterThan(0)
    expect(await client.listen('localhost', 0)).toBe(false)
    expect(await client.listenUnix(join(folder(), 'socket'))).toBe(false)
    expect(await outcome(client.openTcp('127.0.0.1', there.port))).toBe('open')
  })

  test('counts beside every other key of that login, and beside the options', async () => {
    const there = await target(echo)
    const where = `127.0.0.1:${there.port}`
    const options = { allowTcpForwarding: true, requiredAuth: [['publickey', 'publickey']] } as const
    const login = async (first: string, other: string, permitOpen: string[]) => {
      const lines = [`${first} ${key.exportPublicKey()}`, `${other} ${second.exportPublicKey()}`]
      const authorizedClientKeys = `${lines.map((line) => line.trim()).join('\n')}\n`
      const client = await rawClient(
        { authorizedClientKeys, permitOpen, ...options },
        { password: undefined as never, clientKeys: [key, second] },
      )
      expect(client.server.connection.restrictions).toHaveLength(2)
      return outcome(client.openTcp('127.0.0.1', there.port))
    }
    expect(await login('', '', [where])).toBe('open')
    expect(await login('', 'no-port-forwarding', [where])).toBe('refused')
    expect(await login('no-port-forwarding', '', [where])).toBe('refused')
    expect(await login(`permitopen="${where}"`, `permitopen="*:*"`, [where])).toBe('open')
    expect(await login(`permitopen="${where}"`, `permitopen="other:1"`, [where])).toBe('refused')
    expect(await login('', '', ['other:1'])).toBe('refused')
  })
})

describe('options', () => {
  test.each([
    [{ permitOpen: ['host'] }, 'permitOpen'],
    [{ permitOpen: ['host:0'] }, 'permitOpen'],
    [{ permitListen: ['70000'] }, 'permitListen'],
    [{ allowTcpForwarding: 'yes' }, 'allowTcpForwarding'],
    [{ gatewayPorts: 'no' }, 'gatewayPorts'],
    [{ streamLocalBindMask: 0o1000 }, 'streamLocalBindMask'],
    [{ maxTunnels: -1 }, 'maxTunnels'],
  ])('%j is an error at once, which names it', async (options, name) => {
    await expect(listening(options as never)).rejects.toMatchObject({
      name: 'OptionsError',
      message: expect.stringContaining(name),
    })
  })

  test('that were checked stand being changed', async () => {
    const there = await target(echo)
    const server = await listening({ allowTcpForwarding: true, permitOpen: ['other:1'], permitListen: ['8080'] })
    await expect((await connecting(server.port)).openConnection('127.0.0.1', there.port)).rejects.toMatchObject(
      prohibited,
    )
    await server.update({ permitOpen: [`127.0.0.1:${there.port}`] })
    const stream = await (await connecting(server.port)).openConnection('127.0.0.1', there.port)
    stream.end('hello')
    expect((await readAll(stream)).toString()).toBe('hello')
  })
})

describe('a connection that our client made to another server', () => {
  test('carries what is asked of this one: ports and sockets, both ways', async () => {
    const socketPath = join(folder(), 'socket')
    const there = await target(echo)
    const socket = await target(echo, socketPath)
    const inner = await listening({ allowTcpForwarding: true, allowStreamLocalForwarding: true })
    const onward = await connecting(inner.port)
    const client = await rawClient({
      callbacks: {
        connectionRequested: () => onward,
        unixConnectionRequested: () => onward,
        serverRequested: () => onward,
        unixServerRequested: () => onward,
      },
    })
    const bytes = pattern(2 << 20)
    for (const channel of [await client.openTcp('127.0.0.1', there.port), await client.openUnix(socket.path)]) {
      const collector = new Collector(channel)
      channel.write(bytes.slice())
      channel.end()
      await vi.waitFor(() => expect(collector.events.at(-1)).toBe('close'))
      expect(Buffer.compare(collector.bytes, bytes)).toBe(0)
    }
    await expect(client.openTcp('127.0.0.1', 1)).rejects.toMatchObject({
      reasonCode: openFailureReasons.connectFailed,
      details: { description: 'ECONNREFUSED' },
    })

    client.acceptingForwarded((channel) => {
      channel.attach({
        onData: (chunk) => {
          channel.write(chunk)
          channel.release(chunk.length)
        },
        onEnd: () => channel.end(),
      })
    })
    const port = await client.listen('localhost', 0)
    const path = join(folder(), 'listening')
    expect(await client.listenUnix(path)).toBe(true)
    for (const where of [port as number, path]) {
      const program = await connectTo(where)
      const all = readAll(program)
      program.end(bytes.slice())
      expect(Buffer.compare(await all, bytes)).toBe(0)
    }
    expect(await client.cancel('localhost', port as number)).toBe(true)
    await vi.waitFor(async () => expect(connectTo(port as number)).rejects.toMatchObject({ code: 'ECONNREFUSED' }))
    await onward.close()
    await expect(client.openTcp('127.0.0.1', there.port)).rejects.toMatchObject({
      reasonCode: openFailureReasons.connectFailed,
    })
    // Its listeners ended with it.
    expect(await client.cancelUnix(path)).toBe(false)
  })
})
