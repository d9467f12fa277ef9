import { once } from 'node:events'
import { createServer } from 'node:net'
import { platform } from 'node:os'
import type { Duplex } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ChildStream } from '../../src/io/child-stream.js'
import type { LogEntry } from '../../src/log.js'

/** A Node of its own that runs this. */
const node = (script: string) => [process.execPath, '-e', script]
const echo = node('process.stdin.pipe(process.stdout)')

async function readAll(stream: Duplex): Promise<string> {
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += chunk
  return text
}

const closed = (stream: Duplex) => (stream.closed ? Promise.resolve() : once(stream, 'close'))

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** The first thing that a program says: its own number. */
async function pidOf(stream: ChildStream): Promise<number> {
  const [chunk] = await once(stream, 'data')
  return Number(String(chunk))
}

describe('a program as a stream', () => {
  test('carries bytes both ways, ends pass, and it is closed when the program is gone', async () => {
    const stream = await ChildStream.open(echo)
    stream.write(Buffer.alloc(300_000, 'x'))
    stream.end('end')
    const text = await readAll(stream)
    expect([text.length, text.slice(-4)]).toEqual([300_003, 'xend'])
    await closed(stream)
    expect(stream.errored).toBeNull()
  })

  test('holds the program back while nobody reads', async () => {
    const script = 'let n = 0; const go = () => { while (process.stdout.write(Buffer.alloc(65536))) n++ }; go();'
    const stream = await ChildStream.open(
      node(`${script} process.stdout.on("drain", go); process.stdin.on("end", () => process.exit()).resume()`),
    )
    await once(stream, 'readable')
    // What the stream and the pipe hold, and no more.
    expect(stream.readableLength).toBeLessThan(1024 * 1024)
    stream.destroy()
    await closed(stream)
  })

  test('ends a program that goes when its input ends', async () => {
    const stream = await ChildStream.open(node('process.stdout.write(String(process.pid)); process.stdin.resume()'))
    const pid = await pidOf(stream)
    stream.end()
    await once(stream, 'finish')
    stream.destroy()
    await closed(stream)
    expect(isAlive(pid)).toBe(false)
  })

  test('ends at once a program that was not done, and at last one that ignores every hint', async () => {
    const deaf =
      'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); process.stdout.write(String(process.pid))'
    for (const script of ['setInterval(() => {}, 1000); process.stdout.write(String(process.pid))', deaf]) {
      const stream = await ChildStream.open(node(script), { graceMs: 50 })
      const pid = await pidOf(stream)
      stream.destroy()
      await closed(stream)
      expect(isAlive(pid)).toBe(false)
    }
  })

  test('says how it ended and what it said last', async () => {
    const entries: LogEntry[] = []
    const logger = { debug: (entry: LogEntry) => void entries.push(entry) }
    const script = 'process.stderr.write("x".repeat(5000) + "\\x1b[2Jno route\\n", () => process.exit(7))'
    const stream = await ChildStream.open(node(script), { logger })
    expect(await readAll(stream)).toBe('')
    const { failure } = stream
    expect(failure).toMatchObject({
      name: 'ConnectError',
      code: 'ERR_SSH_CONNECT_PROXY_COMMAND_FAILED',
      message: expect.stringContaining('ended with status 7 before the connection was up; it said: '),
      details: { exitStatus: 7 },
    })
    expect(failure?.message).toContain('\\x1b[2Jno route')
    expect(String(failure?.details.stderr).length).toBeLessThan(1100)
    await closed(stream)
    expect(entries).toContainEqual(expect.objectContaining({ event: 'proxy-command-ended', status: 7 }))
    expect(entries).toContainEqual(expect.objectContaining({ event: 'proxy-command-said' }))
  })

  test('says by which signal it ended', async () => {
    const stream = await ChildStream.open(node('process.kill(process.pid, "SIGKILL")'))
    await readAll(stream)
    expect(stream.failure?.message).toContain('was ended by SIGKILL')
  })

  test('survives writes to a program that does not read', async () => {
    const stream = await ChildStream.open(node('process.stdin.destroy(); process.exit(3)'))
    stream.write(Buffer.alloc(1_000_000))
    await readAll(stream)
    expect(stream.failure?.details.exitStatus).toBe(3)
    await closed(stream)
  })

  test('fails when it cannot be run, or is not wanted any more', async () => {
    await expect(ChildStream.open(['/no/such/program'])).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_PROXY_COMMAND_FAILED',
      message: expect.stringContaining('The proxy command (/no/such/program) cannot be run'),
      cause: expect.objectContaining({ code: 'ENOENT' }),
    })
    await expect(ChildStream.open(['with\0zero'])).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_PROXY_COMMAND_FAILED',
    })
    await expect(ChildStream.open(echo, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORT_ERR' })
    const controller = new AbortController()
    const opening = ChildStream.open(echo, { signal: controller.signal })
    controller.abort()
    await expect(opening).rejects.toMatchObject({ code: 'ABORT_ERR' })
  })
})

test.runIf(platform() === 'linux')('a program sees its standard descriptors only (H11)', async () => {
  // Sockets of this process, which a program must not inherit.
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const stream = await ChildStream.open(['sh', '-c', 'ls /proc/$$/fd'])
  // The shell itself may hold what it reads its script from, beyond the first ten.
  const open = (await readAll(stream)).split(/\s+/).filter((fd) => fd !== '' && Number(fd) < 10)
  expect(open).toEqual(['0', '1', '2'])
})

test.runIf(platform() !== 'win32')('text is a command of the shell, which the command replaces', async () => {
  const stream = await ChildStream.open(`${process.execPath} -e 'process.stdout.write(String(process.ppid))' 2>&1`)
  expect(await readAll(stream)).toBe(String(process.pid))
})
