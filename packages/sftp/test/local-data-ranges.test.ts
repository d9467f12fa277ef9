import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { DataScanner, localRanges } from '../src/local-data-ranges.js'
import type { DataRange } from '../src/protocol/data-ranges.js'
import { temporaryDirectory } from './temporary-directory.js'

const KiB = 1024
const MiB = 1024 * KiB
const opened: number[] = []

afterEach(() => {
  for (const fd of opened.splice(0)) fs.closeSync(fd)
})

/** A file of `size` bytes with data at these places. */
function sparseFile(size: number, islands: readonly DataRange[]): number {
  const fd = fs.openSync(join(temporaryDirectory(), 'sparse'), 'w+')
  opened.push(fd)
  fs.ftruncateSync(fd, size)
  for (const { offset, length } of islands) fs.writeSync(fd, randomBytes(length), 0, length, offset)
  return fd
}

const reading = (fd: number) => async (into: Buffer, position: number) =>
  fs.readSync(fd, into, 0, into.length, position)

async function rangesOf(fd: number, size: number, start = 0): Promise<DataRange[] | undefined> {
  const ranges = await localRanges(fd, reading(fd), start, size)
  return ranges && collect(ranges)
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Whether this file system keeps holes. */
const keepsHoles = (fd: number): boolean => fs.fstatSync(fd).blocks * 512 < fs.fstatSync(fd).size

describe('data of a sparse file', () => {
  test('is found where it is, in blocks of 4 KiB, the end of the file included', async (context) => {
    const size = 70 * MiB + 5
    const fd = sparseFile(size, [
      { offset: 10, length: 1 },
      { offset: 3 * MiB + 100, length: 2 * MiB },
      { offset: 64 * MiB, length: 4 * KiB },
      { offset: size - 3, length: 3 },
    ])
    if (!keepsHoles(fd)) return context.skip()
    expect(await rangesOf(fd, size)).toEqual([
      { offset: 0, length: 4 * KiB },
      { offset: 3 * MiB, length: 2 * MiB + 4 * KiB },
      { offset: 64 * MiB, length: 4 * KiB },
      { offset: 70 * MiB, length: 5 },
    ])
  })

  test('is one range with what is behind a hole of less than 32 KiB', async (context) => {
    const size = 2 * MiB
    const fd = sparseFile(size, [
      { offset: 0, length: 4 * KiB },
      { offset: 32 * KiB, length: 4 * KiB },
      { offset: 68 * KiB, length: 4 * KiB },
    ])
    if (!keepsHoles(fd)) return context.skip()
    expect(await rangesOf(fd, size)).toEqual([
      { offset: 0, length: 36 * KiB },
      { offset: 68 * KiB, length: 4 * KiB },
    ])
  })

  test('is found from any place on', async (context) => {
    const size = 4 * MiB
    const fd = sparseFile(size, [{ offset: MiB, length: MiB }])
    if (!keepsHoles(fd)) return context.skip()
    expect(await rangesOf(fd, size, MiB + 7)).toEqual([{ offset: MiB + 7, length: MiB - 7 }])
    expect(await rangesOf(fd, size, 3 * MiB)).toEqual([])
  })

  test('is not looked for behind the last block that the file has on its disk', async (context) => {
    const size = 2 ** 40
    const fd = sparseFile(size, [{ offset: 8 * MiB, length: 8 * KiB }])
    if (!keepsHoles(fd) || !['linux'].includes(process.platform)) return context.skip()
    if (![0x01021994, 0xef53, 0x58465342].includes(fs.statfsSync(`/proc/self/fd/${fd}`).type)) return context.skip()
    let bytesRead = 0
    const read = async (into: Buffer, position: number) => {
      bytesRead += into.length
      return fs.readSync(fd, into, 0, into.length, position)
    }
    const ranges = await localRanges(fd, read, 0, size)
    expect(ranges && (await collect(ranges))).toEqual([{ offset: 8 * MiB, length: 8 * KiB }])
    expect(bytesRead).toBeLessThan(16 * MiB)
  })

  test('that was counted twice does not end the search early', async (context) => {
    const size = 64 * MiB
    const fd = sparseFile(size, [
      { offset: 0, length: 64 * KiB },
      { offset: 32 * MiB, length: 64 * KiB },
    ])
    if (!keepsHoles(fd)) return context.skip()
    const scanner = await DataScanner.of(fd, reading(fd))
    const limits = { maximumRanges: 128, maximumBytes: MiB }
    await scanner?.scan(0, size, limits)
    await scanner?.scan(0, size, limits)
    expect(await scanner?.scan(0, size, { ...limits, maximumBytes: size })).toEqual({
      ranges: [
        { offset: 0, length: 64 * KiB },
        { offset: 32 * MiB, length: 64 * KiB },
      ],
      position: size,
    })
  })

  test.each(['position', 'last range'])(
    'comes in scans of so many ranges and bytes as are asked for, and none is lost between them, going on from the %s',
    async (goesOn) => {
      const size = 32 * MiB
      const islands = Array.from({ length: 100 }, (_, index) => ({ offset: index * 256 * KiB, length: 4 * KiB }))
      const fd = sparseFile(size, islands)
      if (!keepsHoles(fd)) return
      let bytesRead = 0
      const scanner = await DataScanner.of(fd, async (into, position) => {
        bytesRead += into.length
        return fs.readSync(fd, into, 0, into.length, position)
      })
      const found: DataRange[] = []
      for (let position = 0; position < size; ) {
        bytesRead = 0
        const scan = await scanner?.scan(position, size, { maximumRanges: 7, maximumBytes: 3 * MiB })
        if (scan === undefined) throw new Error('The file is not sparse')
        expect(scan.ranges.length).toBeLessThanOrEqual(7)
        expect(bytesRead).toBeLessThanOrEqual(3 * MiB)
        found.push(...scan.ranges)
        const last = scan.ranges.at(-1)
        // A client goes on where the last range ended, though there is known to be nothing behind it.
        position = last === undefined || goesOn === 'position' ? scan.position : last.offset + last.length
      }
      expect(found).toEqual(islands)
    },
  )
})

test('a file that is full, small, or no file has no holes to be found', async () => {
  const full = sparseFile(0, [{ offset: 0, length: MiB }])
  expect(await rangesOf(full, MiB)).toBeUndefined()
  const small = sparseFile(63 * KiB, [])
  expect(await rangesOf(small, 63 * KiB)).toBeUndefined()
  const directory = fs.openSync(temporaryDirectory(), 'r')
  opened.push(directory)
  expect(await rangesOf(directory, MiB)).toBeUndefined()
})
