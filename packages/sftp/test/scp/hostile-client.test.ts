/** What a client of our SCP server can try that is not about names: see serve-scp.test.ts for those. */

import { memoryChannelPair } from '@ssh/testkit'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SftpError } from '../../src/errors.js'
import type { SftpAttrs } from '../../src/protocol/attrs.js'
import { parseScpCommand } from '../../src/scp/command.js'
import { isPattern } from '../../src/scp/name-pattern.js'
import { serveScp } from '../../src/scp/serve-scp.js'
import { auditFiles } from '../../src/server/audit-files.js'
import type { SftpHandler } from '../../src/server/handler.js'
import { type MemoryFile, MemoryHandler } from '../../src/server/memory-handler.js'

/** Serves a command to a client that does nothing yet. */
function serve<F>(handler: SftpHandler<F>, text: string, windowSize?: number) {
  const command = parseScpCommand(text)
  if (command === undefined) throw new Error('no command')
  const [near, far] = memoryChannelPair(windowSize === undefined ? {} : { windowSize, highWaterMark: 1000 })
  const status = serveScp(far, handler, command).then((exitStatus) => {
    far.close()
    return exitStatus
  })
  onTestFinished(() => near.abort())
  return { near, far, status }
}

/** What a client hears that says `text` (latin1) and no more. */
async function hear<F>(handler: SftpHandler<F>, command: string, text: string) {
  const { near, status } = serve(handler, command)
  let heard = ''
  near.attach({
    onData(chunk) {
      heard += Buffer.from(chunk).toString('latin1')
      near.release(chunk.length)
    },
  })
  near.write(Buffer.from(text, 'latin1'))
  near.end()
  return { status: await status, heard }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function processorTimeMs(work: () => unknown): Promise<number> {
  const start = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

/** A tree of `count` directories, nothing in them. */
function directories(count: number): MemoryHandler {
  const handler = new MemoryHandler()
  for (let index = 0; index < count; index++) handler.mkdir(`d${index}`, {})
  return handler
}

describe('a client that reads no answers', () => {
  test.each([
    ['yes', 'T1 0 1 0\n', 'scp -t x'],
    // Each answer is some hundred times as long as what it answers.
    ['no', 'C0644 0 x\n', `scp -t ${'y'.repeat(4000)}/z`],
  ])('is not read either, when the answer is %s', async (_, record, command) => {
    const { near, far } = serve(new MemoryHandler(), command, 10_000)
    near.attach({ onData: () => {} })
    near.write(Buffer.from(record.repeat(20_000)))
    for (let turns = 0; turns < 100; turns++) await turn()
    expect(far.queued).toBeLessThan(20_000)
    expect(near.queued).toBeGreaterThan(0)
  })
})

describe('a command made to be slow', () => {
  test.each([
    ['brackets that nothing closes', '['.repeat(100_000)],
    ['brackets that a quoted one does not close', `${'['.repeat(100_000)}\\]`],
    ['brackets whose class does not close them', `${'['.repeat(100_000)}[:alpha:]`],
    ['brackets with a class each', '[[:alpha:]'.repeat(10_000)],
    ['many parts', 'a/'.repeat(60_000)],
    ['many parts and a pattern', `${'a/'.repeat(60_000)}*`],
    ['many patterns', '*/'.repeat(60_000)],
    ['many stars', '*a'.repeat(60_000)],
  ])('is not: %s', async (_, pattern) => {
    const handler = directories(100)
    expect(await processorTimeMs(() => hear(handler, `scp -f ${pattern}`, '\0'))).toBeLessThan(2000)
    expect(await processorTimeMs(() => isPattern(pattern))).toBeLessThan(2000)
  })

  test('and what a pattern finds is bounded: up and down again finds everything many times', async () => {
    const { status, heard } = await hear(directories(10), `scp -r -f ${'*/../'.repeat(12)}*`, '\0')
    expect([status, heard.slice(-40)]).toEqual([1, expect.stringMatching(/: Argument list too long\n$/)])
  })

  test('nor is one bounded that finds a directory of many names', async () => {
    const handler = directories(20_000)
    const { heard } = await hear(handler, 'scp -f d*', '\0')
    // Directories without -r: each is told of.
    expect(heard.split('\n').length).toBe(20_001)
  })
})

/** Tells how many files are open, and whether it was ended while some were. */
class Counting extends MemoryHandler {
  open_ = 0
  endedWith: number | undefined

  override open(path: string, flags: number, attrs: SftpAttrs): MemoryFile {
    const file = super.open(path, flags, attrs)
    this.open_++
    return file
  }

  override close(file: MemoryFile): Promise<void> {
    return turn().then(() => {
      super.close(file)
      this.open_--
    }) as never
  }

  end(): void {
    this.endedWith = this.open_
  }
}

function fill(handler: MemoryHandler, path: string, size: number): void {
  const file = MemoryHandler.prototype.open.call(handler, path, 0x1a, {})
  handler.write(file, Buffer.alloc(size, 'x'), 0)
}

describe('every file is closed before the command ends', () => {
  test('when files were sent', async () => {
    const handler = new Counting()
    for (const name of ['a', 'b', 'c']) fill(handler, name, 10)
    const { status } = await hear(handler, 'scp -f a b c', '\0'.repeat(7))
    expect([status, handler.open_, handler.endedWith]).toEqual([0, 0, 0])
  })

  test('when a client that is sent something goes away after any answer, however it goes', async () => {
    for (const how of ['end', 'close', 'abort'] as const) {
      for (let answers = 0; answers <= 10; answers++) {
        const handler = new Counting()
        handler.mkdir('d', {})
        for (const name of ['d/a', 'd/b']) fill(handler, name, 3_000_000)
        const { near, status } = serve(handler, 'scp -r -p -f d')
        near.attach({ onData: (chunk) => near.release(chunk.length) })
        near.write(Buffer.alloc(answers))
        await turn()
        near[how]()
        await status
        expect([how, answers, handler.open_, handler.endedWith]).toEqual([how, answers, 0, 0])
      }
    }
  })
})

describe('what a handler throws or answers', () => {
  test('a path of the machine in an error is not told', async () => {
    class Leaking extends MemoryHandler {
      override stat(): never {
        throw new SftpError('EACCES', 'no', { path: '/real/secret' })
      }
      override open(): never {
        throw new SftpError('EACCES', 'no', { path: '/real/secret' })
      }
      override lstat = this.stat
    }
    for (const command of ['scp -t x', 'scp -d -t x', 'scp -f x', 'scp -r -f x']) {
      const { heard } = await hear(new Leaking(), command, '\0C0644 0 x\n\0')
      expect(heard).toMatch(/x: Permission denied\n/)
      expect(heard).not.toContain('secret')
    }
  })

  test.each([
    ['-1', -1],
    ['more than was asked for', 10_000_000],
    ['no number', Number.NaN],
    ['a half', 0.5],
  ])('a count of bytes that cannot be is the end of the file, and of nothing else: %s', async (_, count) => {
    class Wrong extends MemoryHandler {
      override read(): number {
        return count
      }
    }
    const handler = new Wrong()
    fill(handler, 'a', 5)
    const { status, heard } = await hear(handler, 'scp -f a', '\0\0\0\0')
    expect([status, heard]).toEqual([1, 'C0644 5 a\n\0\0\0\0\0\x01scp: Failure\n'])
  })

  test('a handler whose end throws ends the command all the same', async () => {
    class Bad extends MemoryHandler {
      end(): never {
        throw new Error('no')
      }
    }
    expect((await hear(new Bad(), 'scp -t .', '')).status).toBe(1)
  })
})

test('an audit sees what SCP does, and what it refuses', async () => {
  const seen: string[] = []
  const memory = new MemoryHandler()
  const handler = auditFiles(memory, ({ request, path, code = 'ok', total }) => {
    if (request !== 'stat' && request !== 'lstat')
      seen.push([request, path, code, total?.read, total?.written].join(' '))
  })
  await hear(handler, 'scp -r -p -t .', 'D0755 0 d\nC0644 5 x\nhello\0E\n')
  await hear(handler, 'scp -f d/* none', '\0\0\0')
  await hear(handler, 'scp -t d/half', 'C0644 5 x\nhe')
  expect(seen).toEqual([
    'mkdir ./d ok  ',
    'open ./d/x ok  ',
    'fsetstat ./d/x ok  ',
    'close ./d/x ok 0 5',
    'setstat ./d ok  ',
    'opendir d ok  ',
    'open d/x ok  ',
    'close d/x ok 5 0',
    'open d/half ok  ',
    'close d/half ok 0 0',
    'remove d/half ok  ',
  ])
  const [near, far] = memoryChannelPair()
  const command = parseScpCommand('scp -t x') ?? expect.fail()
  near.attach({})
  await serveScp(far, handler, command, { readOnly: true })
  expect(seen.at(-1)).toBe('open x EROFS  ')
})
