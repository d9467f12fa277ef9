/**
 * The files of a server's handler: a folder of this machine, a tree in memory, or whatever somebody wrote.
 *
 * Everything goes through the handler's own methods, so what it maps, locks in, counts or refuses holds for SCP as well.
 */

import { BlockMemory } from '../block-memory.js'
import type { SourceBlock } from '../client/file-tree.js'
import { assertPlainName, baseName, joinPath } from '../client/paths.js'
import { SftpStats } from '../client/stats.js'
import { SftpError } from '../errors.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import { openFlags } from '../protocol/open-flags.js'
import type { SftpHandler } from '../server/handler.js'
import { codeOf, type SftpRequestEvent } from '../server/request-event.js'
import type { NewEntry, ScpFiles, ScpSourceFile, ScpTargetFile } from './scp-files.js'

const { create, exclusive, read, write } = openFlags

export class HandlerScpFiles<F> implements ScpFiles {
  readonly #handler: SftpHandler<F>
  readonly #memory = new BlockMemory()
  /** Files that are being closed while nobody waits for it. */
  readonly #closing = new Set<Promise<void>>()

  constructor(handler: SftpHandler<F>) {
    this.#handler = handler
  }

  /** Every file that was closed is closed. Never rejects. */
  async settled(): Promise<void> {
    await Promise.all(this.#closing)
  }

  join(directory: string, name: string): string {
    return joinPath(directory, name)
  }

  baseName(path: string): string {
    return baseName(path)
  }

  assertName(name: string, directory: string): void {
    assertPlainName(name, directory)
  }

  async stat(path: string, followSymlinks: boolean): Promise<SftpStats> {
    const handler = this.#handler
    const request = followSymlinks ? 'stat' : 'lstat'
    return new SftpStats(await this.#telling({ request, path }, () => handler[request](path)))
  }

  async *scandir(path: string): AsyncIterable<{ readonly name: string; readonly attrs: SftpStats }> {
    let code: string | undefined
    try {
      for await (const { fileName, attrs } of this.#handler.scandir(path)) {
        if (fileName !== '.' && fileName !== '..') yield { name: fileName, attrs: new SftpStats(attrs) }
      }
    } catch (error) {
      code = codeOf(error)
      throw error
    } finally {
      this.#tell({ request: 'opendir', path, ...(code !== undefined && { code }) })
    }
  }

  async openSource(path: string): Promise<ScpSourceFile> {
    const handler = this.#handler
    const file = await this.#telling({ request: 'open', path, flags: read, attrs: {} }, () =>
      handler.open(path, read, {}),
    )
    try {
      const { size } = await handler.fstat(file)
      return new HandlerSource(handler, file, size, this.#memory, (closed, total) => this.#note(closed, path, total))
    } catch (error) {
      await handler.close(file)
      this.#tell({ request: 'close', path, total: { read: 0, written: 0 } })
      throw error
    }
  }

  async openTarget(path: string, { permissions, preserved, isGiven }: NewEntry): Promise<ScpTargetFile> {
    const handler = this.#handler
    const there = await this.#look(path, isGiven)
    if (there?.isSymbolicLink()) throw linkInTheWay(path)
    // A file that may turn out private is private from its birth on; its own mode comes when it is whole.
    const attrs = { permissions: preserved === undefined ? permissions : 0o600 }
    // What was not there a moment ago is made, and is no link that has come since.
    const onExisting = isGiven || there !== undefined ? 0 : exclusive
    const flags = write | create | onExisting
    const file = await this.#telling({ request: 'open', path, flags, attrs }, () => handler.open(path, flags, attrs))
    const facts = { preserved, sizeBefore: there?.size ?? 0 }
    return new HandlerTarget(handler, file, path, facts, (event, work) => this.#telling(event, work))
  }

  async makeDirectory(path: string, { permissions }: NewEntry): Promise<void> {
    const attrs = { permissions }
    await this.#telling({ request: 'mkdir', path, attrs }, () => this.#handler.mkdir(path, attrs))
  }

  async setAttrs(path: string, attrs: SftpAttrs): Promise<void> {
    await this.#telling({ request: 'setstat', path, attrs }, () => this.#handler.setstat(path, attrs))
  }

  /** Something is refused before it is tried. */
  refuse(path: string): SftpError {
    this.#tell({ request: 'open', path, flags: write | create, attrs: {}, code: 'EROFS', refused: 'read-only' })
    return new SftpError('EROFS', 'EROFS: the server is read-only', { path })
  }

  /** Does what SFTP has a request for, and tells of it as of one. */
  async #telling<R>(event: SftpRequestEvent, work: () => R | PromiseLike<R>): Promise<R> {
    try {
      const result = await work()
      this.#tell(event)
      return result
    } catch (error) {
      this.#tell({ ...event, code: codeOf(error) })
      throw error
    }
  }

  #tell(event: SftpRequestEvent): void {
    try {
      this.#handler.onRequest?.(event)
    } catch {
      // A log that fails must not change what is answered.
    }
  }

  #note(closed: Promise<void>, path: string, bytesRead: number): void {
    const noted: Promise<void> = closed.then(() => {
      this.#closing.delete(noted)
      this.#tell({ request: 'close', path, total: { read: bytesRead, written: 0 } })
    })
    this.#closing.add(noted)
  }

  /** What is there; undefined when nothing is. */
  async #look(path: string, followSymlinks: boolean): Promise<SftpStats | undefined> {
    try {
      return await this.stat(path, followSymlinks)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }
}

/** Whether an error, of a handler or of the system, says that nothing is there. */
export function isMissing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT'
}

class HandlerSource<F> implements ScpSourceFile {
  readonly size: number | undefined
  readonly #handler: SftpHandler<F>
  readonly #file: F
  readonly #memory: BlockMemory
  readonly #onClose: (closed: Promise<void>, bytesRead: number) => void
  #bytesRead = 0
  /** Blocks are read one after another: handlers may rely on that. */
  #tail: Promise<unknown> = Promise.resolve()

  /** @param onClose told when it is being closed; what it is given never rejects */
  constructor(
    handler: SftpHandler<F>,
    file: F,
    size: number | undefined,
    memory: BlockMemory,
    onClose: (closed: Promise<void>, bytesRead: number) => void,
  ) {
    this.#handler = handler
    this.#onClose = onClose
    this.#memory = memory
    this.#file = file
    // Files of /proc and devices say 0 and have content all the same.
    this.size = size === 0 ? undefined : size
  }

  read(position: number, length: number): Promise<SourceBlock> {
    const block = this.#tail.then(() => this.#read(position, length))
    this.#tail = block.catch(() => {})
    return block
  }

  close(): void {
    const closed = this.#tail.then(() => this.#handler.close(this.#file)).catch(() => {})
    this.#onClose(closed, this.#bytesRead)
  }

  async #read(position: number, length: number): Promise<SourceBlock> {
    const memory = this.#memory.take(length)
    let filled = 0
    while (filled < length) {
      const into = memory.subarray(filled)
      const count = await this.#handler.read(this.#file, into, position + filled)
      if (!Number.isInteger(count) || count < 0 || count > into.length) {
        throw new SftpError('ERR_SFTP_FAILURE', `The handler read ${count} bytes into ${into.length}`)
      }
      if (count === 0) break
      filled += count
    }
    this.#bytesRead += filled
    return { chunks: [memory.subarray(0, filled)], length: filled, release: () => this.#memory.giveBack(memory) }
  }
}

class HandlerTarget<F> implements ScpTargetFile {
  readonly writesAtOnce = 1
  readonly releasesBlocks: boolean
  readonly #handler: SftpHandler<F>
  readonly #file: F
  readonly #path: string
  readonly #facts: { readonly preserved: SftpAttrs | undefined; readonly sizeBefore: number }
  readonly #telling: Telling
  #written = 0
  #isClosed = false

  constructor(
    handler: SftpHandler<F>,
    file: F,
    path: string,
    facts: { readonly preserved: SftpAttrs | undefined; readonly sizeBefore: number },
    telling: Telling,
  ) {
    this.releasesBlocks = handler.releasesData === true
    this.#telling = telling
    this.#handler = handler
    this.#file = file
    this.#path = path
    this.#facts = facts
  }

  async write(position: number, block: SourceBlock): Promise<void> {
    let offset = position
    for (const chunk of block.chunks) {
      await this.#handler.write(this.#file, chunk, offset)
      offset += chunk.length
      this.#written += chunk.length
    }
  }

  async finish(size: number): Promise<void> {
    const { preserved, sizeBefore } = this.#facts
    const attrs = { ...(sizeBefore > size && { size }), ...preserved }
    if (Object.keys(attrs).length > 0) {
      const event = { request: 'fsetstat', path: this.#path, attrs }
      await this.#telling(event, () => this.#handler.fsetstat(this.#file, attrs))
    }
    await this.#close()
  }

  async discard(): Promise<void> {
    try {
      await this.#close()
    } catch {
      // It goes anyway.
    }
    try {
      await this.#telling({ request: 'remove', path: this.#path }, () => this.#handler.remove(this.#path))
    } catch {
      // A handler may keep what was uploaded; the client hears that it is not whole.
    }
  }

  /** Never twice, even after a failure. */
  async #close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const event = { request: 'close', path: this.#path, total: { read: 0, written: this.#written } }
    await this.#telling(event, () => this.#handler.close(this.#file))
  }
}

type Telling = <R>(event: SftpRequestEvent, work: () => R | PromiseLike<R>) => Promise<R>

function linkInTheWay(path: string): SftpError {
  return new SftpError('ELOOP', 'ELOOP: a symbolic link stands where a name from the client is to be written', { path })
}
