/**
 * What SSH_FX_FAILURE meant. Version 3 has no status for a name that is taken, a directory that is not empty, or a file
 * of the wrong kind; so once a request failed without a reason, it is looked how things stand. A reason is given only
 * where that leaves no other, and a server that gave one is asked nothing.
 */

import { printable } from '@ssh/wire'
import { SftpError } from '../errors.js'
import { statusCodes } from '../protocol/status.js'
import { meaningOf } from '../system-errors.js'
import { listDirectory, statPath } from './operations.js'
import type { ClientSession } from './session.js'
import type { SftpDirent, SftpStats } from './stats.js'

/** The codes that looking can tell. */
type Reason = 'EEXIST' | 'EISDIR' | 'ENOTDIR' | 'ENOTEMPTY'

/** Looks for the reason of a failure. */
export type Explanation = (look: Look) => Promise<Reason | undefined>

/**
 * What `request` settles with; a failure without a reason gets the one that `explain` finds.
 * @throws SftpError with the server's `status` and `serverText` all the same, and its first form as `cause`
 */
export async function explained<T>(
  session: ClientSession,
  request: Promise<T>,
  explain: Explanation,
  {
    operation,
    signal,
    mayBeNoDirectory = false,
  }: {
    readonly operation: string
    readonly signal: AbortSignal | undefined
    /** Whether "no such file" may mean ENOTDIR, for which version 3 has no other status. */
    readonly mayBeNoDirectory?: boolean
  },
): Promise<T> {
  try {
    return await request
  } catch (error) {
    if (!(error instanceof SftpError)) throw error
    const isMissing = mayBeNoDirectory && error.status === statusCodes.noSuchFile
    if (!isMissing && (error.status !== statusCodes.failure || error.code !== 'ERR_SFTP_FAILURE')) throw error
    const reason = await explain(new Look(session, signal)).catch(() => undefined)
    throw reason === undefined || (isMissing && reason !== 'ENOTDIR') ? error : withReason(error, reason, operation)
  }
}

/** A name that was to be made is taken: mkdir, symlink, link, and rename where it must not replace. */
export function isTaken(path: string): Explanation {
  return async (look) => ((await look.at(path)) === undefined ? undefined : 'EEXIST')
}

/** A file that was to be opened is there already, or is a directory. */
export function cannotBeOpened(path: string, isExclusive: boolean): Explanation {
  return async (look) => {
    if (isExclusive) return (await look.at(path)) === undefined ? undefined : 'EEXIST'
    return (await look.at(path, true))?.isDirectory() ? 'EISDIR' : undefined
  }
}

/** What was read is no file. Many servers open directories, and fail only then. */
export function cannotBeRead(path: string): Explanation {
  return async (look) => ((await look.at(path, true))?.isDirectory() ? 'EISDIR' : undefined)
}

/** A file that was to be removed is a directory. */
export function isDirectory(path: string): Explanation {
  return async (look) => ((await look.at(path))?.isDirectory() ? 'EISDIR' : undefined)
}

/** A directory that was to be removed is none, or has something in it. */
export function cannotBeEmptied(path: string): Explanation {
  return async (look) => {
    const there = await look.at(path)
    if (there === undefined || there.type === 'unknown') return undefined
    if (!there.isDirectory()) return 'ENOTDIR'
    return (await look.isEmpty(path)) ? undefined : 'ENOTEMPTY'
  }
}

/** A directory that was to be listed is none. */
function cannotBeListed(path: string): Explanation {
  return async (look) => {
    const there = await look.at(path, true)
    return there === undefined || there.isDirectory() || there.type === 'unknown' ? undefined : 'ENOTDIR'
  }
}

/** A listing whose failure tells what is no directory. */
export async function* explainedListing(
  session: ClientSession,
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<SftpDirent> {
  try {
    yield* listDirectory(session, path, signal)
  } catch (error) {
    const context = { operation: 'opendir', signal, mayBeNoDirectory: true }
    await explained(session, Promise.reject(error), cannotBeListed(path), context)
  }
}

/** What was to be replaced is of another kind, or has something in it. */
export function cannotBeReplaced(oldPath: string, newPath: string): Explanation {
  return async (look) => {
    const [moved, there] = await Promise.all([look.at(oldPath), look.at(newPath)])
    if (moved === undefined || there === undefined) return undefined
    if (there.isDirectory() && !moved.isDirectory()) return 'EISDIR'
    if (moved.isDirectory() && !there.isDirectory()) return 'ENOTDIR'
    return there.isDirectory() && !(await look.isEmpty(newPath)) ? 'ENOTEMPTY' : undefined
  }
}

/** Questions to the server. */
class Look {
  readonly #session: ClientSession
  readonly #signal: AbortSignal | undefined

  constructor(session: ClientSession, signal: AbortSignal | undefined) {
    this.#session = session
    this.#signal = signal
  }

  /** What is at `path`; undefined when nothing is. */
  async at(path: string, followSymlinks = false): Promise<SftpStats | undefined> {
    try {
      return await statPath(this.#session, path, followSymlinks, this.#signal)
    } catch (error) {
      if (error instanceof SftpError && error.code === 'ENOENT') return undefined
      throw error
    }
  }

  async isEmpty(path: string): Promise<boolean> {
    for await (const _ of listDirectory(this.#session, path, this.#signal)) return false
    return true
  }
}

function withReason(error: SftpError, reason: Reason, operation: string): SftpError {
  const { status, path, serverText } = error
  const said = serverText ? ` (server: ${printable(serverText)})` : ''
  return new SftpError(reason, `${reason}: ${meaningOf(reason) ?? 'failed'}, ${operation}${said}`, {
    cause: error,
    ...(status !== undefined && { status }),
    ...(path !== undefined && { path }),
    ...(serverText !== undefined && { serverText }),
  })
}
