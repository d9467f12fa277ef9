/** Files of ssh_config and sshd_config, and what they include. */

import type { Stats } from 'node:fs'
import { type FileHandle, readdir } from 'node:fs/promises'
import { devNull, homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { printable } from '@ssh/wire'
import { maximumConfigLength } from '../config/config-line.js'
import type { ConfigSource, IncludeReader } from '../config/config-model.js'
import { globMatcher, hasWildcard, unescapeGlob } from '../config/glob-pattern.js'
import { ConfigParseError } from '../errors.js'
import { expandHome, openForReading, readAtMost } from './files.js'

/** Where `ssh` looks, in this order. */
export const userConfigFile = '~/.ssh/config'
export const systemConfigFile = '/etc/ssh/ssh_config'

/** Directories that relative names of included files are in. */
const includeFolders = { user: '~/.ssh', system: '/etc/ssh' } as const

/** Names in one directory above which an Include with wildcards is taken for a mistake. */
const maximumNames = 4096

/** PATH_MAX of Linux, in characters. */
const maximumPathLength = 4096

export interface ConfigFileOptions {
  /** Whose file it is. Default `user`. */
  readonly scope?: 'user' | 'system'
  /** Refuses a file that somebody else owns or may write to. Default false. */
  readonly isPrivate?: boolean
}

/**
 * Reads one file.
 * @returns undefined when there is no such file
 * @throws ConfigParseError when it is no regular file, larger than any real one, not readable, or not private where it
 *   must be
 */
export async function readConfigFile(path: string, options: ConfigFileOptions = {}): Promise<ConfigSource | undefined> {
  const { scope = 'user', isPrivate = false } = options
  const file = expandHome(path)
  if (file === devNull) return { text: '', file, scope }
  let handle: FileHandle
  try {
    handle = await openForReading(file)
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw unreadable(file, cause instanceof Error ? cause.message : String(cause), cause)
  }
  try {
    const found = await handle.stat()
    if (!found.isFile()) throw unreadable(file, 'it is not a regular file')
    if (isPrivate) assertPrivate(file, found)
    const content = await readAtMost(handle, found.size, maximumConfigLength)
    if (content === undefined) throw unreadable(file, `it has more than ${maximumConfigLength} bytes`)
    return { text: content.toString('utf8'), file, scope }
  } finally {
    await handle.close()
  }
}

/**
 * Reads a file that must be there.
 * @throws ConfigParseError as {@link readConfigFile}, and when there is no such file
 */
export async function readNamedConfigFile(path: string, options: ConfigFileOptions = {}): Promise<ConfigSource> {
  const source = await readConfigFile(path, options)
  if (source === undefined) throw unreadable(expandHome(path), 'there is no such file')
  return source
}

/**
 * Finds files that an Include names: below `~/.ssh` or `/etc/ssh` where the name is relative, in their order.
 * @param isPrivate refuses files that somebody else owns or may write to
 */
export function includeReader(isPrivate: boolean): IncludeReader {
  return async (pattern, { scope = 'user' }) => {
    if (pattern.startsWith('~') && scope === 'system') {
      throw new ConfigParseError(`a file of the system must not include "${printable(pattern, 256)}", in a home`)
    }
    if (pattern.startsWith('~') && !/^~(?:\/|$)/.test(pattern)) {
      throw new ConfigParseError(`"${printable(pattern, 256)}" is in the home of another user, who is not looked up`)
    }
    const anchored = isAbsolute(pattern) || pattern.startsWith('~') ? pattern : `${includeFolders[scope]}/${pattern}`
    const sources: ConfigSource[] = []
    for (const path of await findFiles(anchored)) {
      const source = await readConfigFile(path, { scope, isPrivate })
      if (source !== undefined) sources.push(source)
    }
    return sources
  }
}

/** Paths that a pattern fits, in the order of their characters. */
async function findFiles(pattern: string): Promise<readonly string[]> {
  if (pattern.length > maximumPathLength)
    throw new ConfigParseError(`"${printable(pattern, 256)}" is longer than any path`)
  const [first = '', ...parts] = pattern.split('/')
  let paths = [first === '~' ? homedir() : first === '' ? '/' : first]
  for (const part of parts) {
    if (part === '') continue
    const next: string[] = []
    const fits = globMatcher(part)
    for (const path of paths) {
      if (!hasWildcard(part)) next.push(join(path, unescapeGlob(part)))
      else for (const name of (await namesIn(path)).filter(fits)) next.push(join(path, name))
      if (next.length > maximumNames) throw new ConfigParseError(`"${printable(pattern, 256)}" fits too many files`)
    }
    paths = next
  }
  return paths.sort()
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    const names = await readdir(folder)
    if (names.length > maximumNames) throw unreadable(folder, `it has more than ${maximumNames} files to choose from`)
    return names
  } catch (cause) {
    if (isMissing(cause)) return []
    if (cause instanceof ConfigParseError) throw cause
    throw unreadable(folder, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

/** As OpenSSH: the file is the user's or root's, and nobody else may write to it. */
function assertPrivate(file: string, { uid, mode }: Stats): void {
  const user = process.getuid?.()
  // Where there are no such numbers there are no such rights either.
  if (user === undefined) return
  const isForeign = uid !== 0 && uid !== user
  if (!isForeign && (mode & 0o022) === 0) return
  const what = isForeign
    ? `it belongs to user ${uid}`
    : `its mode ${(mode & 0o777).toString(8)} lets others write to it`
  throw unreadable(file, `${what}, and it could make this user run anything; make it the user's own, with mode 600`)
}

function unreadable(file: string, why: string, cause?: unknown): ConfigParseError {
  return new ConfigParseError(`Cannot read ${printable(file, 1024)}: ${why}`, {
    details: { file },
    ...(cause !== undefined && { cause }),
  })
}

function isMissing(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ENOTDIR'
}
