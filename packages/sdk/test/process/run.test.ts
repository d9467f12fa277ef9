import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { ConnectionLost, OptionsError, TimeoutError } from '@ssh/conn'
import { collect } from '@ssh/streams'
import { seededRandom } from '@ssh/testkit'
import { AbortError } from '@ssh/wire'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { timeLapse } from '../../../conn/test/time-lapse.js'
import { createProcess } from '../../src/process/create-process.js'
import { ProcessError, ProcessTimeoutError } from '../../src/process/result.js'
import { runProcess } from '../../src/process/run.js'
import { quiet, sessionPair, shellHandler } from './session-pair.js'

const random = seededRandom('run')
const shell = () => sessionPair(shellHandler)
const folder = mkdtempSync(join(tmpdir(), 'run-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('runProcess', () => {
  test('resolves with both outputs, the status and what was asked for', async () => {
    const result = await runProcess(shell().openSession, 'echo out; echo err >&2; exit 3', { env: { A: 'b' } })
    expect(result).toMatchObject({
      command: 'echo out; echo err >&2; exit 3',
      subsystem: undefined,
      env: { A: 'b' },
      exitStatus: 3,
      exitSignal: null,
      returncode: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    })
    expect(result.durationMs).toBeGreaterThan(0)
  })

  test('gives a command without input an end of file at once', async () => {
    expect((await runProcess(shell().openSession, 'cat')).stdout).toBe('')
    expect((await runProcess(shell().openSession, 'cat', { stdin: 'pipe' })).stdout).toBe('')
    expect((await runProcess(shell().openSession, 'cat', { input: '' })).stdout).toBe('')
  })

  test.each([
    ['text', () => 'grüße'],
    ['bytes', () => Buffer.from('grüße')],
    ['a stream', () => Readable.from([Buffer.from('grü'), Buffer.from('ße')])],
    [
      'an async iterable',
      async function* () {
        yield 'grü'
        yield Buffer.from('ße')
      },
    ],
  ])('writes input given as %s', async (_kind, input) => {
    expect((await runProcess(shell().openSession, 'cat', { input: input() })).stdout).toBe('grüße')
  })

  test('sends an argument list quoted', async () => {
    const { stdout } = await runProcess(shell().openSession, ['printf', '%s|', 'a b', '$HOME', "it's"])
    expect(stdout).toBe(`a b|$HOME|it's|`)
  })

  test('runs in the directory asked for, or not at all', async () => {
    expect((await runProcess(shell().openSession, 'pwd', { cwd: folder })).stdout.trim()).toBe(folder)
    const failed = await runProcess(shell().openSession, 'echo ran; true', { cwd: '/no/such/directory' })
    expect(failed.stdout).toBe('')
    expect(failed.exitStatus).not.toBe(0)
  })

  test('does not fail because a command leaves input unread', async () => {
    const result = await runProcess(shell().openSession, 'exit 0', { input: new Uint8Array(5_000_000) })
    expect(result.exitStatus).toBe(0)
    const streamed = await runProcess(shell().openSession, 'head -c 3', {
      input: Readable.from([Buffer.from('abcdef'), Buffer.alloc(5_000_000)]),
    })
    expect(streamed.stdout).toBe('abc')
  })

  test('keeps characters together that were split on the way', async () => {
    const text = 'naïve € 😀 '.repeat(300)
    const { openSession } = sessionPair(async (remote) => {
      for (const byte of Buffer.from(text)) remote.stdout.write(Uint8Array.of(byte))
      remote.exit(0)
    })
    expect((await runProcess(openSession, 'x')).stdout).toBe(text)
  })

  test('resolves with bytes when asked', async () => {
    const bytes = random.bytes(300_000)
    const { openSession } = sessionPair((remote) => {
      remote.stdout.write(bytes)
      remote.exit(0)
    })
    const { stdout, stderr } = await runProcess(openSession, 'x', { encoding: 'buffer' })
    expect(stdout.equals(bytes)).toBe(true)
    expect(stderr).toEqual(Buffer.alloc(0))
  })

  test('reads both outputs, however much there is of either, beyond the window', async () => {
    const { openSession } = sessionPair(shellHandler, { windowSize: 32 * 1024 })
    const { stdout, stderr } = await runProcess(
      openSession,
      'head -c 3000000 /dev/zero >&2; head -c 2000000 /dev/zero; head -c 1000000 /dev/zero >&2',
    )
    expect([stdout.length, stderr.length]).toEqual([2_000_000, 4_000_000])
  })

  test('merges errors into the output in the order they were written', async () => {
    const { openSession } = sessionPair((remote) => {
      let stream = remote.stdout
      for (let count = 0; count < 50; count++) {
        stream.write(`${count} `)
        stream = stream === remote.stdout ? remote.stderr : remote.stdout
      }
      remote.exit(0)
    })
    const { stdout, stderr } = await runProcess(openSession, 'x', { stderr: 'stdout' })
    expect(stdout).toBe(Array.from({ length: 50 }, (_, count) => `${count} `).join(''))
    expect(stderr).toBe('')
  })

  describe('with check', () => {
    test('rejects on a status that is not 0, with everything about the command', async () => {
      const error = await runProcess(shell().openSession, 'echo partial; echo "no\x1b[31m disk" >&2; exit 2', {
        check: true,
      }).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(ProcessError)
      expect(error).toMatchObject({ code: 'ERR_SSH_PROCESS_FAILED', exitStatus: 2, returncode: 2, stdout: 'partial\n' })
      expect(String(error)).toContain('exited with status 2: no\\x1b[31m disk')
    })

    test('rejects on a signal and on no status at all', async () => {
      await expect(runProcess(shell().openSession, 'kill -TERM $$', { check: true })).rejects.toMatchObject({
        exitStatus: null,
        exitSignal: { name: 'TERM' },
        returncode: -15,
      })
      const { openSession } = sessionPair((remote) => void remote.close())
      await expect(runProcess(openSession, 'x', { check: true })).rejects.toMatchObject({
        exitStatus: null,
        exitSignal: null,
        returncode: null,
      })
    })

    test('resolves on 0', async () => {
      expect((await runProcess(shell().openSession, 'true', { check: true })).exitStatus).toBe(0)
    })
  })

  describe('gives up', () => {
    test('after the timeout, with the output so far, and ends the command', async () => {
      const signals: string[] = []
      const pair = sessionPair((remote) => {
        remote.on('signal', (name) => signals.push(name))
        remote.stdout.write(Buffer.from('so far €').subarray(0, -1))
      })
      const pass = timeLapse()
      const running = runProcess(pair.openSession, 'sleep 1000', { timeout: '50ms' }).catch((thrown) => thrown)
      await quiet()
      pass(50)
      const error = await running
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error).toBeInstanceOf(ProcessTimeoutError)
      expect(error).toMatchObject({ code: 'ERR_SSH_PROCESS_TIMEOUT', stdout: 'so far ', exitStatus: null })
      expect(error.details.timeoutMs).toBe(50)
      await pair.sessions[0]?.closed
      expect(signals).toEqual(['SIGTERM'])
    })

    test('after the timeout when not even the session opens', async () => {
      const never = ({ signal }: { signal: AbortSignal | undefined }) =>
        new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(new AbortError())))
      await expect(runProcess(never, 'x', { timeout: 20 })).rejects.toMatchObject({
        code: 'ERR_SSH_PROCESS_TIMEOUT',
        command: 'x',
        stdout: '',
      })
    })

    test('when the caller does, before and during', async () => {
      const pair = sessionPair(() => {})
      await expect(runProcess(pair.openSession, 'x', { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(
        AbortError,
      )
      const controller = new AbortController()
      const running = runProcess(pair.openSession, 'x', { signal: controller.signal })
      await quiet()
      controller.abort(new Error('changed my mind'))
      await expect(running).rejects.toMatchObject({ code: 'ABORT_ERR', cause: { message: 'changed my mind' } })
      await pair.sessions.at(-1)?.closed
    })

    test('when there is more output than maxBuffer, with the output up to there', async () => {
      const pair = sessionPair(shellHandler)
      const error = await runProcess(pair.openSession, 'yes', { maxBuffer: '1k' }).catch((thrown) => thrown)
      expect(error).toMatchObject({ code: 'ERR_SSH_PROCESS_MAX_BUFFER', stdout: 'y\n'.repeat(512) })
      await pair.sessions[0]?.closed
    })

    test('when the connection is lost', async () => {
      const pair = sessionPair(() => {})
      const running = runProcess(pair.openSession, 'x')
      await quiet()
      const lost = new ConnectionLost('ERR_SSH_CONNECTION_LOST', 'gone')
      pair.end(lost)
      await expect(running).rejects.toBe(lost)
    })

    test('when the server refuses the command', async () => {
      const pair = sessionPair(undefined)
      await expect(runProcess(pair.openSession, 'x')).rejects.toMatchObject({ code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED' })
    })

    test('when the source of input fails', async () => {
      const broken = new Readable({ read() {} })
      broken.push('some')
      const running = runProcess(sessionPair((remote) => void remote.stdin.resume()).openSession, 'x', {
        input: broken,
      })
      await quiet()
      broken.destroy(new Error('disk error'))
      await expect(running).rejects.toThrow('disk error')
    })
  })

  describe('refuses', () => {
    const refused = (options: object) => expect(runProcess(shell().openSession, 'x', options)).rejects
    test('an option nobody knows, by name', async () => {
      await refused({ inptu: 'x' }).toThrow(/unknown option "inptu"/)
      await refused({ stdout: 'nowhere' }).toBeInstanceOf(OptionsError)
      await refused({ timeout: 'soon' }).toThrow(/timeout/)
    })

    test('options that contradict each other', async () => {
      await refused({ input: 'x', stdin: 'ignore' }).toThrow(/input and stdin/)
      await refused({ subsystem: 'netconf' }).toThrow(/subsystem and a command/)
      await expect(createProcess(shell().openSession, undefined, { cwd: '/' })).rejects.toThrow(/cwd needs a command/)
    })
  })

  describe('redirects', () => {
    test('files, by path, handle and descriptor', async () => {
      const source = join(folder, 'source')
      const target = join(folder, 'target')
      writeFileSync(source, 'b\na\n')
      const result = await runProcess(shell().openSession, 'sort; echo more >&2', {
        stdin: { path: source },
        stdout: { path: target },
        stderr: { path: join(folder, 'errors') },
      })
      expect([result.stdout, result.stderr]).toEqual(['', ''])
      expect(readFileSync(target, 'utf8')).toBe('a\nb\n')
      expect(readFileSync(join(folder, 'errors'), 'utf8')).toBe('more\n')
      await runProcess(shell().openSession, 'echo c', { stdout: { path: target, append: true } })
      expect(readFileSync(target, 'utf8')).toBe('a\nb\nc\n')
      const handle = await open(target, 'w')
      await runProcess(shell().openSession, 'cat', { stdin: await open(source), stdout: { to: handle, end: false } })
      await handle.write('still open')
      await handle.close()
      expect(readFileSync(target, 'utf8')).toBe('b\na\nstill open')
    })

    test('both outputs into one target, which ends after both', async () => {
      const target = new PassThrough()
      const text = collect(target)
      await runProcess(shell().openSession, 'echo out; exec >&-; echo err >&2', {
        stdout: target,
        stderr: target,
      })
      expect((await text).toString().split('\n').sort()).toEqual(['', 'err', 'out'])
    })

    test('to web streams, closing them or giving them back', async () => {
      const chunks: Uint8Array[] = []
      let isClosed = false
      const web = () =>
        new WritableStream<Uint8Array>({
          write: (chunk) => void chunks.push(chunk),
          close: () => {
            isClosed = true
          },
        })
      const kept = web()
      await runProcess(shell().openSession, 'echo one', { stdout: { to: kept, end: false } })
      expect([isClosed, kept.locked]).toEqual([false, false])
      await runProcess(shell().openSession, 'cat', { stdin: new Blob(['two']).stream(), stdout: web() })
      expect(isClosed).toBe(true)
      expect(Buffer.concat(chunks).toString()).toBe('one\ntwo')
    })

    test('leaves a target open with end false', async () => {
      const target = new PassThrough()
      await runProcess(shell().openSession, 'echo one', { stdout: { to: target, end: false } })
      await runProcess(shell().openSession, 'echo two', { stdout: target })
      expect((await collect(target)).toString()).toBe('one\ntwo\n')
    })

    test('fails before anything runs when a file cannot be opened, and closes the others', async () => {
      const pair = shell()
      const target = new PassThrough()
      await expect(
        runProcess(pair.openSession, 'x', { stdout: target, stderr: { path: '/no/such/folder/file' } }),
      ).rejects.toMatchObject({ code: 'ENOENT' })
      expect(pair.sessions).toHaveLength(0)
      expect(target.destroyed).toBe(true)
    })

    test('fails when a target fails, and stops the command', async () => {
      const target = new PassThrough()
      target.on('data', () => target.destroy(new Error('disk full')))
      await expect(runProcess(shell().openSession, 'yes', { stdout: target })).rejects.toThrow('disk full')
    })

    test('stops the command when a target is closed, as a shell pipe does', async () => {
      const target = new PassThrough()
      target.once('data', () => target.destroy())
      const result = await runProcess(shell().openSession, 'yes', { stdout: target })
      expect(result.exitStatus).toBeNull()
    })

    test('discards with ignore', async () => {
      const result = await runProcess(shell().openSession, 'echo out; echo err >&2', {
        stdout: 'ignore',
        stderr: 'ignore',
      })
      expect(result).toMatchObject({ exitStatus: 0, stdout: '', stderr: '' })
    })
  })

  test('runs many at once on one connection', async () => {
    const { openSession } = sessionPair((remote) => {
      remote.stdout.write(remote.command ?? '')
      remote.exit(0)
    })
    const results = await Promise.all(Array.from({ length: 100 }, (_, index) => runProcess(openSession, `n${index}`)))
    expect(results.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 100 }, (_, index) => `n${index}`))
  })

  test('carries any bytes both ways under any window', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5000 }),
        fc.integer({ min: 0, max: 20_000 }),
        async (windowSize, size) => {
          const { openSession } = sessionPair(
            async (remote) => {
              remote.stdin.pipe(remote.stdout, { end: false })
              remote.stdin.once('end', () => remote.exit(0))
            },
            { windowSize },
          )
          const input = random.bytes(size)
          const { stdout, exitStatus } = await runProcess(openSession, 'cat', {
            input: input.slice(),
            encoding: 'buffer',
          })
          expect(stdout.equals(input)).toBe(true)
          expect(exitStatus).toBe(0)
        },
      ),
      { numRuns: 30 },
    )
  })
})
