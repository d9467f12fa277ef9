import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type ListenOptions,
  lines,
  type ServerProcess,
  type SshClientConnection,
  type SshClientProcess,
} from '../../src/index.js'
import { embedded } from '../embedded-server.js'
import { expectNothingLeftOpen } from '../open-handles.js'
import { Screen } from './screen.js'

expectNothingLeftOpen()

interface Seat {
  readonly conn: SshClientConnection
  readonly remote: SshClientProcess
  readonly screen: Screen
  /** Types, and waits until the screen shows something. */
  type(text: string, until?: string | RegExp): Promise<void>
  /** Waits until the screen shows something. */
  see(text: string | RegExp): Promise<void>
}

/** Somebody at a terminal of 40 columns, before a program on our server. */
async function seat(
  processFactory: NonNullable<ListenOptions['processFactory']>,
  options: Partial<ListenOptions> = {},
): Promise<Seat> {
  const conn = await (await embedded({ processFactory, ...options })).connect()
  const remote = await conn.createProcess(undefined, {
    requestPty: true,
    termType: 'xterm',
    termSize: [40, 24],
  })
  const screen = new Screen(40, 24)
  remote.stdout.on('data', (chunk: Buffer) => screen.write(chunk))
  const see = async (text: string | RegExp) => {
    const isThere = () => (typeof text === 'string' ? screen.shown.includes(text) : text.test(screen.shown))
    while (!isThere()) {
      if (remote.stdout.readableEnded) throw new Error(`${text} was never shown, but:\n${screen.shown}`)
      await Promise.race([once(remote.stdout, 'data'), once(remote.stdout, 'end')])
    }
  }
  return {
    conn,
    remote,
    screen,
    see,
    type: async (text, until) => {
      remote.stdin.write(text)
      if (until !== undefined) await see(until)
    },
  }
}

/** Long enough for all that can happen between two ends in one process. */
const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const echoLines = async (process: ServerProcess) => {
  for await (const line of lines(process.stdin)) process.stdout.write(`<${line}>\n`)
  process.exit(0)
}

describe('stdin of a process with a terminal', () => {
  test('gives whole lines, edited', async () => {
    const { type, screen, remote } = await seat(echoLines)
    await type('helo\x1b[Dl\r', '<hello>')
    await type('漢字\x7f\r', '<漢>')
    expect(screen.lines).toEqual(['hello', '<hello>', '漢', '<漢>'])
    await type('\x04')
    expect(await remote.wait()).toMatchObject({ exitStatus: 0 })
    expect(screen.takesPastes).toBe(false)
  })

  test('gives one line per chunk, however many came at once', async () => {
    const chunks: string[] = []
    const { type, remote } = await seat(async (process) => {
      for await (const chunk of process.stdin) chunks.push(String(chunk))
      process.exit(0)
    })
    await type('a\rb\rc\rlast')
    remote.stdin.end()
    await remote.wait()
    expect(chunks).toEqual(['a\n', 'b\n', 'c\n', 'last'])
  })

  test('of a command as well, but not of a subsystem', async () => {
    const described = (process: ServerProcess) => {
      process.stdout.write(`${process.terminal !== undefined}\n`)
      process.exit(0)
    }
    for (const [options, output] of [
      [{ subsystem: 'x' }, 'false\n'],
      [{}, 'true\r\n'],
    ] as const) {
      const conn = await (await embedded({ processFactory: described })).connect()
      const command = 'subsystem' in options ? undefined : 'x'
      const remote = await conn.createProcess(command, { ...options, requestPty: true })
      expect((await remote.wait()).stdout).toBe(output)
      expect((await conn.run('x')).stdout).toBe('false\n')
    }
  })

  test('gives every byte where lineEditor is off', async () => {
    const { remote } = await seat(
      async (process) => {
        for await (const keys of process.stdin) {
          process.stdout.write(`${Buffer.from(keys).toString('hex')}\n`)
          process.exit(process.terminal === undefined ? 0 : 1)
        }
      },
      { lineEditor: false },
    )
    remote.stdin.write('a\x7f\x03\r')
    expect(await remote.wait()).toMatchObject({ exitStatus: 0 })
  })

  test('is silent with lineEcho off, forgets with lineHistory 0, and is bounded by maxLineLength', async () => {
    const silent = await seat(echoLines, { lineEcho: false })
    await silent.type('secret\r', '<secret>')
    expect(silent.screen.lines).toEqual(['', '<secret>'])
    const forgetful = await seat(echoLines, { lineHistory: 0, maxLineLength: 3 })
    await forgetful.type('abcdef\r', '<abc>')
    await forgetful.type('\x1b[A\r', '<>')
    expect(forgetful.screen.bells).toBe(2)
  })

  test('can be set so for sessionFactory too, whose output has line ends as terminals want them', async () => {
    const { type, screen } = await seat(echoLines, {
      processFactory: undefined,
      sessionFactory: async (stdin, stdout, stderr) => {
        for await (const line of lines(stdin)) {
          stdout.write('out\n')
          stderr.write(`err ${line}\n`)
        }
      },
    })
    await type('x\r', 'err x')
    expect(screen.lines).toEqual(['x', 'out', 'err x'])
  })
})

describe('readLine', () => {
  test('asks with prompts, and unseen for passwords', async () => {
    let password: string | undefined
    const { see, type, screen, remote } = await seat(async ({ terminal, stdout, exit }) => {
      const name = await terminal?.readLine({ prompt: '\x1b[1mName:\x1b[0m ' })
      password = await terminal?.readLine({ prompt: 'Password: ', echo: false })
      const again = await terminal?.readLine({ prompt: `${name}> ` })
      stdout.write(`${again} ${terminal?.history}\n`)
      exit(0)
    })
    await see('Name: |')
    await type('alice\rsesame\rhi\r', 'hi alice,hi')
    expect(screen.lines).toEqual(['Name: alice', 'Password:', 'alice> hi', 'hi alice,hi'])
    expect(password).toBe('sesame')
    expect(screen.received).not.toContain('sesame')
    await remote.wait()
  })

  test('takes its line before stdin does, and what stdin has read ahead', async () => {
    const got: unknown[] = []
    const { type, remote } = await seat(async (process) => {
      for await (const line of process.stdin) {
        got.push(String(line))
        if (got.length === 1) got.push(await process.terminal?.readLine())
        if (got.length === 4) break
      }
      process.exit(0)
    })
    await type('1\r2\r3\r4\r')
    await remote.wait()
    expect(got).toEqual(['1\n', '2', '3\n', '4\n'])
  })

  test('gives undefined on Ctrl-D and at the end, and goes on after Ctrl-C if the program does', async () => {
    const got: unknown[] = []
    const { type, remote, screen } = await seat(async (process) => {
      process.on('break', (lengthMs) => got.push(['break', lengthMs]))
      for (let count = 0; count < 4; count++) got.push(await process.terminal?.readLine({ prompt: `${count}> ` }))
      process.exit(0)
    })
    await type('abc\x03', '^C\n0> |')
    await type('a\r', '1> |')
    await type('\x04', '2> |')
    remote.stdin.end('b')
    await remote.wait()
    expect(got).toEqual([['break', 0], 'a', undefined, 'b', undefined])
    expect(screen.lines).toEqual(['0> abc^C', '0> a', '1>', '2> b'])
  })

  test('can be given up; what was typed stays for the next', async () => {
    const controller = new AbortController()
    const { see, type, screen, remote } = await seat(async (process) => {
      const { terminal } = process
      await expect(terminal?.readLine({ prompt: 'A: ', signal: controller.signal })).rejects.toMatchObject({
        code: 'ABORT_ERR',
      })
      await expect(terminal?.readLine({ signal: controller.signal })).rejects.toMatchObject({ code: 'ABORT_ERR' })
      await expect(terminal?.readLine({ promt: 'A' } as object)).rejects.toThrow('did you mean "prompt"')
      process.stdout.write('given up\n')
      process.stdout.write(`${await terminal?.readLine({ prompt: 'B: ' })}\n`)
      process.exit(0)
    })
    await see('A: ')
    await type('half', 'A: half')
    controller.abort()
    await see('B: half|')
    await type(' done\r', 'half done')
    await remote.wait()
    expect(screen.lines).toEqual(['given up', 'B: half done', 'half done'])
  })

  test('settles when the client goes away, or its connection breaks', async () => {
    for (const leave of ['close', 'abort'] as const) {
      let outcome: Promise<unknown> | undefined
      const { see, conn, remote } = await seat((process) => {
        outcome = process.terminal?.readLine({ prompt: '> ' }).catch((error: unknown) => error)
      })
      await see('> ')
      if (leave === 'close') await remote.close()
      else conn.abort()
      const settled = await outcome
      if (leave === 'close') expect(settled).toBe(undefined)
      else expect(settled).toBeInstanceOf(Error)
    }
  })
})

describe('interrupts and ends', () => {
  test('gives what was typed ahead also when the client has gone meanwhile, and then the end', async () => {
    const answers: unknown[] = []
    const { remote } = await seat(async (process) => {
      await process.closed
      for (let count = 0; count < 4; count++) answers.push(await process.terminal?.readLine({ prompt: '> ' }))
    })
    remote.stdin.write('one\rtwo\rthr')
    remote.stdin.end()
    await turns(50)
    await remote.close()
    while (answers.length < 4) await turns(1)
    expect(answers).toEqual(['one', 'two', 'thr', undefined])
  })

  test('Ctrl-C ends a program that does not care for it, even one that reads nothing', async () => {
    for (const handler of [echoLines, () => {}]) {
      const { type, remote } = await seat(handler)
      await type('typed ahead\x03')
      expect(await remote.wait()).toMatchObject({ exitStatus: null, exitSignal: { name: 'INT' } })
    }
  })

  test('Ctrl-C drops what was typed ahead', async () => {
    const got: unknown[] = []
    const { type, remote } = await seat(async (process) => {
      await once(process, 'break')
      got.push(await process.terminal?.readLine())
      process.exit(0)
    })
    await type('rm -rf /\rrm\x03ls\r')
    await remote.wait()
    expect(got).toEqual(['ls'])
  })

  test('Ctrl-D is an event, after which input goes on', async () => {
    const got: unknown[] = []
    const { type, remote } = await seat(async (process) => {
      process.on('eof', () => got.push('eof'))
      for await (const line of process.stdin) if (got.push(String(line)) === 3) break
      process.exit(0)
    })
    await type('a\r\x04b\r')
    await remote.wait()
    expect(got.sort()).toEqual(['a\n', 'b\n', 'eof'])
  })

  test('a break of the protocol is the same event', async () => {
    const { remote } = await seat((process) => {
      process.on('break', (lengthMs) => process.exit(lengthMs / 100))
    })
    expect(await remote.sendBreak(700)).toBe(true)
    expect(await remote.wait()).toMatchObject({ exitStatus: 7 })
  })

  test('a key whose handler throws ends its session, and is logged', async () => {
    const logged: unknown[] = []
    const logger = {
      debug: () => {},
      warn: ({ event, error }: { event: string; error?: unknown }) => logged.push([event, error]),
    }
    const { type, remote, see, conn } = await seat(
      async (process) => {
        process.terminal?.registerKey('?', () => {
          throw new Error('no help')
        })
        await process.terminal?.readLine({ prompt: '> ' })
      },
      { logger },
    )
    await see('> ')
    await type('a?')
    expect(await remote.wait()).toMatchObject({ exitStatus: 1 })
    expect(logged).toEqual([['handler-failed', new Error('no help')]])
    const next = await conn.createProcess()
    next.terminate()
  })
})

describe('raw mode', () => {
  test('gives bytes as they come, what was typed so far first, and leaves output alone', async () => {
    const chunks: Buffer[] = []
    const { see, type, remote, screen } = await seat(async (process) => {
      const { terminal, stdin, stdout } = process
      terminal?.readLine({ prompt: '> ' }).catch(() => {})
      await once(process, 'resize')
      terminal?.setLineMode(false)
      stdout.write('raw\n')
      for await (const chunk of stdin) {
        chunks.push(chunk)
        if (Buffer.concat(chunks).includes('q')) break
      }
      terminal?.setLineMode(true)
      stdout.write('cooked\n')
      process.exit(0)
    })
    await see('> ')
    await type('hel', 'hel')
    remote.resize(60, 20)
    await see('raw')
    await type('\x03\x1b[Aq')
    await remote.wait()
    expect(Buffer.concat(chunks).toString()).toBe('hel\x03\x1b[Aq')
    expect(screen.received).toContain('raw\ncooked\r\n')
    expect(screen.takesPastes).toBe(false)
  })

  test('gets what was half typed: keys that may begin a registered one, and half an escape sequence', async () => {
    const chunks: Buffer[] = []
    const lines: unknown[] = []
    const { see, type, remote } = await seat(async (process) => {
      const { terminal, stdin } = process
      terminal?.registerKey('jk', () => 'bell')
      terminal?.readLine({ prompt: '> ' }).then((line) => lines.push(line))
      await once(process, 'resize')
      terminal?.setLineMode(false)
      process.stdout.write('raw\n')
      for await (const chunk of stdin) {
        chunks.push(chunk)
        if (Buffer.concat(chunks).includes('q')) break
      }
      terminal?.setLineMode(true)
      process.exit(0)
    })
    await see('> ')
    await type('helj', 'hel')
    await type('\x1b')
    await turns(50)
    remote.resize(60, 20)
    await see('raw')
    await type('q')
    await remote.wait()
    expect(Buffer.concat(chunks).toString()).toBe('helj\x1bq')
  })

  test('a key can turn it on; what came behind it is raw', async () => {
    const chunks: Buffer[] = []
    const { see, type, remote } = await seat(async (process) => {
      const { terminal, stdin } = process
      terminal?.registerKey('!', () => {
        terminal.setLineMode(false)
        return undefined
      })
      for await (const chunk of stdin) {
        chunks.push(chunk)
        if (Buffer.concat(chunks).includes('q')) break
      }
      process.exit(0)
    })
    await type('a\rb!c\x03q')
    await remote.wait()
    void see
    expect(Buffer.concat(chunks).toString()).toBe('a\nbc\x03q')
  })
})

describe('what a client can do to the server', () => {
  test('typing much while nobody reads costs a window, and no more', async () => {
    let session: ServerProcess | undefined
    const { remote } = await seat((process) => {
      session = process
    })
    const flood = Buffer.alloc(1 << 20, 'line\r')
    let taken = 0
    const isFull = () =>
      new Promise<boolean>((resolve) => {
        remote.stdin.write(flood, () => {
          taken += flood.length
          resolve(false)
        })
        turns(1000).then(() => resolve(true))
      })
    while (!(await isFull())) expect(taken).toBeLessThan(16 << 20)
    expect(session?.stdin.readableLength).toBe(0)
    session?.exit(0)
    await remote.wait()
  })

  test('keys that make it write much are taken no faster than their answers are', async () => {
    let session: ServerProcess | undefined
    const conn = await (
      await embedded({
        processFactory: async (process) => {
          session = process
          process.terminal?.setInput('')
          for await (const _ of process.stdin);
        },
      })
    ).connect()
    const remote = await conn.createProcess(undefined, { requestPty: true, termType: 'xterm' })
    onTestFinished(() => conn.abort())
    // The client reads nothing of what it makes us write: 4 bytes give a thousand.
    remote.stdin.write(`${'x'.repeat(1000)}\r`)
    const before = process.memoryUsage.rss()
    for (let count = 0; count < 200; count++) remote.stdin.write('\x1b[A\r'.repeat(2000))
    await turns(1000)
    expect(session).toBeDefined()
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 << 20)
  })

  test('a program that reads lines gets to their end when the client goes without having read the answers', async () => {
    let hasEnded = false
    const conn = await (
      await embedded({
        processFactory: async (process) => {
          for await (const _ of process.stdin);
          hasEnded = true
        },
      })
    ).connect()
    const remote = await conn.createProcess(undefined, { requestPty: true, termType: 'xterm' })
    remote.stdin.write(`${'x'.repeat(1000)}\r`)
    for (let count = 0; count < 10; count++) remote.stdin.write('\x1b[A\r'.repeat(2000))
    await turns(1000)
    await remote.close()
    while (!hasEnded) await turns(1)
  })

  test('new sizes are drawn no faster than they are taken', async () => {
    const conn = await (
      await embedded({
        processFactory: async (process) => {
          await process.terminal?.readLine()
          process.exit(0)
        },
      })
    ).connect()
    const remote = await conn.createProcess(undefined, { requestPty: true, termType: 'xterm', termSize: [40, 24] })
    remote.stdin.write('x'.repeat(1000))
    // A line of a thousand characters is drawn anew for each, which nobody reads.
    for (let count = 0; count < 10_000; count++) {
      remote.resize(30 + (count % 20), 24)
      if (count % 100 === 0) await turns(5)
    }
    let taken = 0
    remote.stdout.on('data', (chunk: Buffer) => {
      taken += chunk.length
    })
    remote.stdin.write('\r')
    expect(await remote.wait()).toMatchObject({ exitStatus: 0 })
    expect(taken).toBeLessThan(4 << 20)
  })

  test('a size that came while nothing was taken is the one that lines are drawn for afterwards', async () => {
    const conn = await (
      await embedded({
        processFactory: async (process) => {
          process.stdout.write(Buffer.alloc(8 << 20, 'y'))
          await process.terminal?.readLine()
          process.exit(0)
        },
      })
    ).connect()
    const remote = await conn.createProcess(undefined, { requestPty: true, termType: 'xterm', termSize: [40, 24] })
    await turns(200)
    remote.resize(10, 24)
    await turns(50)
    let tail = ''
    remote.stdout.on('data', (chunk: Buffer) => {
      tail = (tail + chunk.toString()).slice(-200)
    })
    remote.stdin.write('x'.repeat(15))
    while (!tail.includes('xxxxx')) await turns(1)
    await turns(50)
    remote.stdin.write('\x01z\r')
    expect(await remote.wait()).toMatchObject({ exitStatus: 0 })
    // Going to the beginning of the line leads one row up at least: it is wider than the screen is now.
    expect(tail).toMatch(/\x1b\[[12]A/)
  })
})
