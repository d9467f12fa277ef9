import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { collect } from '@ssh/streams'
import { describe, expect, test } from 'vitest'
import { createProcess } from '../../src/process/create-process.js'
import { runProcess } from '../../src/process/run.js'
import type { SshServerProcess } from '../../src/process/server-process.js'
import { quiet, sessionPair, shellHandler } from './session-pair.js'

describe('a server process', () => {
  test('answers with streams and a status, the output before the status', async () => {
    const { openSession } = sessionPair((remote) => {
      remote.stdout.write(`hello ${remote.info.username}\n`)
      remote.stderr.write('careful\n')
      remote.exit(3)
      remote.exit(4)
    })
    expect(await runProcess(openSession, 'x')).toMatchObject({
      stdout: 'hello tester\n',
      stderr: 'careful\n',
      exitStatus: 3,
    })
  })

  test('sends everything it wrote before it exits, beyond the window', async () => {
    const { openSession } = sessionPair(
      (remote) => {
        remote.stdout.write(Buffer.alloc(1_000_000))
        remote.stderr.write(Buffer.alloc(500_000))
        remote.exit(0)
      },
      { windowSize: 10_000 },
    )
    const { stdout, stderr } = await runProcess(openSession, 'x')
    expect([stdout.length, stderr.length]).toEqual([1_000_000, 500_000])
  })

  test('exits with a signal', async () => {
    const { openSession } = sessionPair((remote) =>
      remote.exitWithSignal('SIGSEGV', { coreDumped: true, message: 'oops' }),
    )
    expect((await runProcess(openSession, 'x')).exitSignal).toEqual({
      name: 'SEGV',
      coreDumped: true,
      message: 'oops',
      lang: '',
    })
  })

  test('keeps bytes that are not UTF-8', async () => {
    let seen: Uint8Array | undefined
    const pair = sessionPair((remote) => {
      seen = remote.commandBytes
      remote.exit(0)
    })
    const session = await pair.openSession({ handlers: {}, signal: undefined })
    session.channel.attach({})
    session.stderr.attach({})
    await session.start({ program: { type: 'exec', command: Uint8Array.of(0xff, 0xfe) } })
    await session.closed
    expect(seen).toEqual(Buffer.of(0xff, 0xfe))
  })

  test('ends with status 1 when its handler throws or rejects, and the connection goes on', async () => {
    const pair = sessionPair((remote) => {
      if (remote.command === 'throw') throw new Error('thrown')
      if (remote.command === 'reject') return Promise.reject(new Error('rejected'))
      remote.exit(0)
      return undefined
    })
    expect((await runProcess(pair.openSession, 'throw')).exitStatus).toBe(1)
    expect((await runProcess(pair.openSession, 'reject')).exitStatus).toBe(1)
    expect((await runProcess(pair.openSession, 'fine')).exitStatus).toBe(0)
    expect(pair.errors.map((error) => (error as Error).message)).toEqual(['thrown', 'rejected'])
  })

  test('hears of a client that went away', async () => {
    let closed = false
    const pair = sessionPair((remote) => void remote.once('close', () => (closed = true)))
    const remote = await createProcess(pair.openSession, 'x')
    await quiet()
    await remote.close()
    await quiet()
    expect(closed).toBe(true)
  })

  test('survives writing after the client went away', async () => {
    let server: SshServerProcess | undefined
    const pair = sessionPair((remote) => {
      server = remote
    })
    const remote = await createProcess(pair.openSession, 'x')
    await quiet()
    await remote.close()
    await quiet()
    server?.stdout.write('anybody?')
    server?.exit(0)
    await quiet()
    expect(server?.stdout.destroyed).toBe(true)
  })
})

describe('redirect', () => {
  test('runs a local program: input, outputs and status', async () => {
    const { openSession } = sessionPair((remote) => remote.redirect(spawn('sort')))
    expect(await runProcess(openSession, 'x', { input: 'b\na\n' })).toMatchObject({ stdout: 'a\nb\n', exitStatus: 0 })
    const failing = sessionPair((remote) => remote.redirect(spawn('sh', ['-c', 'echo no >&2; exit 9'])))
    expect(await runProcess(failing.openSession, 'x')).toMatchObject({ stderr: 'no\n', exitStatus: 9 })
  })

  test('relays signals to it and its signal back', async () => {
    const { openSession } = sessionPair(shellHandler)
    const remote = await createProcess(openSession, 'echo ready; exec sleep 1000')
    await once(remote.stdout, 'data')
    remote.kill('SIGTERM')
    expect(await remote.wait()).toMatchObject({ exitStatus: null, exitSignal: { name: 'TERM' } })
  })

  test('survives a signal that the program cannot be sent', async () => {
    const { openSession } = sessionPair(shellHandler)
    const remote = await createProcess(openSession, 'echo ready; cat')
    await once(remote.stdout, 'data')
    remote.sendSignal('NONSENSE')
    remote.sendSignal('X@example.com')
    expect((await remote.communicate('still here')).exitStatus).toBe(0)
  })

  test('refuses to exit with a signal that has no name', async () => {
    const pair = sessionPair((remote) => remote.exitWithSignal('no such thing'))
    expect((await runProcess(pair.openSession, 'x')).exitStatus).toBe(1)
    expect(pair.errors).toEqual([expect.objectContaining({ code: 'ERR_SSH_CHANNEL_UNKNOWN_SIGNAL' })])
  })

  test('hangs up on it when the client goes away', async () => {
    const child = spawn('sleep', ['1000'])
    const { openSession } = sessionPair((remote) => remote.redirect(child))
    const remote = await createProcess(openSession, 'x')
    await quiet()
    const exited = once(child, 'exit')
    await remote.close()
    expect(await exited).toEqual([null, 'SIGHUP'])
  })

  test('hangs up at once on one that is started when the client has gone already', async () => {
    let ending: Promise<unknown[]> | undefined
    const { openSession } = sessionPair(async (remote) => {
      await remote.closed
      await new Promise((resolve) => setImmediate(resolve))
      const child = spawn('sleep', ['1000'])
      ending = once(child, 'close')
      await remote.redirect(child)
    })
    const remote = await createProcess(openSession, 'x')
    await remote.close()
    while (ending === undefined) await new Promise((resolve) => setImmediate(resolve))
    expect(await ending).toEqual([null, 'SIGHUP'])
  })

  test('ends as a program that had ended before, of which there is no event to come', async () => {
    const { openSession } = sessionPair(async (remote) => {
      const child = spawn('sh', ['-c', 'exit 5'])
      await once(child, 'close')
      await remote.redirect(child)
    })
    expect(await runProcess(openSession, 'x')).toMatchObject({ exitStatus: 5 })
  })

  test('says 127 for a program that is not there', async () => {
    const pair = sessionPair((remote) => remote.redirect(spawn('/no/such/program')))
    expect((await runProcess(pair.openSession, 'x')).exitStatus).toBe(127)
    expect(pair.errors).toEqual([expect.objectContaining({ code: 'ENOENT' })])
  })

  test('passes a session on to a process of another connection', async () => {
    const inner = sessionPair(shellHandler)
    const outer = sessionPair(async (remote) => remote.redirect(await createProcess(inner.openSession, remote.command)))
    expect(await runProcess(outer.openSession, 'cat; exit 5', { input: 'through two' })).toMatchObject({
      stdout: 'through two',
      exitStatus: 5,
    })
  })

  test('connects plain streams and leaves the exit to the handler', async () => {
    const stdin = new PassThrough()
    const stdout = new PassThrough()
    const { openSession } = sessionPair(async (remote) => {
      await remote.redirect({ stdin, stdout })
      remote.exit(0)
    })
    stdout.end('from a stream')
    expect((await runProcess(openSession, 'x', { input: 'to a stream' })).stdout).toBe('from a stream')
    expect((await collect(stdin)).toString()).toBe('to a stream')
  })

  test('holds a local program back while the client does not read', async () => {
    const child = spawn('yes')
    const { openSession } = sessionPair((remote) => remote.redirect(child), { windowSize: 50_000 })
    const remote = await createProcess(openSession, 'x')
    await once(child.stdout, 'readable').catch(() => {})
    await quiet()
    const before = remote.stdout.readableLength
    await quiet()
    expect(remote.stdout.readableLength).toBe(before)
    await remote.close()
    await once(child, 'exit')
  })
})

describe('serveProcess', () => {
  test('refuses programs without a handler, and those the application refuses', async () => {
    const refused = { code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED' }
    await expect(createProcess(sessionPair(undefined).openSession, 'x')).rejects.toMatchObject(refused)
    const picky = sessionPair((remote) => remote.exit(0), {
      acceptProgram: async (program) => program.type === 'shell',
    })
    await expect(createProcess(picky.openSession, 'x')).rejects.toMatchObject(refused)
    expect((await (await createProcess(picky.openSession)).wait()).exitStatus).toBe(0)
  })

  test('starts the handler after the answer, however long the decision takes', async () => {
    const { openSession } = sessionPair((remote) => remote.exit(0), {
      acceptProgram: () => new Promise((resolve) => setImmediate(resolve, true)),
    })
    expect((await (await createProcess(openSession, 'x')).wait()).exitStatus).toBe(0)
  })

  test('runs named subsystems on the session itself, and never gives SFTP to a handler', async () => {
    const { openSession } = sessionPair((remote) => remote.exit(0), {
      subsystems: new Map([
        [
          'echo',
          (session) => {
            const { channel } = session
            channel.attach({
              onData: (chunk) => {
                channel.write(chunk)
                channel.release(chunk.length)
              },
              onEnd: () => session.exit(0),
            })
          },
        ],
      ]),
    })
    const remote = await createProcess(openSession, undefined, { subsystem: 'echo' })
    expect((await remote.communicate('around')).stdout).toBe('around')
    await expect(createProcess(openSession, undefined, { subsystem: 'sftp' })).rejects.toThrow()
  })

  test('runs a forced command in place of everything, and keeps what was asked for', async () => {
    const seen: unknown[] = []
    const { openSession } = sessionPair(
      (remote) => {
        seen.push([remote.command, remote.originalCommand, remote.subsystem])
        remote.exit(0)
      },
      { forcedCommand: 'backup' },
    )
    await runProcess(openSession, 'rm -rf /')
    await runProcess(openSession, undefined, { subsystem: 'sftp' })
    expect(seen).toEqual([
      ['backup', 'rm -rf /', undefined],
      ['backup', undefined, undefined],
    ])
  })

  test('takes internal-sftp for its own', async () => {
    const served: string[] = []
    const { openSession } = sessionPair((remote) => remote.exit(0), {
      forcedCommand: 'internal-sftp -l INFO',
      subsystems: new Map([
        [
          'sftp',
          (session) => {
            served.push('sftp')
            session.channel.attach({})
            session.exit(0)
          },
        ],
      ]),
    })
    await runProcess(openSession, 'ls')
    expect(served).toEqual(['sftp'])
  })

  test('refuses a break that nobody takes', async () => {
    const { openSession } = sessionPair(() => {})
    const remote = await createProcess(openSession, 'x')
    expect(await remote.sendBreak()).toBe(false)
    await remote.close()
  })
})
