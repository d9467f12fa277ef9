import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GatheredCalls } from '../../src/client/gathered-calls.js'

/** What the system was asked for, and how much it moves at most. */
const system = vi.hoisted(() => ({ calls: [] as { position: number; lengths: number[] }[], most: Infinity }))

vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>()
  type Done = (error: Error | null, byteCount: number) => void
  const cut = (bytes: Uint8Array) => bytes.subarray(0, Math.min(bytes.length, system.most))
  const noted = (views: readonly Uint8Array[], position: number): Uint8Array[] => {
    system.calls.push({ position, lengths: views.map(({ length }) => length) })
    return views.slice(0, system.most === Infinity ? views.length : 1).map(cut)
  }
  return {
    ...fs,
    read: (fd: number, bytes: Buffer, _offset: number, _length: number, position: number, done: Done) =>
      fs.readv(fd, noted([bytes], position), position, done),
    write: (fd: number, bytes: Buffer, _offset: number, _length: number, position: number, done: Done) =>
      fs.writev(fd, noted([bytes], position), position, done),
    readv: (fd: number, views: Uint8Array[], position: number, done: Done) =>
      fs.readv(fd, noted(views, position), position, done),
    writev: (fd: number, views: Uint8Array[], position: number, done: Done) =>
      fs.writev(fd, noted(views, position), position, done),
  }
})

const content = Buffer.from(Array.from({ length: 100 }, (_, index) => index))
let folder: string
let path: string
let fd: number

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gathered-'))
  path = join(folder, 'file')
  system.calls = []
  system.most = Infinity
})

afterEach(() => {
  closeSync(fd)
  rmSync(folder, { recursive: true })
})

function writing(): GatheredCalls {
  fd = openSync(path, 'w')
  return new GatheredCalls(fd, 'write')
}

function reading(): GatheredCalls {
  writeFileSync(path, content)
  fd = openSync(path, 'r')
  return new GatheredCalls(fd, 'read')
}

describe('gathered calls', () => {
  test('what is written during a call, and lies side by side, goes together in the next', async () => {
    const calls = writing()
    const pieces = [0, 10, 30, 20, 60].map((position) =>
      calls.move(content.subarray(position, position + 10), position),
    )
    expect(await Promise.all(pieces)).toEqual([10, 10, 10, 10, 10])
    expect(system.calls).toEqual([
      { position: 0, lengths: [10] },
      { position: 10, lengths: [10, 10, 10] },
      { position: 60, lengths: [10] },
    ])
    const written = readFileSync(path)
    expect(written.subarray(0, 40)).toEqual(content.subarray(0, 40))
    expect(written.subarray(40, 60)).toEqual(Buffer.alloc(20))
    expect(written.subarray(60)).toEqual(content.subarray(60, 70))
  })

  test('a MiB goes together at most', async () => {
    const calls = writing()
    const half = Buffer.alloc(512 * 1024, 1)
    await Promise.all([0, 1, 2, 3].map((index) => calls.move(half, index * half.length)))
    expect(system.calls.map(({ lengths }) => lengths.length)).toEqual([1, 2, 1])
    const large = Buffer.alloc(2 * 1024 * 1024, 2)
    expect(await calls.move(large, 0)).toBe(large.length)
  })

  test.each([1, 3, 10])('a system that moves %d bytes at a time moves them all in the end', async (most) => {
    system.most = most
    const writes = writing()
    const written = [0, 10, 20].map((position) => writes.move(content.subarray(position, position + 10), position))
    expect(await Promise.all(written)).toEqual([10, 10, 10])
    expect(readFileSync(path)).toEqual(content.subarray(0, 30))
    closeSync(fd)

    const reads = reading()
    const targets = [0, 10, 20].map(() => Buffer.alloc(10))
    const read = targets.map((target, index) => reads.move(target, index * 10))
    expect(await Promise.all(read)).toEqual([10, 10, 10])
    expect(Buffer.concat(targets)).toEqual(content.subarray(0, 30))
  })

  test.each([1, Infinity])('reads end where the file does, %d bytes at a time', async (most) => {
    system.most = most
    const reads = reading()
    const targets = [80, 90, 100].map((position) => ({ position, bytes: Buffer.alloc(15) }))
    const [first, ...others] = targets.map(({ position, bytes }) => reads.move(bytes, position))
    expect(await first).toBe(15)
    expect(await Promise.all(others)).toEqual([10, 0])
    expect(targets[1]?.bytes.subarray(0, 10)).toEqual(content.subarray(90))
  })

  test('nothing to move takes no call', async () => {
    expect(await reading().move(Buffer.alloc(0), 5)).toBe(0)
    expect(system.calls).toEqual([])
  })

  test('an error of the system fails what was moved with it, and later calls are made all the same', async () => {
    writeFileSync(path, content)
    fd = openSync(path, 'r')
    const calls = new GatheredCalls(fd, 'write')
    const pieces = [0, 10, 20].map((position) => calls.move(content.subarray(0, 10), position))
    const settled = await Promise.allSettled(pieces)
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(settled.map((result) => (result.status === 'rejected' ? result.reason.code : ''))).toEqual(
      Array(3).fill('EBADF'),
    )
    expect(system.calls.length).toBe(2)
  })

  test('a system that writes nothing and tells no error is an error, not an endless loop', async () => {
    system.most = 0
    await expect(writing().move(content, 0)).rejects.toThrow('wrote nothing')
  })
})
