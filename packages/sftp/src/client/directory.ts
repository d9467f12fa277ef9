/** Making and removing whole trees on the server. */

import { isOver, SftpError } from '../errors.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import { cannotBeEmptied, explained, isTaken } from './explained.js'
import { listDirectory, makeDirectory, removeDirectory, removeFile, statPath } from './operations.js'
import type { SftpMakedirsOptions, SftpMkdirOptions, SftpRmtreeOptions } from './options.js'
import { assertDepth, assertPlainName, baseName, joinPath, parentPath } from './paths.js'
import type { ClientSession } from './session.js'
import { TaskPool } from './task-pool.js'

/** Removals in flight at most. */
const removalsAtOnce = 64

/** Names listed before they are removed: a directory of any size takes the memory of so many. */
const removalBatch = 512

/** Makes `path` and the directories above it that are missing. @throws SftpError `EEXIST` unless `existOk` */
export async function makeDirectories(
  session: ClientSession,
  path: string,
  options: SftpMakedirsOptions,
): Promise<void> {
  try {
    // Most of the time only the last one is missing: one request.
    await makeOne(session, path, options)
  } catch (error) {
    const parent = parentPath(path)
    if (!(error instanceof SftpError) || error.code !== 'ENOENT' || parent === undefined) throw error
    // Another program may make the same directories at the same time: only the last may be in the way.
    await makeDirectories(session, parent, { ...options, existOk: true })
    await makeOne(session, path, options)
  }
}

async function makeOne(session: ClientSession, path: string, options: SftpMakedirsOptions): Promise<void> {
  const { existOk = false, signal } = options
  try {
    await makeDirectory(session, path, attrsOfDirectory(options), signal)
  } catch (error) {
    if (!(error instanceof SftpError) || error.code === 'ENOENT') throw error
    // Version 3 has no status for a directory that is there already: only looking tells.
    if (!(await isDirectory(session, path, signal))) {
      return explained(session, Promise.reject(error), isTaken(path), { operation: 'makedirs', signal })
    }
    if (!existOk)
      throw new SftpError('EEXIST', 'EEXIST: the directory exists already, makedirs', { path, cause: error })
  }
}

/** What a new directory shall have. */
export function attrsOfDirectory({ mode, attrs = {} }: SftpMkdirOptions): SftpAttrs {
  return mode === undefined ? attrs : { ...attrs, permissions: mode }
}

async function isDirectory(session: ClientSession, path: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    return (await statPath(session, path, true, signal)).isDirectory()
  } catch (error) {
    if (error instanceof SftpError) return false
    throw error
  }
}

/**
 * Removes a directory and all it holds. Links are removed, never followed.
 * @throws SftpError `ENOTDIR` when `path` is a link or no directory
 */
export async function removeTree(session: ClientSession, path: string, options: SftpRmtreeOptions): Promise<void> {
  const removal = new TreeRemoval(session, options)
  await removal.attempt(async () => {
    const attrs = await statPath(session, path, false, options.signal)
    if (!attrs.isDirectory()) throw new SftpError('ENOTDIR', 'ENOTDIR: not a directory, rmtree', { path })
    await removal.removeDirectory(path, 0)
  })
}

/**
 * An empty path, `/`, or one that ends in `.` or `..` is a directory that somebody is in, or has forgotten to name: `rm`
 * refuses those too.
 * @throws SftpError `EINVAL`
 */
export function assertRemovable(path: string): void {
  if (!['', '.', '..'].includes(baseName(path))) return
  throw new SftpError('EINVAL', 'EINVAL: a tree to be removed must be named; "", ".", ".." and "/" are not, rmtree', {
    path,
  })
}

/** A name in a directory that is to be removed. */
interface Doomed {
  readonly path: string
  /** Whether the listing says it is a directory, or does not say. */
  readonly mayBeDirectory: boolean
}

class TreeRemoval {
  readonly #session: ClientSession
  readonly #options: SftpRmtreeOptions

  constructor(session: ClientSession, options: SftpRmtreeOptions) {
    this.#session = session
    this.#options = options
  }

  /** Runs a step, and tells whether it succeeded; a failure goes to `onError`, or on to the caller. */
  async attempt(step: () => Promise<void>): Promise<boolean> {
    try {
      await step()
      return true
    } catch (error) {
      const { onError, ignoreErrors = false } = this.#options
      if (!(error instanceof SftpError) || isOver(error)) throw error
      if (onError === undefined && !ignoreErrors) throw error
      onError?.(error)
      return false
    }
  }

  /** Removes in batches: what is removed while a directory is being listed makes some servers skip others. */
  async removeDirectory(path: string, depth: number): Promise<void> {
    assertDepth(depth, path)
    const failed = new Set<string>()
    let removed = new Set<string>()
    for (;;) {
      const batch = await this.#list(path, failed)
      if (batch.length === 0) break
      if (batch.every((doomed) => removed.has(doomed.path))) {
        throw new SftpError('ERR_SFTP_FAILURE', 'The server goes on listing what it says it has removed', { path })
      }
      const results = await this.#removeBatch(batch, depth)
      for (const path of results.failed) failed.add(path)
      removed = results.removed
    }
    const { signal } = this.#options
    const request = removeDirectory(this.#session, path, signal)
    await explained(this.#session, request, cannotBeEmptied(path), { operation: 'rmdir', signal })
  }

  /** The first names of a directory but those that could not be removed before. */
  async #list(path: string, failed: ReadonlySet<string>): Promise<Doomed[]> {
    const batch: Doomed[] = []
    for await (const { name, attrs } of listDirectory(this.#session, path, this.#options.signal)) {
      assertPlainName(name, path)
      const doomed = { path: joinPath(path, name), mayBeDirectory: attrs.isDirectory() || attrs.type === 'unknown' }
      if (!failed.has(doomed.path)) batch.push(doomed)
      if (batch.length === removalBatch) break
    }
    return batch
  }

  async #removeBatch(batch: readonly Doomed[], depth: number) {
    const removed = new Set<string>()
    const failed = new Set<string>()
    let failure: { readonly error: unknown } | undefined
    const remove = async ({ path, mayBeDirectory }: Doomed): Promise<void> => {
      try {
        const isDone = await this.attempt(() => this.#remove(path, mayBeDirectory, depth))
        ;(isDone ? removed : failed).add(path)
      } catch (error) {
        failure ??= { error }
      }
    }
    const pool = new TaskPool(removalsAtOnce)
    for (const doomed of batch) {
      if (failure !== undefined) break
      // Directories one at a time: each has a pool of its own.
      if (doomed.mayBeDirectory) await remove(doomed)
      else await pool.add(() => remove(doomed))
    }
    await pool.drain()
    if (failure !== undefined) throw failure.error
    return { removed, failed }
  }

  async #remove(path: string, mayBeDirectory: boolean, depth: number): Promise<void> {
    const { signal } = this.#options
    // Some servers list what a link points to: only asking tells a directory from a link to one.
    const isDirectory = mayBeDirectory && (await statPath(this.#session, path, false, signal)).isDirectory()
    if (isDirectory) await this.removeDirectory(path, depth + 1)
    else await removeFile(this.#session, path, signal)
  }
}
