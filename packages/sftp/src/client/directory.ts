/** Making and removing whole trees on the server. */

import { SftpError } from '../errors.js'
import { listDirectory, makeDirectory, removeDirectory, removeFile, statPath } from './operations.js'
import type { SftpMakedirsOptions, SftpRmtreeOptions } from './options.js'
import { assertDepth, assertPlainName, joinPath, parentPath } from './paths.js'
import type { ClientSession } from './session.js'
import { TaskPool } from './task-pool.js'

/** Removals in flight at most. */
const removalsAtOnce = 64

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
  const { mode, existOk = false, signal } = options
  try {
    await makeDirectory(session, path, mode === undefined ? {} : { permissions: mode }, signal)
  } catch (error) {
    if (!(error instanceof SftpError) || error.code === 'ENOENT') throw error
    // Version 3 has no status for a directory that is there already: only looking tells.
    if (!(await isDirectory(session, path, signal))) throw error
    if (!existOk)
      throw new SftpError('EEXIST', 'EEXIST: the directory exists already, makedirs', { path, cause: error })
  }
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
  const { onError, signal } = options
  const attempt = async (step: () => Promise<void>): Promise<void> => {
    try {
      await step()
    } catch (error) {
      if (!(error instanceof SftpError) || onError === undefined) throw error
      onError(error)
    }
  }
  await attempt(async () => {
    const attrs = await statPath(session, path, false, signal)
    if (!attrs.isDirectory()) throw new SftpError('ENOTDIR', 'ENOTDIR: not a directory, rmtree', { path })
    await removeDirectoryTree({ session, attempt, signal }, path, 0)
  })
}

interface Removal {
  readonly session: ClientSession
  readonly signal: AbortSignal | undefined
  /** Runs a step; what it fails with goes to the caller's `onError` if there is one. */
  attempt(step: () => Promise<void>): Promise<void>
}

async function removeDirectoryTree(removal: Removal, path: string, depth: number): Promise<void> {
  const { session, attempt, signal } = removal
  assertDepth(depth, path)
  const files: string[] = []
  const directories: string[] = []
  // All names first: what is removed while a directory is being listed makes some servers skip others.
  for await (const { name, attrs } of listDirectory(session, path, signal)) {
    assertPlainName(name, path)
    const isLeaf = !attrs.isDirectory() && attrs.type !== 'unknown'
    ;(isLeaf ? files : directories).push(joinPath(path, name))
  }
  await removeFiles(removal, files)
  for (const directory of directories) {
    await attempt(async () => {
      // Some servers list what a link points to: only asking tells a directory from a link to one.
      const attrs = await statPath(session, directory, false, signal)
      if (attrs.isDirectory()) await removeDirectoryTree(removal, directory, depth + 1)
      else await removeFile(session, directory, signal)
    })
  }
  await removeDirectory(session, path, signal)
}

async function removeFiles({ session, attempt, signal }: Removal, files: readonly string[]): Promise<void> {
  const pool = new TaskPool(removalsAtOnce)
  let failure: { readonly error: unknown } | undefined
  for (const file of files) {
    if (failure !== undefined) break
    await pool.add(() =>
      attempt(() => removeFile(session, file, signal)).catch((error) => {
        failure ??= { error }
      }),
    )
  }
  await pool.drain()
  if (failure !== undefined) throw failure.error
}
