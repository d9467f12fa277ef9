/**
 * Changing Xauthority files as xauth does: a new file takes the place of the old one, under the lock that all programs
 * hold that change one. Xau(3), XauLockAuth. Knows nothing of what is in them.
 */

import { constants } from 'node:fs'
import { type FileHandle, link, mkdtemp, open, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { AbortError, printable } from '@ssh/wire'
import { ConfigParseError, X11Error } from '../errors.js'
import { expandHome } from './files.js'

/** How long somebody else's lock is waited for. */
const lockTries = 200
const lockPauseMs = 50
/** A lock that is older was left behind; xauth counts ten minutes too. */
const deadLockMs = 600_000

/** More than any real one has, in bytes. */
const largestFile = 64 * 1024 * 1024

/** A file of our own, with its folder, that nobody else may read. */
export interface OwnAuthorityFile {
  readonly path: string
  remove(): Promise<void>
}

/** Writes an Xauthority file (mode 0600) into a new folder (0700) of the system's temporary one. */
export async function makeAuthorityFile(content: Uint8Array): Promise<OwnAuthorityFile> {
  const folder = await mkdtemp(join(tmpdir(), 'ssh-x11-'))
  const path = join(folder, 'Xauthority')
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    await writeNew(path, content)
  } catch (error) {
    await remove()
    throw error
  }
  return { path, remove }
}

/**
 * Changes an Xauthority file under its lock. The file is made (mode 0600) when there is none, and stays as it is when
 * `change` gives back what it was given, or throws.
 *
 * @param change gets what is in the file, nothing at first
 * @throws X11Error `ERR_SSH_X11_AUTHORITY_LOCKED` when somebody else holds the lock for long
 * @throws AbortError, ConfigParseError when the file cannot be read; what `change` throws; the system's errors
 */
export async function changeAuthorityFile(
  path: string,
  change: (content: Uint8Array) => Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const file = expandHome(path)
  const unlock = await lock(file, signal)
  try {
    const before = await readOwned(file)
    const after = change(before.content)
    if (after === before.content) return
    const written = `${file}-n`
    await rm(written, { force: true })
    await writeNew(written, after, before.owner)
    await rename(written, file)
  } finally {
    await unlock()
  }
}

interface Owner {
  readonly uid: number
  readonly gid: number
}

/**
 * What is in a file, and whose that is: of one and the same file, as its folder may be another user's, who can put something
 * else in its place at any moment.
 * @throws ConfigParseError
 */
async function readOwned(path: string): Promise<{ readonly content: Uint8Array; readonly owner?: Owner }> {
  let file: FileHandle
  try {
    // A FIFO that nobody writes to would keep open() waiting for ever.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return { content: new Uint8Array(0) }
    throw unreadable(path, cause instanceof Error ? cause.message : String(cause), cause)
  }
  try {
    const found = await file.stat()
    const { uid, gid, size } = found
    if (!found.isFile()) throw unreadable(path, 'it is not a regular file')
    if (size > largestFile) throw unreadable(path, `it has ${size} bytes, and at most ${largestFile} are read`)
    return { content: await file.readFile(), owner: { uid, gid } }
  } finally {
    await file.close()
  }
}

/**
 * Never follows what somebody else may have put there: the file must be new.
 * @param owner a server that runs as root must leave a user's file to that user
 */
async function writeNew(path: string, content: Uint8Array, owner?: Owner): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
    if (owner !== undefined && owner.uid !== process.getuid?.()) await file.chown(owner.uid, owner.gid)
  } finally {
    await file.close()
  }
}

/** The lock is the link `-l` to the file `-c`: making a link succeeds for one only, on network file systems too. */
async function lock(file: string, signal: AbortSignal | undefined): Promise<() => Promise<void>> {
  const created = `${file}-c`
  const linked = `${file}-l`
  const unlock = async (): Promise<void> => {
    await rm(created, { force: true })
    await rm(linked, { force: true })
  }
  const age = await ageOf(created)
  if (age !== undefined && age > deadLockMs) await unlock()
  let isCreated = false
  try {
    for (let tries = 1; tries <= lockTries; tries++) {
      if (signal?.aborted) throw new AbortError(signal.reason)
      try {
        if (!isCreated) await (await open(created, 'wx', 0o600)).close()
        isCreated = true
        await link(created, linked)
        return unlock
      } catch (error) {
        // A file system without links leaves it at the first step, which says as much on this machine.
        if (isCreated && hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP')) return unlock
        // Somebody has it, or took ours for a dead one.
        if (!hasCode(error, ...(isCreated ? ['EEXIST', 'ENOENT'] : ['EEXIST']))) throw error
        if (hasCode(error, 'ENOENT')) isCreated = false
      }
      await setTimeout(lockPauseMs, undefined, signal && { signal }).catch(() => {})
    }
    throw lockedByOther(file)
  } catch (error) {
    if (isCreated) await rm(created, { force: true })
    throw error
  }
}

async function ageOf(path: string): Promise<number | undefined> {
  try {
    return Date.now() - (await stat(path)).ctimeMs
  } catch {
    return undefined
  }
}

function lockedByOther(file: string): X11Error {
  return new X11Error(
    'ERR_SSH_X11_AUTHORITY_LOCKED',
    `Another program has held the lock of ${printable(file)} for ${(lockTries * lockPauseMs) / 1000} s. ` +
      `If none is running, remove ${printable(file)}-c and ${printable(file)}-l`,
    { details: { file } },
  )
}

function unreadable(file: string, why: string, cause?: unknown): ConfigParseError {
  return new ConfigParseError(`Cannot read ${printable(file)}: ${why}`, {
    details: { file },
    ...(cause !== undefined && { cause }),
  })
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}
