import { once } from 'node:events'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect, type ListenOptions, lines, type ServerProcess } from '../src/index.js'
import { clientOptions, embedded, parrot, userLine } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('close', () => {
  test('with drain lets programs and tunnels end, takes no more, and waits no longer than told', async () => {
    const running: ServerProcess[] = []
    const { server, connect: login } = await embedded({
      allowTcpForwarding: true,
      processFactory: (process) => void running.push(process),
    })
    const other = await embedded({ processFactory: parrot })
    const conn = await login()
    const remote = await conn.createProcess('job')
    const tunnel = await conn.openConnection('127.0.0.1', other.server.port)
    tunnel.resume().on('error', () => {})
    const closing = server.close({ drain: '1m' })
    await expect(conn.run('more')).rejects.toThrow('this server is shutting down')
    expect(tunnel.destroyed).toBe(false)
    running[0]?.stdout.write('done')
    running[0]?.exit(0)
    expect(await remote.wait()).toMatchObject({ stdout: 'done', exitStatus: 0 })
    expect(conn.isClosed).toBe(false)
    tunnel.destroy()
    await closing
    await conn.closed
    expect([server.connections.size, server.port]).toEqual([0, 0])
  })

  test('ends tunnels that are open when the time is over', async () => {
    const { server, connect: login } = await embedded({ allowTcpForwarding: true })
    const other = await embedded({ processFactory: parrot })
    const conn = await login()
    const tunnel = await conn.openConnection('127.0.0.1', other.server.port)
    tunnel.resume().on('error', () => {})
    await server.close({ drain: 20 })
    if (!tunnel.destroyed) await once(tunnel, 'close')
    await conn.closed
  })

  test('twice, and while somebody logs in, ends once and for all', async () => {
    let isAsked = () => {}
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve
    })
    const { server, destination } = await embedded({
      authorizedClientKeys: [],
      serverFactory: () => ({
        validatePublicKey: () => {
          isAsked()
          return new Promise<boolean>(() => {})
        },
      }),
    })
    const login = connect(destination, clientOptions()).catch((error: unknown) => error)
    await asked
    await Promise.all([server.close({ drain: 0 }), server.close()])
    expect(await login).toBeInstanceOf(Error)
    await server.closed
  })
})

describe('update', () => {
  test('holds for connections that come later, also the second time, and not for those that log in meanwhile', async () => {
    let asked = 0
    let letIn = () => {}
    const decided = new Promise<boolean>((resolve) => {
      letIn = () => resolve(true)
    })
    const answers: Partial<ListenOptions> = {
      authorizedClientKeys: [],
      serverFactory: () => ({
        validatePublicKey: () => {
          asked += 1
          return decided
        },
      }),
      processFactory: (process) => {
        process.stdout.write('old')
        process.exit(0)
      },
    }
    const { server, destination } = await embedded(answers)
    const slow = connect(destination, clientOptions())
    await vi.waitFor(() => expect(asked).toBe(1))
    await server.update({
      serverFactory: () => ({ validatePublicKey: () => true }),
      processFactory: (process) => {
        process.stdout.write('new')
        process.exit(0)
      },
    })
    await using next = await connect(destination, clientOptions())
    expect((await next.run('x')).stdout).toBe('new')
    letIn()
    await using first = await slow
    expect((await first.run('x')).stdout).toBe('old')
    await server.update({ processFactory: parrot })
    await using third = await connect(destination, clientOptions())
    expect((await third.run('parrot')).stdout).toBe('parrot')
    await expect(server.update({ processFactory: 'x' } as never)).rejects.toMatchObject({ name: 'OptionsError' })
    expect((await third.run('still')).stdout).toBe('still')
    expect((await next.run('x')).stdout).toBe('new')
  })
})

describe('what a builder does wrong', () => {
  const mistakes: Record<string, Partial<ListenOptions>> = {
    'a process handler that throws': {
      processFactory: () => {
        throw new Error('mistake')
      },
    },
    'a process handler that rejects': { processFactory: () => Promise.reject(new Error('mistake')) },
    'a session handler that throws': {
      sessionFactory: () => {
        throw new Error('mistake')
      },
    },
    'a session handler that rejects late': {
      sessionFactory: async (stdin) => {
        for await (const _ of stdin);
        throw new Error('mistake')
      },
    },
    'a file handler that throws': {
      sftpFactory: () => {
        throw new Error('mistake')
      },
    },
    'a callback of the session': {
      processFactory: parrot,
      serverFactory: () => ({
        sessionRequested: () => {
          throw new Error('mistake')
        },
      }),
    },
    'a callback of the login': {
      processFactory: parrot,
      serverFactory: () => ({ authCompleted: () => Promise.reject(new Error('mistake')) }),
    },
    'a callback of a tunnel': {
      processFactory: parrot,
      serverFactory: () => ({
        connectionRequested: () => {
          throw new Error('mistake')
        },
      }),
    },
    'a filter of variables': { processFactory: parrot, acceptEnv: [] },
  }

  test.each(Object.entries(mistakes))('%s ends no more than its own channel', async (_, options) => {
    const { connect: login } = await embedded({ logger: { debug: () => {}, warn: () => {} }, ...options })
    const conn = await login()
    // Something else is open on the connection all the while.
    const outcomes = await Promise.allSettled([
      conn.run('x', { input: '', env: { A: 'b' } }),
      conn.startSftpClient(),
      conn.openConnection('127.0.0.1', 1),
    ])
    expect(outcomes.length).toBe(3)
    expect(conn.isClosed).toBe(false)
    expect((await conn.getServerHostKey()).algorithm).toBe('ssh-ed25519')
    await conn.rekey()
  })
})

describe('acceptEnv', () => {
  test('lets through what it names, and no other variable', async () => {
    const { connect: login } = await embedded({
      acceptEnv: ['LANG', 'LC_*', 'X?'],
      processFactory: (process) => {
        process.stdout.write([...process.env.keys()].sort().join())
        process.exit(0)
      },
    })
    const conn = await login()
    const env = { LANG: 'C', LC_ALL: 'C', XY: '1', XYZ: '2', LD_PRELOAD: 'x', PATH: '/' }
    expect((await conn.run('x', { env })).stdout).toBe('LANG,LC_ALL,XY')
  })
})

describe('childEnv of a process', () => {
  test('is what sshd gives, and of the client only what is named', async () => {
    const { connect: login, server } = await embedded({
      authorizedClientKeys: `command="menu",environment="ROLE=guest" ${userLine}`,
      processFactory: (process) => {
        const env = process.childEnv({ base: { PATH: '/bin', SSH_CONNECTION: 'ours', TERM: 'ours' }, accept: ['LC_*'] })
        process.stdout.write(JSON.stringify(env))
        process.exit(0)
      },
    })
    const conn = await login()
    const env = { LC_ALL: 'C', LD_PRELOAD: 'evil.so', ROLE: 'admin', PATH: '/evil', SSH_CONNECTION: 'evil' }
    const { localPort } = conn.info
    expect(JSON.parse((await conn.run('rm -rf /', { env })).stdout)).toEqual({
      PATH: '/bin',
      LC_ALL: 'C',
      ROLE: 'guest',
      SSH_ORIGINAL_COMMAND: 'rm -rf /',
      SSH_CLIENT: `127.0.0.1 ${localPort} ${server.port}`,
      SSH_CONNECTION: `127.0.0.1 ${localPort} 127.0.0.1 ${server.port}`,
    })
    const shell = await conn.createProcess(undefined, { requestPty: true, termType: 'vt220' })
    const { SSH_ORIGINAL_COMMAND, TERM } = JSON.parse((await shell.wait()).stdout)
    expect([SSH_ORIGINAL_COMMAND, TERM]).toEqual([undefined, 'vt220'])
  })
})

describe('setOptions of a connection', () => {
  test('forces commands, sets variables and refuses terminals, over what keys and clients say', async () => {
    const { connect: login } = await embedded({
      serverFactory: (connection) => ({
        beginAuth: (username) => {
          connection.setOptions({ forcedCommand: `menu ${username}`, env: { ROLE: 'guest' }, allowPty: false })
          return true
        },
      }),
      processFactory: (process) => {
        process.stdout.write(`${process.command}|${process.originalCommand}|${process.env.get('ROLE')}`)
        process.exit(0)
      },
    })
    const conn = await login()
    expect((await conn.run('rm', { env: { ROLE: 'admin' } })).stdout).toBe('menu tester|rm|guest')
    await expect(conn.run('x', { requestPty: true })).rejects.toMatchObject({ code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED' })
  })
})

describe('a chat of fifty, one of whom does not read', () => {
  test('reaches everybody else at once, and costs no more memory than the one may hold back', async () => {
    const count = 50
    const messageCount = 400
    const message = `${'x'.repeat(16 * 1024 - 1)}\n`
    const members = new Set<ServerProcess>()
    let dropped = 0
    // What a builder writes: whoever does not keep up misses messages.
    const broadcast = (text: string) => {
      for (const { stdout } of members) {
        if (stdout.writableNeedDrain) dropped += 1
        else stdout.write(text)
      }
    }
    const { connect: login } = await embedded({
      maxSessions: count,
      processFactory: async (process) => {
        members.add(process)
        process.once('close', () => members.delete(process))
        for await (const line of lines(process.stdin)) broadcast(`${line}\n`)
        process.exit(0)
      },
    })
    const conns = await Promise.all(Array.from({ length: count }, () => login()))
    const remotes = await Promise.all(conns.map((conn) => conn.createProcess(undefined, { maxBuffer: 1 << 30 })))
    await vi.waitFor(() => expect(members.size).toBe(count))
    const [stalled, ...readers] = remotes
    const received = readers.map(() => 0)
    for (const [index, reader] of readers.entries()) {
      reader.stdout.on('data', (chunk: Buffer) => {
        received[index] = (received[index] ?? 0) + chunk.length
      })
    }
    const everybodyHas = async (bytes: number) => {
      while (received.some((own) => own < bytes)) await turns(1)
    }
    // The stalled one takes what its own window and buffers hold, and then no more.
    let held = 0
    for (let sent = 1; sent <= messageCount; sent++) {
      broadcast(message)
      await everybodyHas(sent * message.length)
      held = Math.max(held, ...[...members].map(({ stdout }) => stdout.writableLength))
    }
    expect(received).toEqual(readers.map(() => messageCount * message.length))
    expect(held).toBeLessThan(64 * 1024 + message.length + 1)
    // 6.4 MiB were said, of which it holds a window of 2 MiB and some buffers.
    expect(dropped).toBeGreaterThan(messageCount / 4)
    expect(stalled?.stdout.readableLength).toBeLessThan(256 * 1024)
    onTestFinished(() => {
      for (const conn of conns) conn.abort()
    })
  })
})
