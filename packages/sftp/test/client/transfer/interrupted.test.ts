/** Transfers that end at any byte, and at any packet: by a cut, an abort, or a close. */

import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { memoryChannelPair } from '@ssh/testkit'
import { type ByteChannel, closedBy } from '@ssh/wire'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { InFlightBudget } from '../../../src/client/in-flight-budget.js'
import type { SftpTransferOptions } from '../../../src/client/options.js'
import { SftpClient } from '../../../src/client/sftp-client.js'
import { type MemoryFile, MemoryHandler } from '../../../src/server/memory-handler.js'
import { serveSftp } from '../../../src/server/serve-sftp.js'
import { openDescriptors } from '../../open-descriptors.js'
import { temporaryDirectory } from '../../temporary-directory.js'

/** Names and contents of the tree that is copied; the link is made last. */
const files: Readonly<Record<string, string>> = { empty: '', 'sub/b': 'content of b' }

/** Knows what is open. */
class Watched extends MemoryHandler {
  readonly open_ = new Set<MemoryFile>()

  override open(...args: Parameters<MemoryHandler['open']>): MemoryFile {
    const file = super.open(...args)
    this.open_.add(file)
    return file
  }

  override close(file: MemoryFile): void {
    this.open_.delete(file)
    super.close(file)
  }

  /** Whole content of a file, or undefined. */
  contentOf(path: string): string | undefined {
    try {
      const file = super.open(path, 1, {})
      const into = Buffer.alloc(1000)
      return into.toString('utf8', 0, super.read(file, into, 0))
    } catch {
      return undefined
    }
  }
}

/** Where a session is interrupted: before so many bytes, or packets, of one direction have passed. */
interface Place {
  readonly direction: 'to the server' | 'to the client'
  readonly after: number
  readonly unit: 'bytes' | 'writes'
}

type Interruption = 'cut' | 'abort' | 'close'

interface Session {
  readonly handler: Watched
  readonly client: Promise<SftpClient>
  readonly signal: AbortSignal
  /** Bytes and writes that passed in the direction. */
  readonly passed: () => { bytes: number; writes: number }
  readonly interrupted: () => boolean
  readonly ended: Promise<void>
}

function startSession(handler: Watched, place: Place, how: Interruption): Session {
  const [near, far] = memoryChannelPair({ schedule: setImmediate })
  const passed = { bytes: 0, writes: 0 }
  const controller = new AbortController()
  let isInterrupted = false
  let interrupt = (): void => {}
  const watched = (end: ByteChannel): ByteChannel => ({
    ...closedBy(end, () => end.close()),
    write(chunk) {
      if (isInterrupted && how === 'cut') return false
      const left = place.after - passed[place.unit]
      const size = place.unit === 'bytes' ? chunk.length : 1
      passed.bytes += chunk.length
      passed.writes++
      if (isInterrupted || size <= left) return end.write(chunk)
      isInterrupted = true
      if (how === 'cut' && left > 0) end.write(Buffer.from(chunk.subarray(0, left)))
      // What was written is delivered first.
      setImmediate(() => setImmediate(() => interrupt()))
      return how === 'cut' ? false : end.write(chunk)
    },
  })
  const isUp = place.direction === 'to the server'
  const session = serveSftp(isUp ? far : watched(far), handler)
  const client = SftpClient.start(isUp ? watched(near) : near)
  client.catch(() => {})
  interrupt = () => {
    if (how === 'cut') far.abort(new Error('cut'))
    if (how === 'abort') controller.abort(new Error('enough'))
    if (how === 'close') client.then((client) => client.close()).catch(() => {})
  }
  return {
    handler,
    client,
    signal: controller.signal,
    passed: () => passed,
    interrupted: () => isInterrupted,
    ended: session.closed,
  }
}

const budgets = new Set<InFlightBudget>()
beforeEach(() => {
  const original = InFlightBudget.prototype.tryAcquire
  vi.spyOn(InFlightBudget.prototype, 'tryAcquire').mockImplementation(function (this: InFlightBudget, byteCount) {
    budgets.add(this)
    return original.call(this, byteCount)
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  budgets.clear()
})

/** What goes wrong names what it went wrong with, and how. */
function assertTyped(failure: unknown, how: Interruption, wasStarted: boolean): void {
  if (how === 'abort') {
    expect(failure).toMatchObject({ code: 'ABORT_ERR', cause: new Error('enough') })
    return
  }
  const code = how === 'cut' ? 'ERR_SFTP_CONNECTION_LOST' : 'ERR_SFTP_CLOSED'
  expect(failure).toMatchObject({ name: 'SftpError', code })
  if (!wasStarted) return
  const { path, srcpath, dstpath } = failure as { path?: string; srcpath?: string; dstpath?: string }
  expect(path ?? srcpath ?? dstpath, `a path in ${String(failure)}`).toEqual(expect.any(String))
}

async function plantedHandler(): Promise<Watched> {
  const handler = new Watched()
  const [near, far] = memoryChannelPair()
  serveSftp(far, handler)
  const client = await SftpClient.start(near)
  await client.makedirs('/tree/sub')
  for (const [name, content] of Object.entries(files)) await client.writeFile(`/tree/${name}`, content)
  await client.symlink('a', '/tree/link')
  await client.makedirs('/doomed/dir')
  await client.writeFile('/renamed', '')
  await client.close()
  return handler
}

function plantedDirectory(): string {
  const directory = temporaryDirectory()
  mkdirSync(join(directory, 'tree/sub'), { recursive: true })
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, 'tree', name), content)
  symlinkSync('a', join(directory, 'tree/link'))
  return directory
}

/** Runs `transfer` with an interruption at each place until one comes after its end. @returns how many there were */
async function atEachPlace(
  place: Omit<Place, 'after'>,
  how: Interruption,
  run: (place: Place) => Promise<{ session: Session; failure: unknown }>,
): Promise<number> {
  const before = openDescriptors()
  for (let after = 0; ; after++) {
    const { session, failure } = await run({ ...place, after })
    const isOver = !session.interrupted()
    const client = await session.client.catch(() => undefined)
    if (failure !== undefined) assertTyped(failure, how, client !== undefined)
    if (isOver) expect(failure).toBe(undefined)
    await expect.poll(() => session.handler.open_.size, { interval: 1 }).toBe(0)
    for (const { used } of budgets) expect(used).toBe(0)
    budgets.clear()
    if (how === 'abort' && failure !== undefined && client !== undefined) {
      // One that was only given up goes on as if nothing had been.
      expect(await client.exists('/')).toBe(true)
    }
    await client?.close()
    await session.ended
    if (!isOver) continue
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
    return after
  }
}

const cases: readonly [string, Interruption, Omit<Place, 'after'>][] = [
  ['cut at any byte to the server', 'cut', { direction: 'to the server', unit: 'bytes' }],
  ['cut at any byte to the client', 'cut', { direction: 'to the client', unit: 'bytes' }],
  ['aborted at any request', 'abort', { direction: 'to the server', unit: 'writes' }],
  ['aborted at any reply', 'abort', { direction: 'to the client', unit: 'writes' }],
  ['closed at any request', 'close', { direction: 'to the server', unit: 'writes' }],
  ['closed at any reply', 'close', { direction: 'to the client', unit: 'writes' }],
]
const ways: readonly [string, SftpTransferOptions][] = [
  ['plainly', {}],
  ['with everything', { atomic: true, verify: true, preserve: true }],
]

describe.each(cases)('R17, R18: %s', (_name, how, where) => {
  test.each(ways)(
    'a tree that is fetched %s settles, and no half file is there',
    async (_way, options) => {
      const handler = await plantedHandler()
      const directory = temporaryDirectory()
      const target = join(directory, 'copy')
      const places = await atEachPlace(where, how, async (place) => {
        const session = startSession(handler, place, how)
        const { signal } = session
        const failure = await session.client
          .then((client) => client.get('/tree', target, { recurse: true, signal, ...options }))
          .then(() => undefined)
          .catch((error: unknown) => error)
        for (const [name, content] of Object.entries(files)) {
          const there = contentIfThere(join(target, name))
          if (there !== undefined || failure === undefined) expect(there, name).toBe(content)
        }
        const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
        const known = ['copy', 'copy/link', 'copy/sub', ...Object.keys(files).map((name) => `copy/${name}`)]
        expect(known).toEqual(expect.arrayContaining(names))
        rmSync(target, { recursive: true, force: true })
        return { session, failure }
      })
      expect(places).toBeGreaterThan(where.unit === 'bytes' ? 300 : 9)
    },
    60_000,
  )

  test.each(ways)(
    'a tree that is sent %s settles, and leaves nothing open',
    async (_way, options) => {
      const directory = plantedDirectory()
      const places = await atEachPlace(where, how, async (place) => {
        const handler = new Watched()
        const session = startSession(handler, place, how)
        const { signal } = session
        const failure = await session.client
          .then((client) => client.put(join(directory, 'tree'), '/copy', { recurse: true, signal, ...options }))
          .then(() => undefined)
          .catch((error: unknown) => error)
        for (const [name, content] of Object.entries(files)) {
          const there = handler.contentOf(`/copy/${name}`)
          if (failure === undefined) expect(there, name).toBe(content)
          else if (options.atomic) expect([undefined, content], name).toContain(there)
          else expect(content.startsWith(there ?? ''), name).toBe(true)
        }
        return { session, failure }
      })
      expect(places).toBeGreaterThan(where.unit === 'bytes' ? 300 : 9)
    },
    60_000,
  )
})

describe.each(['to the server', 'to the client'] as const)(
  'R18: every call side by side, cut at any byte %s,',
  (direction) => {
    test('settles with what it was about, and leaves nothing open', async () => {
      const local = temporaryDirectory()
      const calls: ((client: SftpClient) => Promise<unknown>)[] = [
        (client) => client.stat('/tree/empty'),
        (client) => client.readFile('/tree/sub/b'),
        (client) => client.writeFile('/written', 'content'),
        (client) => client.listdir('/tree'),
        async (client) => client.glob('/tree/**'),
        (client) => client.makedirs('/made/in/there'),
        (client) => client.rmtree('/doomed'),
        (client) => client.copy('/tree/sub/b', '/copied'),
        (client) => client.mget('/tree/sub/*', local),
        (client) => client.realpath('/tree/../tree/link'),
        (client) => client.rename('/renamed', '/again'),
        async (client) => {
          const file = await client.open('/opened', 'w+')
          await file.write('0123456789')
          await file.read(5, 5)
          await file.close()
        },
        (client) => pipeline(client.createReadStream('/tree/sub/b'), new PassThrough().resume()),
        (client) => pipeline(Readable.from([Buffer.from('streamed')]), client.createWriteStream('/streamed')),
        (client) => client.get('/tree/sub/b', new PassThrough().resume()),
        (client) => client.put(Readable.from([Buffer.from('streamed')]), '/put'),
      ]
      const settled = new Set<number>()
      const places = await atEachPlace({ direction, unit: 'bytes' }, 'cut', async (place) => {
        const handler = await plantedHandler()
        const session = startSession(handler, place, 'cut')
        const client = await session.client.catch(() => undefined)
        const results = client === undefined ? [] : await Promise.allSettled(calls.map((call) => call(client)))
        for (const [index, result] of results.entries()) {
          if (result.status === 'fulfilled') settled.add(index)
          else assertTyped(result.reason, 'cut', true)
        }
        return { session, failure: undefined }
      })
      expect(places).toBeGreaterThan(1000)
      expect(settled.size).toBe(calls.length)
    }, 120_000)
  },
)

function contentIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
