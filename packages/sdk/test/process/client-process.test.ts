import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ConnectionLost } from '@ssh/conn'
import { collect, lines } from '@ssh/streams'
import { seededRandom } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { createProcess } from '../../src/process/create-process.js'
import type { SshServerProcess } from '../../src/process/server-process.js'
import { quiet, sessionPair, shellHandler } from './session-pair.js'

const random = seededRandom('client process')
const echo = (remote: SshServerProcess) => {
  remote.stdin.pipe(remote.stdout, { end: false })
  remote.stdin.once('end', () => remote.exit(0))
}

describe('a process', () => {
  test('is shaped like a ChildProcess', async () => {
    const remote = await createProcess(sessionPair(shellHandler).openSession, 'read line; echo "got $line"; exit 7')
    expect(remote.stdio).toEqual([remote.stdin, remote.stdout, remote.stderr])
    expect([remote.exitCode, remote.signalCode, remote.killed]).toEqual([null, null, false])
    const exited = once(remote, 'exit')
    const closed = once(remote, 'close')
    remote.stdin.write('this\n')
    expect((await collect(remote.stdout)).toString()).toBe('got this\n')
    expect(await exited).toEqual([7, null])
    expect(await closed).toEqual([7, null])
    expect([remote.exitCode, remote.exitStatus, remote.returncode]).toEqual([7, 7, 7])
    await remote.closed
  })

  test('tells exit before its output was read, and close after', async () => {
    const remote = await createProcess(sessionPair(shellHandler).openSession, 'echo unread; exit 1')
    const events: string[] = []
    remote.on('exit', () => events.push('exit')).on('close', () => events.push('close'))
    await remote.closed
    await quiet()
    expect(events).toEqual(['exit'])
    expect((await collect(remote.stdout)).toString()).toBe('unread\n')
    await quiet()
    expect(events).toEqual(['exit', 'close'])
  })

  test('names the signal that ended it', async () => {
    const remote = await createProcess(sessionPair(shellHandler).openSession, 'kill -9 $$')
    const [code, signal] = await once(remote, 'exit')
    expect([code, signal]).toEqual([null, 'SIGKILL'])
    expect(remote.exitSignal).toMatchObject({ name: 'KILL', coreDumped: false })
    expect(remote.returncode).toBe(-9)
  })

  test('passes on signals, sizes and breaks', async () => {
    const events: unknown[] = []
    const { openSession } = sessionPair((remote) => {
      remote.on('signal', (name) => events.push(name))
      remote.on('resize', (size) => events.push(size))
      remote.on('break', (lengthMs) => {
        events.push(lengthMs)
        remote.exit(0)
      })
    })
    const remote = await createProcess(openSession, 'x', { requestPty: true, termType: 'vt100', termSize: [100, 50] })
    expect(remote.kill('SIGINT')).toBe(true)
    expect(remote.killed).toBe(true)
    remote.sendSignal('USR1')
    remote.resize(120, 40, 1200, 800)
    expect(await remote.sendBreak(250)).toBe(true)
    await remote.closed
    expect(events).toEqual(['SIGINT', 'SIGUSR1', { columns: 120, rows: 40, widthPixels: 1200, heightPixels: 800 }, 250])
    expect(remote.kill()).toBe(false)
  })

  test('asks for the terminal, the variables and the subsystem it is told to', async () => {
    let seen: SshServerProcess | undefined
    const { openSession } = sessionPair(
      (remote) => {
        seen = remote
        remote.exit(0)
      },
      { acceptEnv: (name) => name !== 'SECRET' },
    )
    process.env.SSH_TEST_LANG = 'en'
    const remote = await createProcess(openSession, undefined, {
      subsystem: 'netconf',
      requestPty: true,
      termType: 'xterm',
      termSize: { columns: 90, rows: 30 },
      termModes: { ECHO: 0, VINTR: 3 },
      env: { A: '1', SECRET: 'x' },
      sendEnv: 'SSH_TEST_*',
    })
    await remote.closed
    expect(seen).toMatchObject({ subsystem: 'netconf', command: undefined, termType: 'xterm' })
    expect(seen?.termSize).toEqual({ columns: 90, rows: 30, widthPixels: 0, heightPixels: 0 })
    expect(seen?.termModes).toEqual(new Map([['ECHO', 0], ['VINTR', 3]])) // biome-ignore format: a row
    expect(seen?.env).toEqual(new Map([['SSH_TEST_LANG', 'en'], ['A', '1']])) // biome-ignore format: a row
    expect(remote.refused).toEqual([{ requestType: 'env', name: 'SECRET' }])
  })

  test('gives text when an encoding is named, and collects it unharmed', async () => {
    const { openSession } = sessionPair(echo)
    const remote = await createProcess(openSession, 'cat', { encoding: 'utf8' })
    const chunks: unknown[] = []
    remote.stdout.on('data', (chunk) => chunks.push(chunk))
    for (const byte of Buffer.from('€😀')) remote.stdin.write(Uint8Array.of(byte))
    remote.stdin.end()
    await once(remote, 'close')
    expect(chunks.every((chunk) => typeof chunk === 'string')).toBe(true)
    expect(chunks.join('')).toBe('€😀')
    for (const encoding of ['utf8', 'latin1', 'base64', 'hex'] as const) {
      const again = await createProcess(openSession, 'cat', { encoding })
      const { stdout } = await again.communicate(Buffer.from('€😀 and more'))
      expect(stdout).toBe(Buffer.from('€😀 and more').toString(encoding))
    }
  })

  test('iterates over lines', async () => {
    const remote = await createProcess(sessionPair(shellHandler).openSession, 'printf "a\\nb\\nc"')
    const all: string[] = []
    for await (const line of lines(remote.stdout)) all.push(line)
    expect(all).toEqual(['a', 'b', 'c'])
  })
})

describe('starting', () => {
  test('leaves nothing open when the server refuses', async () => {
    const pair = sessionPair(undefined)
    const target = new PassThrough()
    const source = new PassThrough()
    await expect(createProcess(pair.openSession, 'x', { stdout: target, stdin: source })).rejects.toMatchObject({
      code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED',
    })
    await pair.sessions[0]?.closed
    await quiet()
    expect([target.destroyed || target.writableEnded, source.destroyed]).toEqual([true, true])
  })

  test('leaves nothing open when the caller gives up half way', async () => {
    const pair = sessionPair(() => {}, { acceptProgram: () => new Promise(() => {}) })
    const controller = new AbortController()
    const starting = createProcess(pair.openSession, 'x', { signal: controller.signal })
    await quiet()
    controller.abort()
    await expect(starting).rejects.toMatchObject({ code: 'ABORT_ERR' })
    await pair.sessions[0]?.closed
  })

  test('takes no signal for a limit on the process itself', async () => {
    const controller = new AbortController()
    const remote = await createProcess(sessionPair(echo).openSession, 'cat', { signal: controller.signal })
    controller.abort()
    expect((await remote.communicate('goes on')).stdout).toBe('goes on')
  })
})

describe('wait and communicate', () => {
  test('communicate writes input, ends it and waits', async () => {
    const remote = await createProcess(sessionPair(shellHandler).openSession, 'sort; echo done >&2')
    expect(await remote.communicate('b\na\n')).toMatchObject({ stdout: 'a\nb\n', stderr: 'done\n', exitStatus: 0 })
  })

  test('wait leaves to its reader what somebody reads', async () => {
    const remote = await createProcess(sessionPair(shellHandler).openSession, 'echo out; echo err >&2')
    const reading = collect(remote.stdout)
    expect(await remote.wait()).toMatchObject({ stdout: '', stderr: 'err\n' })
    expect((await reading).toString()).toBe('out\n')
  })

  test('wait gives up after its timeout and can be asked again', async () => {
    const remote = await createProcess(sessionPair(echo).openSession, 'cat')
    remote.stdin.write('half')
    await quiet()
    expect(remote.collectOutput().stdout).toBe('')
    await quiet()
    expect(remote.collectOutput().stdout).toBe('half')
    await expect(remote.wait({ timeout: 5 })).rejects.toMatchObject({ code: 'ERR_SSH_PROCESS_TIMEOUT', stdout: 'half' })
    await expect(remote.wait({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORT_ERR' })
    expect((await remote.communicate(' more')).stdout).toBe('half more')
  })

  test('wait rejects with what broke the connection, as closed and error do', async () => {
    const pair = sessionPair(() => {})
    const remote = await createProcess(pair.openSession, 'x')
    const lost = new ConnectionLost('ERR_SSH_CONNECTION_LOST', 'gone')
    const failed = new Promise((resolve) => remote.once('error', resolve))
    const waiting = expect(remote.wait()).rejects.toBe(lost)
    pair.end(lost)
    await waiting
    await expect(remote.closed).rejects.toBe(lost)
    expect(await failed).toBe(lost)
  })

  test('a lost connection that nobody watches ends quietly', async () => {
    const pair = sessionPair(() => {})
    const remote = await createProcess(pair.openSession, 'x')
    pair.end(new ConnectionLost('ERR_SSH_CONNECTION_LOST', 'gone'))
    await quiet()
    expect([remote.stdin.destroyed, remote.stdout.destroyed, remote.stderr.destroyed]).toEqual([true, true, true])
  })

  test('close ends the session at once, whatever is in flight', async () => {
    const pair = sessionPair((remote) => void remote.stdin.pause(), { windowSize: 1000 })
    const remote = await createProcess(pair.openSession, 'x')
    remote.stdin.write(new Uint8Array(100_000))
    await quiet()
    await remote.close()
    await pair.sessions[0]?.closed
    expect(await remote.wait()).toMatchObject({ exitStatus: null, exitSignal: null })
  })

  test('an exception of an exit listener does not reach the connection', async () => {
    const uncaught: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => uncaught.push(error))
    try {
      const { openSession } = sessionPair(shellHandler)
      const remote = await createProcess(openSession, 'exit 0')
      remote.on('exit', () => {
        throw new Error('bug in a listener')
      })
      await remote.closed
      await quiet()
      expect(uncaught).toEqual([expect.objectContaining({ message: 'bug in a listener' })])
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })

  test('an output listener may close the process', async () => {
    const pair = sessionPair(shellHandler)
    const remote = await createProcess(pair.openSession, 'yes')
    remote.stdout.once('data', () => void remote.close())
    await remote.closed
    const next = await createProcess(pair.openSession, 'echo alive')
    expect((await next.wait()).stdout).toBe('alive\n')
  })
})

describe('back-pressure', () => {
  test('holds a source back while the program does not read', async () => {
    const pair = sessionPair((remote) => void remote.stdin.pause(), { windowSize: 50_000 })
    const remote = await createProcess(pair.openSession, 'x')
    let produced = 0
    const source = new Readable({
      read() {
        produced += 16_384
        this.push(new Uint8Array(16_384))
      },
    })
    const copying = pipeline(source, remote.stdin)
    await quiet()
    const soFar = produced
    await quiet()
    expect(produced).toBe(soFar)
    expect(pair.bytesUp()).toBeLessThanOrEqual(50_000 + 1000)
    await remote.close()
    await expect(copying).rejects.toThrow()
  })

  test('holds from one process to another', async () => {
    const { openSession } = sessionPair(shellHandler, { windowSize: 100_000 })
    const slow = await createProcess(openSession, 'wc -c')
    const source = await createProcess(openSession, 'head -c 5000000 /dev/zero', { stdout: slow.stdin })
    expect((await slow.wait()).stdout.trim()).toBe('5000000')
    expect((await source.wait()).exitStatus).toBe(0)
  })

  test('makes a pipeline reject when the connection is lost half way', async () => {
    const pair = sessionPair((remote) => void remote.stdin.pause(), { windowSize: 1000 })
    const remote = await createProcess(pair.openSession, 'x')
    const copying = pipeline(Readable.from([random.bytes(8_000_000)]), remote.stdin)
    await quiet()
    const lost = new ConnectionLost('ERR_SSH_CONNECTION_LOST', 'gone')
    pair.end(lost)
    await expect(copying).rejects.toBe(lost)
  })

  test('a program that takes no more input ends the source', async () => {
    const { openSession } = sessionPair((remote) => {
      remote.stdin.once('data', () => remote.exit(0))
    })
    const source = await createProcess(sessionPair(shellHandler).openSession, 'yes')
    const target = await createProcess(openSession, 'head -1', { stdin: source.stdout })
    expect((await target.wait()).exitStatus).toBe(0)
    await quiet()
    expect(source.stdout.destroyed).toBe(true)
    await source.close()
  })
})

describe('redirect', () => {
  test('sends a stream elsewhere from then on, and back', async () => {
    const remote = await createProcess(sessionPair(echo).openSession, 'cat')
    const first = new PassThrough()
    const second = new PassThrough()
    await remote.redirect({ stdout: { to: first, end: false } })
    remote.stdin.write('one ')
    await quiet()
    await remote.redirect({ stdout: second })
    remote.stdin.write('two ')
    await quiet()
    await remote.redirect({ stdout: 'pipe' })
    expect((await remote.communicate('three')).stdout).toBe('three')
    first.end()
    second.end()
    expect((await collect(first)).toString()).toBe('one ')
    expect((await collect(second)).toString()).toBe('two ')
  })

  test('feeds standard input and keeps it open with end false', async () => {
    const remote = await createProcess(sessionPair(echo).openSession, 'cat')
    await remote.redirect({ stdin: { from: Readable.from([Buffer.from('one ')]), end: false } })
    await quiet()
    expect((await remote.communicate('two')).stdout).toBe('one two')
  })

  test('refuses what it does not know', async () => {
    const remote = await createProcess(sessionPair(echo).openSession, 'cat')
    await expect(remote.redirect({ stdout: 'nowhere' as never })).rejects.toMatchObject({
      code: 'ERR_SSH_OPTIONS_INVALID',
    })
    await remote.close()
  })
})
