/** Transfers of a client: what goes from which side to which, and files to and from streams. */

import { knownOptions } from '@ssh/wire'
import { SftpError } from '../errors.js'
import type { OpenFlags } from '../protocol/open-flags.js'
import { throwIfAborted } from './abort.js'
import type { FileTree } from './file-tree.js'
import { globEntries } from './glob.js'
import { LocalTree } from './local-files.js'
import {
  checkBlockOptions,
  checkCounts,
  optionNames,
  type SftpCopyOptions,
  type SftpFileOptions,
  type SftpTransferOptions,
} from './options.js'
import { assertPath } from './paths.js'
import { Progress } from './progress.js'
import type { RemoteTree } from './remote-tree.js'
import type { ClientSession } from './session.js'
import type { SftpFile } from './sftp-file.js'
import { SftpStats } from './stats.js'
import { type SftpTransferTrace, traced, transferChannel } from './tracing.js'
import { assertUnchanged } from './transfer/changed.js'
import { assertUnread, type ChunkStream } from './transfer/chunk-source.js'
import { type ByteSink, deliver } from './transfer/deliver.js'
import { bytesContent } from './transfer/file-content.js'
import { contentOptionsOf, writeRulesOf } from './transfer/rules.js'
import { StreamContent } from './transfer/stream-content.js'
import { notWithStreams, writeFile } from './transfer/write-file.js'
import { transfer } from './transfer.js'

/** One path or several. */
export type Paths = string | readonly string[]

/** What `put` takes in place of paths. */
export type PutSource = Uint8Array | ChunkStream

/** Opens a file of the server, as `SftpClient.open` does. */
export type OpenRemoteFile = (path: string, flags: OpenFlags, options: SftpFileOptions) => Promise<SftpFile>

export class Transfers {
  readonly #session: ClientSession
  readonly #remote: RemoteTree
  readonly #local: FileTree = new LocalTree()
  readonly #open: OpenRemoteFile

  constructor(session: ClientSession, remote: RemoteTree, open: OpenRemoteFile) {
    this.#session = session
    this.#remote = remote
    this.#open = open
  }

  async get(remotePaths: Paths, local: string | ByteSink, options: SftpTransferOptions): Promise<void> {
    checkTransferOptions('get', options)
    if (typeof local !== 'string') {
      if (!isSink(local)) assertPath(local)
      const path = onlyPath(remotePaths)
      return this.#streamed('get', options, (progress) => this.#getStream(path, local, options, progress))
    }
    await this.#transfer(this.#remote, this.#local, remotePaths, local, options)
  }

  async put(local: Paths | PutSource, remotePath: string | undefined, options: SftpTransferOptions): Promise<void> {
    checkTransferOptions('put', options)
    if (isPaths(local)) {
      await this.#transfer(this.#local, this.#remote, local, remotePath ?? '.', options)
      return
    }
    if (local === undefined || local === null) assertPath(local)
    if (remotePath === undefined) throw new SftpError('EINVAL', 'Bytes and streams have no name: give the remote path')
    await this.#streamed('put', options, (progress) => this.#putSource(local, remotePath, options, progress))
  }

  async copy(srcPaths: Paths, dstPath: string, options: SftpCopyOptions): Promise<void> {
    const transferOptions = this.#copyOptions('copy', options)
    await this.#transfer(this.#remote, this.#remote, srcPaths, dstPath, transferOptions)
  }

  async mget(remotePatterns: Paths, localPath: string, options: SftpTransferOptions): Promise<void> {
    checkTransferOptions('mget', options)
    await this.#transferMatches(this.#remote, this.#local, remotePatterns, localPath, options)
  }

  async mput(localPatterns: Paths, remotePath: string, options: SftpTransferOptions): Promise<void> {
    checkTransferOptions('mput', options)
    await this.#transferMatches(this.#local, this.#remote, localPatterns, remotePath, options)
  }

  async mcopy(srcPatterns: Paths, dstPath: string, options: SftpCopyOptions): Promise<void> {
    const transferOptions = this.#copyOptions('mcopy', options)
    await this.#transferMatches(this.#remote, this.#remote, srcPatterns, dstPath, transferOptions)
  }

  /** @throws OptionsError; SftpError `ENOTSUP` when the server shall copy and cannot */
  #copyOptions(operation: string, options: SftpCopyOptions): SftpTransferOptions {
    const { remoteOnly = false, ...transferOptions } = knownOptions(operation, options, optionNames.copy)
    checkTransferOptions(operation, transferOptions)
    if (remoteOnly) this.#session.assertSupports('copy-data', operation)
    return transferOptions
  }

  async #transfer(from: FileTree, to: FileTree, paths: Paths, destination: string, options: SftpTransferOptions) {
    assertPath(destination)
    const plan = {
      operation: this.#operation(from, to),
      from,
      to,
      sources: toList(paths).map((path) => ({ path })),
      destination,
      intoDirectory: typeof paths !== 'string',
      areGiven: true,
      budget: this.#session.budget,
      concurrency: await defaultConcurrency(this.#session),
    }
    await transfer(plan, options)
  }

  async #transferMatches(
    from: FileTree,
    to: FileTree,
    patterns: Paths,
    destination: string,
    options: SftpTransferOptions,
  ): Promise<void> {
    assertPath(destination)
    const { signal, onError } = options
    const sources = await globEntries(from, toList(patterns), { signal, onError })
    const plan = {
      operation: this.#operation(from, to),
      from,
      to,
      sources,
      destination,
      intoDirectory: true,
      areGiven: false,
      budget: this.#session.budget,
      concurrency: await defaultConcurrency(this.#session),
    }
    await transfer(plan, options)
  }

  #operation(from: FileTree, to: FileTree): SftpTransferTrace['operation'] {
    if (to === this.#local) return 'get'
    return from === this.#local ? 'put' : 'copy'
  }

  /** One file to or from a stream. */
  #streamed(
    operation: SftpTransferTrace['operation'],
    options: SftpTransferOptions,
    work: (progress: Progress) => Promise<void>,
  ): Promise<void> {
    return traced(
      transferChannel,
      () => ({ operation, sources: 1 }),
      async (trace) => {
        const progress = new Progress(options.progress)
        try {
          await work(progress)
        } finally {
          if (trace !== undefined) Object.assign(trace, progress.copied)
        }
      },
    )
  }

  async #getStream(path: string, sink: ByteSink, options: SftpTransferOptions, all: Progress): Promise<void> {
    const { resume = false, atomic = false, verify = false, signal } = options
    if (resume || atomic) throw notWithStreams(resume ? 'resume' : 'atomic')
    const file = await this.#open(path, 'r', options)
    await closingAfter(file, signal, async () => {
      const { size = 0 } = options.progress ? await file.stat({ signal }) : {}
      const progress = all.only(path, '', size)
      const delivery = {
        blocks: unchangedBlocks(file, signal),
        sink,
        check: verify ? () => this.#remote.openSource(path, new SftpStats({}), signal) : undefined,
        onBytes: (byteCount: number) => progress.add(byteCount),
        onLost: (listener: (error: unknown) => void) => this.#session.onEnd(listener),
      }
      await deliver(path, delivery, contentOptionsOf(options, this.#session.budget, signal))
      progress.finish()
    })
  }

  async #putSource(source: PutSource, path: string, options: SftpTransferOptions, all: Progress): Promise<void> {
    const { verify = false, signal } = options
    const { budget } = this.#session
    const rules = { ...writeRulesOf(options, budget, signal), preserve: false }
    const contentOptions = contentOptionsOf(options, budget, signal)
    const isBytes = source instanceof Uint8Array
    const content = isBytes
      ? bytesContent(source, contentOptions)
      : new StreamContent(source, { ...contentOptions, verify })
    const progress = all.only('', path, isBytes ? source.length : 0)
    throwIfAborted(signal)
    if (!isBytes) assertUnread(source)
    await writeFile(content, { tree: this.#remote, path, isGiven: true }, rules, progress)
  }
}

/** Does one piece of work with a file and closes it. After a failure of the work, one of closing does not matter. */
export async function closingAfter<T>(
  file: SftpFile,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    const result = await work()
    await file.close({ signal })
    return result
  } catch (error) {
    file.close().catch(() => {})
    throw error
  }
}

/** The content, in blocks. @throws SftpError `ERR_SFTP_FILE_CHANGED` when the file becomes shorter meanwhile */
async function* unchangedBlocks(file: SftpFile, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const currentSize = async (): Promise<number | undefined> => {
    try {
      return (await file.stat({ signal })).size
    } catch (error) {
      // A server that does not tell it.
      if (error instanceof SftpError && error.status !== undefined) return undefined
      throw error
    }
  }
  const believed = currentSize()
  // Whoever reads to the end hears of a failure.
  believed.catch(() => {})
  let read = 0
  for await (const block of file.blocks(0, Number.POSITIVE_INFINITY, { signal })) {
    read += block.length
    yield block
  }
  await assertUnchanged({ path: file.path, size: await believed, currentSize }, read, signal)
}

/** @throws SftpError `EINVAL` for what is no text */
export function toList(paths: Paths): readonly string[] {
  const list: readonly string[] = Array.isArray(paths) ? paths : [paths]
  for (const path of list) assertPath(path)
  return list
}

/** Without types, options may stand where a path or a stream was left out. */
function isSink(local: unknown): local is ByteSink {
  return typeof local === 'object' && local !== null && ('write' in local || 'getWriter' in local)
}

function isPaths(local: Paths | PutSource): local is Paths {
  return typeof local === 'string' || Array.isArray(local)
}

function checkTransferOptions(operation: string, options: SftpTransferOptions): void {
  const { concurrency } = knownOptions(operation, options, optionNames.transfer)
  checkBlockOptions(options)
  checkCounts({ concurrency })
}

function onlyPath(paths: Paths): string {
  const [path, ...others] = toList(paths)
  if (path !== undefined && others.length === 0) return path
  throw new SftpError('EINVAL', `A stream takes one file, found ${toList(paths).length}`)
}

/**
 * Files at the same time where the caller does not say. On a long way each small file takes several round trips, in which
 * others can be under way; more than a few would be no use on a short one.
 */
async function defaultConcurrency({ budget, limits }: ClientSession): Promise<number> {
  const isFar = budget.roundTripMs >= longWayMs && budget.roundTripMs !== Number.POSITIVE_INFINITY
  if (!isFar) return 16
  // Limits that are not known yet are not waited for.
  const maxOpenHandles = (await Promise.race([limits, undefined]))?.maxOpenHandles ?? Number.POSITIVE_INFINITY
  // A server that names no limit may have a low one. Copies on the server take two handles each.
  return maxOpenHandles === Number.POSITIVE_INFINITY ? 64 : Math.max(1, Math.min(128, Math.floor(maxOpenHandles / 4)))
}

/** From here on, waiting for a server is what takes the time of small files. */
const longWayMs = 10
