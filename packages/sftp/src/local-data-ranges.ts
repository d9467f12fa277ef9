/**
 * Where a file of this machine has data. Node has no SEEK_HOLE, so a file that takes less room on its disk than its size
 * is read, and what reads as zeros is taken for a hole.
 */

import * as fs from 'node:fs'
import { promisify } from 'node:util'
import { type DataRange, leastSparseSize, maximumRanges } from './protocol/data-ranges.js'

const fstat = promisify(fs.fstat)

/** Zeros that end a range: fewer are cheaper to copy than to skip. */
const leastHole = 32 * 1024

/** Zeros are looked for in steps of what most file systems give a file at least. */
const granule = 4096

const chunkLength = 1024 * 1024
const zeros = Buffer.alloc(chunkLength)

/**
 * File systems whose files take a block for every block that is not zero, so that nothing is left to find once as many
 * were found as the file has: tmpfs, ext2 to ext4, XFS. Elsewhere data may be compressed, or in the inode.
 */
const plainFileSystems = new Set([0x01021994, 0xef53, 0x58465342])

/** Reads into all of `into` but at the end of the file. @returns bytes read */
export type ReadInto = (into: Buffer, position: number) => Promise<number>

/** What a scan found. */
export interface DataScan {
  /** In order, with holes between them. */
  readonly ranges: readonly DataRange[]
  /** Everything in front of it was looked at. */
  readonly position: number
}

export interface ScanLimits {
  readonly maximumRanges: number
  /** Bytes read at most; a scan that stops there goes on at its `position`. */
  readonly maximumBytes: number
}

/** Bytes looked at before the first ranges are told. */
const bytesAtOnce = 64 * 1024 * 1024

/** Whether a file takes less room on its disk than its size. */
export function mayHaveHoles(stats: fs.Stats): boolean {
  return stats.isFile() && stats.size >= leastSparseSize && stats.blocks * 512 < stats.size
}

/** All ranges of data from `start` on; undefined for a file that is not known to have holes. */
export async function localRanges(
  fd: number,
  read: ReadInto,
  start: number,
  size: number,
): Promise<AsyncGenerator<DataRange> | undefined> {
  const scanner = await DataScanner.of(fd, read)
  return scanner && scanAll(scanner, start, size)
}

async function* scanAll(scanner: DataScanner, start: number, size: number): AsyncGenerator<DataRange> {
  for (let position = start; position < size; ) {
    const scan = await scanner.scan(position, size, { maximumRanges, maximumBytes: bytesAtOnce })
    yield* scan.ranges
    position = scan.position
  }
}

/** Looks for data in one open file, from the front to the back. */
export class DataScanner {
  readonly #fd: number
  readonly #read: ReadInto
  readonly #stats: fs.Stats
  /** Whether the size on the disk tells how much data there is. */
  readonly #isPlain: boolean
  /** Bytes on the disk that were found, if all scans so far followed each other from the start. */
  #found = 0
  /** Where the last data ended that was found, and how far there is none behind it. */
  #dataEnd = 0
  #position = 0

  private constructor(fd: number, read: ReadInto, stats: fs.Stats, isPlain: boolean) {
    this.#fd = fd
    this.#read = read
    this.#stats = stats
    this.#isPlain = isPlain
  }

  /** A scanner for a file that has holes; undefined for any other. */
  static async of(fd: number, read: ReadInto): Promise<DataScanner | undefined> {
    const stats = await fstat(fd)
    return mayHaveHoles(stats) ? new DataScanner(fd, read, stats, await isOnPlainFileSystem(fd)) : undefined
  }

  /** Ranges of data from `start` to `end` at most. */
  async scan(start: number, end: number, limits: ScanLimits): Promise<DataScan> {
    const isKnown = start >= this.#dataEnd && start <= this.#position && (await this.#isUnchanged())
    // Looking at a place twice would count it twice.
    if (!isKnown) this.#found = start === 0 ? 0 : Number.NEGATIVE_INFINITY
    const scan = await this.#scan(isKnown ? Math.min(this.#position, end) : start, end, limits)
    const last = scan.ranges.at(-1)
    if (last !== undefined) this.#dataEnd = last.offset + last.length
    else if (!isKnown) this.#dataEnd = start
    this.#position = scan.position
    return scan
  }

  async #scan(start: number, end: number, { maximumRanges, maximumBytes }: ScanLimits): Promise<DataScan> {
    const buffer = Buffer.allocUnsafeSlow(chunkLength)
    const last = Math.min(end, start + maximumBytes)
    const ranges: DataRange[] = []
    let dataStart = start
    /** Equal to `dataStart` while no data was found. */
    let dataEnd = start
    for (let position = start; position < last; ) {
      if (await this.#isAllFound()) return { ranges: withRange(ranges, dataStart, dataEnd), position: end }
      const length = await this.#read(buffer.subarray(0, Math.min(chunkLength, last - position)), position)
      const chunk = buffer.subarray(0, length)
      // Cut off meanwhile.
      if (length === 0) return { ranges: withRange(ranges, dataStart, dataEnd), position: end }
      for (const { offset, length } of dataIn(chunk, position)) {
        if (offset - dataEnd >= leastHole || dataEnd === dataStart) {
          if (dataEnd > dataStart) ranges.push({ offset: dataStart, length: dataEnd - dataStart })
          if (ranges.length === maximumRanges) return { ranges, position: dataEnd }
          dataStart = offset
        }
        dataEnd = offset + length
        // Half a granule is counted with the half that starts it, or not at all: too little does no harm.
        if (offset % granule === 0) this.#found += granule
      }
      position += length
    }
    return { ranges: withRange(ranges, dataStart, dataEnd), position: last }
  }

  /** Whether as much was found as the file takes on its disk, and nobody has changed it. */
  async #isAllFound(): Promise<boolean> {
    return this.#isPlain && this.#found >= this.#stats.blocks * 512 && this.#isUnchanged()
  }

  async #isUnchanged(): Promise<boolean> {
    const { blocks, mtimeMs } = await fstat(this.#fd)
    return blocks === this.#stats.blocks && mtimeMs === this.#stats.mtimeMs
  }
}

/** Granules of `chunk` that are not all zeros, by their place in the file. */
function* dataIn(chunk: Buffer, position: number): Generator<DataRange> {
  if (chunk.equals(zeros.subarray(0, chunk.length))) return
  for (let offset = 0; offset < chunk.length; ) {
    // To the next multiple: a block of the disk is one granule, wherever the scan began.
    const length = Math.min(granule - ((position + offset) % granule), chunk.length - offset)
    if (!chunk.subarray(offset, offset + length).equals(zeros.subarray(0, length))) {
      yield { offset: position + offset, length }
    }
    offset += length
  }
}

function withRange(ranges: readonly DataRange[], start: number, end: number): readonly DataRange[] {
  return end > start ? [...ranges, { offset: start, length: end - start }] : ranges
}

async function isOnPlainFileSystem(fd: number): Promise<boolean> {
  // Node has no fstatfs; where /proc has the open file under a name, that name will do.
  if (process.platform !== 'linux') return false
  const { type, bsize } = await fs.promises.statfs(`/proc/self/fd/${fd}`).catch(() => ({ type: 0, bsize: 0 }))
  return plainFileSystems.has(type) && bsize >= granule
}
