/** A directory being listed: pulled from the handler as the client asks, a page of names at a time. */

import type { SftpDirEntry } from './handler.js'

type Entries = AsyncIterable<SftpDirEntry> | Iterable<SftpDirEntry>

export class Listing {
  readonly #iterator: AsyncIterator<SftpDirEntry> | Iterator<SftpDirEntry>
  #next: SftpDirEntry | undefined

  private constructor(iterator: AsyncIterator<SftpDirEntry> | Iterator<SftpDirEntry>) {
    this.#iterator = iterator
  }

  /** Starts a listing. Its first name is fetched here, so that a directory that cannot be listed cannot be opened. */
  static async open(entries: Entries): Promise<Listing> {
    const listing = new Listing(
      Symbol.asyncIterator in entries ? entries[Symbol.asyncIterator]() : entries[Symbol.iterator](),
    )
    await listing.#advance()
    return listing
  }

  /**
   * The next entries whose sizes together stay within `budget`, at least one; none at the end.
   * @param sizeOf bytes an entry takes in the reply
   */
  async page(budget: number, sizeOf: (entry: SftpDirEntry) => number): Promise<SftpDirEntry[]> {
    const entries: SftpDirEntry[] = []
    let used = 0
    while (this.#next !== undefined) {
      used += sizeOf(this.#next)
      if (entries.length > 0 && used > budget) break
      entries.push(this.#next)
      // What is there already costs no turn of the event loop's queue: a directory may have a million names.
      const coming = this.#advance()
      if (coming !== undefined) await coming
    }
    return entries
  }

  /** Whether every entry has been taken. */
  get isAtEnd(): boolean {
    return this.#next === undefined
  }

  async close(): Promise<void> {
    await this.#iterator.return?.()
  }

  /** Takes the next entry; at once where the iterator has it. */
  #advance(): Promise<void> | undefined {
    const result = this.#iterator.next()
    if (!(result instanceof Promise)) return this.#take(result)
    return result.then((later) => this.#take(later))
  }

  #take({ done, value }: IteratorResult<SftpDirEntry>): undefined {
    this.#next = done ? undefined : value
  }
}
