/** Where files that a server has open have data: bounded scans, one at a time. */

import { DataScanner, type ReadInto } from '../../local-data-ranges.js'
import { type DataPlaces, maximumRanges } from '../../protocol/data-ranges.js'

/** Bytes looked at for one request: a client that asks with a few of them must not keep a disk busy for long. */
const maximumBytes = 1024 * 1024 * 1024

export class DataFinder<F extends { readonly fd: number }> {
  /** A scan that goes on where the last one of the same file ended knows how much there is left to find. */
  readonly #scanners = new WeakMap<F, DataScanner>()
  #tail: Promise<unknown> = Promise.resolve()

  /** The next data from `offset` on, within a file of `size` bytes. */
  find(file: F, read: ReadInto, offset: number, length: number, size: number): Promise<DataPlaces> {
    const found = this.#tail.then(() => this.#find(file, read, offset, Math.min(length, size - offset)))
    this.#tail = found.catch(() => {})
    return found
  }

  async #find(file: F, read: ReadInto, offset: number, length: number): Promise<DataPlaces> {
    if (length <= 0) return { ranges: [], atEnd: true }
    const scanner = this.#scanners.get(file) ?? (await DataScanner.of(file.fd, read))
    if (scanner === undefined) return { ranges: [{ offset, length }], atEnd: true }
    this.#scanners.set(file, scanner)
    const end = offset + length
    const { ranges, position } = await scanner.scan(offset, end, { maximumRanges, maximumBytes })
    if (ranges.length > 0 || position >= end) return { ranges, atEnd: position >= end }
    // A client goes on behind the last range, so it gets one: a byte that is a zero does no harm.
    return { ranges: [{ offset: position - 1, length: 1 }], atEnd: false }
  }
}
