import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { findPtyHelper, type PtyHelperName } from '../../src/terminal/pty/pty-helper.js'
import type { PtyProcess } from '../../src/terminal/pty/pty-process.js'
import { type SpawnPtyOptions, spawnPty } from '../../src/terminal/pty/spawn-pty.js'
import { expectNothingLeftOpen } from '../open-handles.js'

expectNothingLeftOpen()

const isThere = (helper: PtyHelperName) => {
  try {
    return findPtyHelper(helper) !== undefined
  } catch {
    return false
  }
}

test('says what to install where no program holds terminals', () => {
  expect(() => findPtyHelper(undefined, '/nowhere')).toThrow(
    expect.objectContaining({ code: 'ERR_SSH_PTY_NO_HELPER', message: expect.stringContaining('apt install python3') }),
  )
})

test('refuses options that it does not know', () => {
  expect(() => spawnPty('sh', [], { sise: {} } as SpawnPtyOptions)).toThrow('"sise"')
})

test.runIf(process.platform === 'linux' && isThere('python3'))(
  'a terminal for which there are no descriptors is an error, and not the end of the process (H7)',
  async () => {
    const program = join(import.meta.dirname, '../fixtures/without-descriptors.ts')
    const argv = [
      process.execPath,
      '--unhandled-rejections=strict',
      '--import',
      'tsx',
      '--conditions=@ssh/source',
      program,
    ]
    const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n 256; exec "$@"', 'sh', ...argv], {
      timeout: 30_000,
    })
    expect(stdout).toBe('ERR_SSH_PTY_FAILED')
  },
  40_000,
)

describe.each(['python3', 'script'] as const)('spawnPty by %s', (helper) => {
  const start = (command: string, args: readonly string[] = [], options: SpawnPtyOptions = {}): PtyProcess => {
    const child = spawnPty(command, args, { helper, ...options })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }
  const shell = (line: string, options?: SpawnPtyOptions) => start('/bin/sh', ['-c', line], options)
  const ending = async (child: PtyProcess) => {
    const closed = new Promise<unknown[]>((resolve) => child.once('close', (...end) => resolve(end)))
    const [output, end] = await Promise.all([text(child.stdout), closed])
    return [output, ...end]
  }
  /** Reads until some text came. */
  const until = async (child: PtyProcess, wanted: string) => {
    let output = ''
    const take = (chunk: Buffer) => (output += chunk)
    child.stdout.on('data', take)
    while (!output.includes(wanted)) await once(child.stdout, 'data')
    child.stdout.off('data', take)
  }

  test.skipIf(!isThere(helper))('gives a terminal of the type and size that it should have', async () => {
    const options = { termType: 'vt100', termSize: { columns: 132, rows: 43, widthPixels: 1, heightPixels: 1 } }
    expect(await ending(shell('test -t 0 && test -t 1 && test -t 2 && stty size; echo $TERM', options))).toEqual([
      '43 132\r\nvt100\r\n',
      0,
      null,
    ])
    expect((await ending(shell('stty size')))[0]).toBe('24 80\r\n')
    const unknown = { termSize: { columns: 0, rows: 0 } }
    expect((await ending(shell('stty size', unknown)))[0]).toBe('24 80\r\n')
  })

  test.skipIf(!isThere(helper))('gives the program its arguments, variables and folder as they are', async () => {
    const args = ['a b', "it's", '$HOME', '*', 'ü', '']
    const child = start('/bin/sh', ['-c', 'printf "<%s>" "$@"; echo; pwd; echo "$A-$SHELL"', 'sh', ...args], {
      cwd: '/',
      env: { PATH: process.env.PATH, A: 'x y', SHELL: '/bin/false' },
    })
    expect((await ending(child))[0]).toBe(`<a b><it's><$HOME><*><ü><>\r\n/\r\nx y-/bin/false\r\n`)
  })

  test.skipIf(!isThere(helper))('ends as the program does', async () => {
    for (const status of [0, 1, 7, 255]) expect(await ending(shell(`exit ${status}`))).toEqual(['', status, null])
    const byTerm = await ending(shell('kill -TERM $$'))
    expect(byTerm).toEqual(helper === 'python3' ? ['', null, 'SIGTERM'] : ['', 143, null])
  })

  test.skipIf(!isThere(helper))('relays sizes and signals', async () => {
    const child = shell(
      'trap "stty size" WINCH; trap "echo bye; exit 3" USR1; echo ready; while :; do sleep 0.02; done',
    )
    await until(child, 'ready')
    child.resize(100, 30, 800, 600)
    await until(child, '30 100')
    expect(child.kill('SIGUSR1')).toBe(true)
    expect(await once(child, 'close')).toEqual([3, null])
    expect([child.kill('SIGUSR1'), child.exitCode, child.signalCode]).toEqual([false, 3, null])
    expect(child.kill('SIGNONSENSE' as 'SIGTERM')).toBe(false)
  })

  test.skipIf(!isThere(helper))('interrupts what runs when ^C is typed', async () => {
    const child = shell('echo ready; exec sleep 1000')
    await until(child, 'ready')
    child.stdin.write('\x03')
    const [code, signal] = await once(child, 'close')
    expect([code, signal]).toEqual(helper === 'python3' ? [null, 'SIGINT'] : [130, null])
  })

  test.skipIf(!isThere(helper))(
    'ends the input of a program that reads lines, in the middle of one as well',
    async () => {
      for (const input of ['abc\n', 'abc\ndef', '']) {
        const child = shell('stty -echo -onlcr; echo ready; cat')
        await until(child, 'ready')
        child.stdin.end(input)
        expect(await ending(child)).toEqual([expect.stringMatching(new RegExp(`${input}$`)), 0, null])
      }
    },
  )

  test.skipIf(!isThere(helper))('carries much both ways, and all of it before the end', async () => {
    const child = shell('stty raw -echo; echo ready; head -c 3000000 | tee /dev/stderr | tail -c 5; exit 4')
    await until(child, 'ready')
    const data = Buffer.alloc(3_000_000, '0123456789')
    child.stdin.write(data)
    const [output, code] = await ending(child)
    expect([String(output).trim().length, code]).toEqual([3_000_005, 4])
  })

  test.skipIf(!isThere(helper))('does not hold up a reader who comes late', async () => {
    const child = shell('yes | head -c 2000000')
    await once(child, 'spawn')
    const [output, code] = await ending(child)
    expect([String(output).length, code]).toEqual([3_000_000, 0])
  })

  test.skipIf(!isThere(helper))('hangs up when its signal is aborted', async () => {
    const controller = new AbortController()
    const child = shell('echo ready; exec sleep 1000', { signal: controller.signal })
    await until(child, 'ready')
    controller.abort()
    const [code, signal] = await once(child, 'close')
    expect([code, signal]).toEqual([null, 'SIGHUP'])
  })

  test.skipIf(!isThere(helper))('hangs up on a program that takes no notice, and does not wait for it', async () => {
    const child = shell('trap "" HUP; echo ready; cat; echo at-end >&2; sleep 0.1')
    await until(child, 'ready')
    child.hangUp()
    child.hangUp()
    expect(await once(child, 'close')).toEqual([null, 'SIGHUP'])
    expect(child.signalCode).toBe('SIGHUP')
  })

  test.skipIf(!isThere(helper))('says of a program that is not there what a shell says, or an error', async () => {
    const child = start('/no/such/program')
    const errors: unknown[] = []
    child.on('error', (error) => errors.push(error))
    const [output, code] = await ending(child)
    if (helper === 'python3') {
      expect(errors).toEqual([expect.objectContaining({ code: 'ENOENT', path: '/no/such/program' })])
    } else {
      expect([String(output), code]).toEqual([expect.stringContaining('not found'), 127])
    }
    // Nobody has to listen.
    await ending(start('/no/such/program'))
  })

  test.skipIf(!isThere(helper))('sizes and signals that are none harm no program', async () => {
    const child = shell('echo ready; read line; stty size')
    await until(child, 'ready')
    for (const wrong of [80.5, -1, Number.NaN]) {
      expect(() => child.resize(wrong, 24)).toThrow(expect.objectContaining({ code: 'ERR_SSH_PTY_SIZE' }))
      expect(child.kill(wrong)).toBe(false)
    }
    const ended = ending(child)
    child.stdin.write('\n')
    expect(await ended).toEqual(['\r\n24 80\r\n', 0, null])
  })
})
