/** Servers that connect to their clients, with AsyncSSH at either end: `connect_reverse` and `listen_reverse`. */

import { connectReverse, listenReverse, type SshClientConnection } from '@ssh/sdk'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connectTo, runBuiltin } from '../src/index.js'
import { describeLibrary, firstKey, password, theirServer, username, type Workbench } from './libraries/workbench.js'

/** What a server of theirs is told. */
const theirs = ({ hostKeys, userKeys }: Workbench) => ({
  hostKeyFiles: hostKeys.map(({ path }) => path),
  username,
  authorizedKeys: userKeys.map(({ publicLine }) => publicLine),
})

/** What a client of ours is told, which waits for the server called `device`. */
const waiting = ({ hostKeys, userKeys }: Workbench) => ({
  destination: `${username}@device`,
  clientKeys: firstKey(userKeys).path,
  knownHosts: hostKeys.map(({ publicLine }) => `device ${publicLine}\n`).join(''),
  config: null,
})

async function first(connections: AsyncIterable<SshClientConnection>): Promise<SshClientConnection> {
  for await (const conn of connections) return conn
  throw new Error('The listener was closed')
}

await describeLibrary('asyncssh', 'AsyncSSH', (bench) => {
  describe('connects to our client as its server', () => {
    test('and runs its commands', async () => {
      await using listener = await listenReverse({ ...waiting(bench), host: '127.0.0.1', port: 0 })
      const [conn] = await Promise.all([
        first(listener),
        bench.peer.call('connectReverse', { ...theirs(bench), port: listener.port }),
      ])
      expect((await conn.run('echo reversed')).stdout).toBe('reversed\n')
      expect(conn.info).toMatchObject({ username, host: 'device' })
      await conn.close()
    })

    test('and is refused with another host key', async () => {
      const knownHosts = `device ${firstKey(bench.userKeys).publicLine}\n`
      await using listener = await listenReverse({ ...waiting(bench), knownHosts, host: '127.0.0.1', port: 0 })
      await expect(bench.peer.call('connectReverse', { ...theirs(bench), port: listener.port })).rejects.toMatchObject({
        kind: 'hostKey',
      })
    })

    test('through a port that a server of theirs listens on for us', async () => {
      await using outer = await connectTo(await theirServer(bench, { forwards: true }))
      const listener = await outer.listenReverseSsh('127.0.0.1', 0, waiting(bench))
      const [conn] = await Promise.all([
        first(listener),
        bench.peer.call('connectReverse', { ...theirs(bench), port: listener.port }),
      ])
      expect((await conn.run('echo through')).stdout).toBe('through\n')
      await conn.close()
    })
  })

  test('waits for our server as its client', async () => {
    const hostKey = firstKey(bench.hostKeys)
    const { port, listener } = await bench.peer.call('listenReverse', {
      username,
      password,
      hostKey: hostKey.publicLine,
    })
    const [served, { connection }] = await Promise.all([
      connectReverse(
        { host: '127.0.0.1', port },
        {
          serverHostKeys: hostKey.path,
          serverFactory: () => ({ validatePassword: (user, given) => user === username && given === password }),
          processFactory: runBuiltin,
        },
      ),
      bench.peer.call('accepted', { listener }),
    ])
    onTestFinished(() => served.close())
    const { status, stdout } = await bench.peer.call('exec', { connection, command: 'echo reversed' })
    expect([status, Buffer.from(stdout, 'base64').toString()]).toEqual([0, 'reversed\n'])
  })

  test('is a jump host on the way to another server of theirs', async () => {
    const [gate, inner] = [await theirServer(bench), await theirServer(bench)]
    const hop = {
      destination: `${username}@127.0.0.1:${gate.port}`,
      options: {
        clientKeys: gate.clientKey.path,
        knownHosts: gate.hostKeys.map((key) => `[127.0.0.1]:${gate.port} ${key}\n`).join(''),
      },
    }
    await using conn = await connectTo(inner, { tunnel: [hop], config: null })
    const input = Buffer.alloc(3_000_000, 'much')
    const { stdout } = await conn.run('cat', { input, encoding: 'buffer', maxBuffer: '4m' })
    expect(stdout.equals(input)).toBe(true)
  })
})
