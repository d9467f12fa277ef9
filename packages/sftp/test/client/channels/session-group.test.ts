/** Uploads through several channels, against servers of the same directory. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type MemoryChannel, memoryChannelPair, seededRandom } from '@ssh/testkit'
import { type ByteChannel, closedBy } from '@ssh/wire'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { SftpClientOptions } from '../../../src/client/options.js'
import { SftpClient } from '../../../src/client/sftp-client.js'
import type { SftpAttrs } from '../../../src/protocol/attrs.js'
import { serveSftp } from '../../../src/server/serve-sftp.js'
import { type ServerFile, SftpServer } from '../../../src/server/sftp-server.js'
import { temporaryDirectory } from '../../temporary-directory.js'

const mebibyte = 1024 * 1024

/** A server of one channel that tells what happened on it. */
class Lane extends SftpServer {
  opened: string[] = []
  writes = 0
  closed = 0

  override async open(path: string, flags: number, attrs: SftpAttrs): Promise<ServerFile> {
    const file = await super.open(path, flags, attrs)
    this.opened.push(path)
    return file
  }

  override async write(file: ServerFile, data: Uint8Array, position: number): Promise<void> {
    this.writes++
    await super.write(file, data, position)
  }

  override async close(file: ServerFile): Promise<void> {
    this.closed++
    await super.close(file)
  }
}

interface Setup {
  readonly client: SftpClient
  readonly directory: string
  /** One for each channel, the client's first. */
  readonly lanes: Lane[]
  /** The servers' ends of the channels. */
  readonly ends: MemoryChannel[]
  readonly asked: () => number
}

interface Options extends Pick<SftpClientOptions, 'maximumChannels'> {
  /** Whether the window of the first channel is the limit. Default true. */
  readonly isWindowLimited?: boolean
  /** Channels that the server lets be opened beside the first. */
  readonly allowed?: number
  /** The server of the n-th channel. */
  readonly lane?: (index: number, root: string) => Lane
}

async function setup(options: Options = {}): Promise<Setup> {
  const { isWindowLimited = true, allowed = 100, lane = (_, root) => new Lane({ root }), ...clientOptions } = options
  const directory = temporaryDirectory()
  const lanes: Lane[] = []
  const ends: MemoryChannel[] = []
  const open = (): ByteChannel => {
    const [near, far] = memoryChannelPair({ schedule: setImmediate })
    const handler = lane(lanes.length, directory)
    lanes.push(handler)
    ends.push(far)
    serveSftp(far, handler)
    return { ...closedBy(near, () => near.close()), isWindowLimited }
  }
  let asked = 0
  const openChannel = async (): Promise<ByteChannel> => {
    asked++
    if (asked > allowed) throw new Error('No more sessions')
    return open()
  }
  const client = await SftpClient.start(open(), { openChannel, ...clientOptions })
  onTestFinished(() => client.close())
  return { client, directory, lanes, ends, asked: () => asked }
}

function source(size: number): { path: string; bytes: Buffer } {
  const bytes = Buffer.from(seededRandom('lanes').bytes(size))
  const path = join(temporaryDirectory(), 'source')
  writeFileSync(path, bytes)
  return { path, bytes }
}

const writesOf = (lanes: readonly Lane[]): number[] => lanes.map(({ writes }) => writes)

/** Well before sessions that nobody uses are closed, and all their handles with them. */
async function allClosed(lanes: readonly Lane[]): Promise<void> {
  const isOpen = ({ opened, closed }: Lane) => closed < opened.length
  for (let turn = 0; turn < 5000 && lanes.some(isOpen); turn++) await new Promise(setImmediate)
  expect(lanes.map(({ closed }) => closed)).toEqual(lanes.map(({ opened }) => opened.length))
}

describe('where the server\u2019s window is the limit', () => {
  test('a large file is written through six channels, and nothing stays open', async () => {
    const { client, directory, lanes, ends } = await setup()
    const { path, bytes } = source(40 * mebibyte)
    await client.put(path, '/file')
    expect(readFileSync(join(directory, 'file')).equals(bytes)).toBe(true)
    expect(lanes).toHaveLength(6)
    expect(Math.min(...writesOf(lanes))).toBeGreaterThan(0)
    for (const { opened, closed } of lanes) expect([opened, closed]).toEqual([['/file'], 1])
    await client.close()
    await vi.waitFor(() => expect(ends.every(({ isClosed }) => isClosed)).toBe(true))
  })

  test('many files share the channels, each with one of them', async () => {
    const { client, directory, lanes } = await setup()
    const { path, bytes } = source(mebibyte)
    await client.mkdir('/files')
    for (let round = 0; round < 2; round++) {
      const puts = Array.from({ length: 12 }, (_, index) => client.put(path, `/files/${round}-${index}`))
      await Promise.all(puts)
    }
    for (let index = 0; index < 12; index++) {
      expect(readFileSync(join(directory, 'files', `1-${index}`)).equals(bytes)).toBe(true)
    }
    expect(lanes).toHaveLength(6)
    expect(lanes.reduce((sum, { opened }) => sum + opened.length, 0)).toBe(24)
    expect(Math.min(...lanes.map(({ opened }) => opened.length))).toBeGreaterThan(0)
  })

  test('a channel that is refused is done without, and not asked for again', async () => {
    const { client, directory, lanes, asked } = await setup({ allowed: 2 })
    const { path, bytes } = source(24 * mebibyte)
    await client.put(path, '/first')
    await client.put(path, '/second')
    expect(readFileSync(join(directory, 'second')).equals(bytes)).toBe(true)
    expect([lanes.length, asked()]).toEqual([3, 5])
  })

  test('a file that cannot be opened twice is written through the one channel', async () => {
    class Exclusive extends Lane {
      override async open(path: string, flags: number, attrs: SftpAttrs): Promise<ServerFile> {
        if (this.#index > 0) throw Object.assign(new Error('in use'), { code: 'EACCES' })
        return super.open(path, flags, attrs)
      }
      readonly #index: number
      constructor(index: number, root: string) {
        super({ root })
        this.#index = index
      }
    }
    const { client, directory, lanes } = await setup({ lane: (index, root) => new Exclusive(index, root) })
    const { path, bytes } = source(24 * mebibyte)
    await client.put(path, '/file')
    expect(readFileSync(join(directory, 'file')).equals(bytes)).toBe(true)
    expect(writesOf(lanes).slice(1)).toEqual([0, 0, 0, 0, 0])
  })

  test('a channel that is lost fails the transfer, which keeps what is there without a hole', async () => {
    class Breaking extends Lane {
      override async write(file: ServerFile, data: Uint8Array, position: number): Promise<void> {
        await super.write(file, data, position)
        if (this.writes === 5 && this.opened.length > 0) this.onFifth?.()
      }
      onFifth: (() => void) | undefined
    }
    const broken = new Set<number>()
    const made = await setup({
      lane: (index, root) => {
        const lane = new Breaking({ root })
        if (index === 2) lane.onFifth = () => breakOff(index)
        return lane
      },
    })
    const { client, directory, lanes, ends } = made
    function breakOff(index: number): void {
      broken.add(index)
      ends[index]?.abort()
    }
    const { path, bytes } = source(64 * mebibyte)
    await expect(client.put(path, '/file')).rejects.toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST' })
    expect([...broken]).toEqual([2])
    const kept = readFileSync(join(directory, 'file'))
    expect(kept.length).toBeLessThan(bytes.length)
    expect(kept.equals(bytes.subarray(0, kept.length))).toBe(true)
    await allClosed(lanes)
    // The client itself is as good as before.
    await client.put(path, '/again')
    expect(readFileSync(join(directory, 'again')).equals(bytes)).toBe(true)
  })

  test('a file that takes the place of another between two opens is noticed', async () => {
    class Misled extends Lane {
      override open(path: string, flags: number, attrs: SftpAttrs): Promise<ServerFile> {
        return super.open(this.isMisled ? '/other' : path, flags, attrs)
      }
      isMisled = false
    }
    const { client, directory } = await setup({
      maximumChannels: 2,
      lane: (index, root) => {
        const lane = new Misled({ root })
        lane.isMisled = index === 1
        return lane
      },
    })
    writeFileSync(join(directory, 'other'), Buffer.alloc(100 * mebibyte))
    const { path } = source(24 * mebibyte)
    await expect(client.put(path, '/file')).rejects.toMatchObject({ code: 'ERR_SFTP_FILE_CHANGED' })
  })

  test('an abort closes every handle', async () => {
    const controller = new AbortController()
    class Aborting extends Lane {
      override async write(file: ServerFile, data: Uint8Array, position: number): Promise<void> {
        await super.write(file, data, position)
        if (position > 40 * mebibyte) controller.abort()
      }
    }
    const { client, lanes } = await setup({ lane: (_, root) => new Aborting({ root }) })
    const { path } = source(64 * mebibyte)
    await expect(client.put(path, '/file', { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORT_ERR' })
    expect(lanes).toHaveLength(6)
    await allClosed(lanes)
  })
})

describe('one channel does everything', () => {
  test.each([
    ['where its window is not the limit', { isWindowLimited: false }, 24 * mebibyte],
    ['where no more are allowed', { maximumChannels: 1 }, 24 * mebibyte],
  ])('%s', async (_, options, size) => {
    const { client, directory, lanes, asked } = await setup(options)
    const { path, bytes } = source(size)
    await client.put(path, '/file')
    expect(readFileSync(join(directory, 'file')).equals(bytes)).toBe(true)
    expect([lanes.length, asked()]).toEqual([1, 0])
  })

  test.each([0, 1.5, -1])('and %s channels are none', async (maximumChannels) => {
    await expect(setup({ maximumChannels })).rejects.toMatchObject({ code: 'EINVAL' })
  })
})

describe('channels that nobody uses', () => {
  test('are not closed while a file is being opened on one of them', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const openings: (() => void)[] = []
    let isSlow = false
    class Slow extends Lane {
      override async open(path: string, flags: number, attrs: SftpAttrs): Promise<ServerFile> {
        if (isSlow) await new Promise<void>((resolve) => openings.push(resolve))
        return super.open(path, flags, attrs)
      }
    }
    const { client, directory } = await setup({ maximumChannels: 2, lane: (_, root) => new Slow({ root }) })
    const { path, bytes } = source(24 * mebibyte)
    await client.put(path, '/large')
    isSlow = true
    // The main session has something to do, so that the other one is chosen.
    const first = client.open('/first', 'w')
    await vi.waitFor(() => expect(openings).toHaveLength(1))
    const putting = client.put(Buffer.from('small'), '/small')
    putting.catch(() => {})
    await vi.waitFor(() => expect(openings).toHaveLength(2))
    await vi.advanceTimersByTimeAsync(10_000)
    for (const open of openings) open()
    await putting
    await first
    expect(readFileSync(join(directory, 'small'), 'utf8')).toBe('small')
    expect(readFileSync(join(directory, 'large')).equals(bytes)).toBe(true)
  })

  test('and never answer are let go with the client', async () => {
    const directory = temporaryDirectory()
    const [near, far] = memoryChannelPair({ schedule: setImmediate })
    serveSftp(far, new Lane({ root: directory }))
    const silent: MemoryChannel[] = []
    const openChannel = async (): Promise<ByteChannel> => {
      const [mine, theirs] = memoryChannelPair({ schedule: setImmediate })
      theirs.attach({})
      silent.push(mine)
      return mine
    }
    const main = { ...closedBy(near, () => near.close()), isWindowLimited: true }
    const client = await SftpClient.start(main, { openChannel, maximumChannels: 3 })
    const { path, bytes } = source(12 * mebibyte)
    await client.put(path, '/file')
    expect(readFileSync(join(directory, 'file')).equals(bytes)).toBe(true)
    expect(silent).toHaveLength(2)
    await client.close()
    await vi.waitFor(() => expect(silent.every(({ isClosed }) => isClosed)).toBe(true))
  })
})

describe('several channels of which one', () => {
  /** Does something else on the n-th WRITE of the third channel. */
  class Odd extends Lane {
    onWrite: ((count: number) => Promise<void> | void) | undefined

    override async write(file: ServerFile, data: Uint8Array, position: number): Promise<void> {
      await this.onWrite?.(this.writes + 1)
      await super.write(file, data, position)
    }
  }
  const withOdd = (onWrite: (count: number) => Promise<void> | void) =>
    setup({
      lane: (index, root) => {
        const lane = new Odd({ root })
        if (index === 2) lane.onWrite = onWrite
        return lane
      },
    })

  test('is refused a WRITE fail with its place, and keep what is there without a hole', async () => {
    let refused = 0
    const { client, directory, lanes } = await withOdd((count) => {
      if (count === 4 && refused++ === 0) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    })
    const { path, bytes } = source(48 * mebibyte)
    const failure = await client.put(path, '/file').catch((error: unknown) => error)
    expect(failure).toMatchObject({ path: '/file', srcpath: path, dstpath: '/file' })
    const { offset, written } = (failure as { details: { offset: number; written: number } }).details
    expect(offset).toBeGreaterThanOrEqual(written)
    const kept = readFileSync(join(directory, 'file'))
    expect(kept.length).toBe(written)
    expect(kept.equals(bytes.subarray(0, written))).toBe(true)
    await allClosed(lanes)
    await client.put(path, '/file', { resume: true })
    expect(readFileSync(join(directory, 'file')).equals(bytes)).toBe(true)
  })

  test('is slow write everything, and most of it by the others', async () => {
    const { client, directory, lanes } = await withOdd(async () => {
      for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
    })
    const { path, bytes } = source(40 * mebibyte)
    await client.put(path, '/file')
    expect(readFileSync(join(directory, 'file')).equals(bytes)).toBe(true)
    const writes = writesOf(lanes)
    expect(writes[2]).toBeLessThan(Math.max(...writes))
    await allClosed(lanes)
  })

  test('opens the file only when it is written is closed again', async () => {
    let open: (() => void) | undefined
    class Late extends Lane {
      override async open(path: string, flags: number, attrs: SftpAttrs): Promise<ServerFile> {
        await new Promise<void>((resolve) => {
          open = resolve
        })
        return super.open(path, flags, attrs)
      }
    }
    const { client, directory, lanes } = await setup({
      maximumChannels: 2,
      lane: (index, root) => (index === 0 ? new Lane({ root }) : new Late({ root })),
    })
    const { path, bytes } = source(24 * mebibyte)
    await client.put(path, '/file')
    expect(readFileSync(join(directory, 'file')).equals(bytes)).toBe(true)
    await vi.waitFor(() => expect(open).toBeDefined())
    open?.()
    for (let turn = 0; turn < 5000 && lanes[1]?.opened.length !== 1; turn++) await new Promise(setImmediate)
    expect(lanes[1]?.opened).toEqual(['/file'])
    await allClosed(lanes)
  })

  test('answers nothing are given up by an abort, and closed by a close', async () => {
    for (const way of ['abort', 'close'] as const) {
      const controller = new AbortController()
      const made = await withOdd((count) => {
        if (count < 3) return undefined
        if (way === 'abort') controller.abort(new Error('enough'))
        else void made.client.close()
        return new Promise(() => {})
      })
      const { path } = source(48 * mebibyte)
      const code = way === 'abort' ? 'ABORT_ERR' : 'ERR_SFTP_CLOSED'
      await expect(made.client.put(path, '/file', { signal: controller.signal })).rejects.toMatchObject({ code })
    }
  })
})
