/** The few files a connection reads and writes: keys, known_hosts, authorized_keys. */

import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readFile, realpath, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { devNull, homedir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { ConfigParseError } from '../errors.js'

/** Largest key, known_hosts or authorized_keys file that is read, in bytes. */
const maximumFileSize = 64 * 1024 * 1024

/** `~` and `~/…` become the user's home directory. */
export function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

/** Login name of the user who runs this process. */
export function localUserName(): string {
  return userInfo().username
}

/**
 * Content of a regular file.
 * @throws ConfigParseError when it cannot be read, is something else (a FIFO would block for ever), or is larger than
 *   any real one; `cause` is the system's error, if there is one
 */
export async function readRegularFile(path: string): Promise<Buffer> {
  const content = await readFileIfThere(path)
  if (content === undefined) throw unreadable(expandHome(path), 'there is no such file')
  return content
}

/** As {@link readRegularFile}, but undefined when there is no such file; also for the null device, as with OpenSSH. */
export async function readFileIfThere(path: string): Promise<Buffer | undefined> {
  const expanded = expandHome(path)
  if (expanded === devNull) return undefined
  try {
    const handle = await openForReading(expanded)
    try {
      const found = await handle.stat()
      if (!found.isFile()) throw unreadable(expanded, 'it is not a regular file')
      if (found.size > maximumFileSize) {
        throw unreadable(expanded, `it has ${found.size} bytes, and at most ${maximumFileSize} are read`)
      }
      const content = await readAtMost(handle, found.size, maximumFileSize)
      if (content === undefined) throw unreadable(expanded, `it has more than ${maximumFileSize} bytes`)
      return content
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (isMissing(cause)) return undefined
    if (cause instanceof ConfigParseError) throw cause
    throw unreadable(expanded, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

/** Opens a file, or a FIFO, for which nobody need be writing: whoever asked before opening knows nothing about now. */
export function openForReading(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
}

/**
 * Reads to the end.
 * @param expected what stat tells; it may be 0 for a file that is endless
 * @returns undefined when there is more than `maximum`
 */
export async function readAtMost(handle: FileHandle, expected: number, maximum: number): Promise<Buffer | undefined> {
  let buffer = Buffer.allocUnsafe(Math.min(expected, maximum) + 1)
  let length = 0
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length)
    length += bytesRead
    if (bytesRead === 0 || (length === expected && length < buffer.length)) return buffer.subarray(0, length)
    if (length > maximum) return undefined
    if (length < buffer.length) continue
    const larger = Buffer.allocUnsafe(Math.min(length * 2 + 4096, maximum + 1))
    buffer.copy(larger)
    buffer = larger
  }
}

/**
 * Takes lines out of a file and adds others at its end, at once: whoever reads meanwhile sees the file before or after.
 * @param isOutdated whether a line is taken out
 * @param added lines that are not in the file yet
 */
export async function replaceLines(
  path: string,
  isOutdated: (line: string) => boolean,
  added: readonly string[],
): Promise<void> {
  await inTurn(expandHome(path), (expanded) => replaceAll(expanded, isOutdated, added))
}

/**
 * Appends one line to a file, unless it is there, making the file (mode 0600) and its folder (0700) where missing.
 * @param isThere whether the content says the same already, if that can be in other words
 */
export async function appendLine(path: string, line: string, isThere?: (content: string) => boolean): Promise<void> {
  await inTurn(expandHome(path), (expanded) => appendOne(expanded, line, isThere))
}

/** One after the other, or two connections that meet the same host at once would both find the line missing. */
async function inTurn(path: string, change: (path: string) => Promise<void>): Promise<void> {
  const turn = (appending.get(path) ?? Promise.resolve()).then(() => change(path))
  const settled = turn.catch(() => {})
  appending.set(path, settled)
  await turn.finally(() => {
    if (appending.get(path) === settled) appending.delete(path)
  })
}

/** The last append of each file that is under way. */
const appending = new Map<string, Promise<void>>()

async function appendOne(path: string, line: string, isThere?: (content: string) => boolean): Promise<void> {
  await makeFolder(dirname(path))
  const file = await open(path, 'a+', 0o600)
  try {
    const content = await file.readFile('utf8')
    if (content.split(/\r?\n/).includes(line) || isThere?.(content)) return
    // A last line without its newline would swallow ours. One write of one buffer: appends of several processes do
    // not interleave.
    await file.write(`${content === '' || content.endsWith('\n') ? '' : '\n'}${line}\n`)
  } finally {
    await file.close()
  }
}

async function replaceAll(
  path: string,
  isOutdated: (line: string) => boolean,
  added: readonly string[],
): Promise<void> {
  // A link would be replaced by a file of its own, and what it leads to would stay as it was.
  const target = await realpath(path)
  const { mode } = await stat(target)
  const kept = (await readFile(target, 'utf8')).split(/\r?\n/).filter((line) => !isOutdated(line))
  if (kept[kept.length - 1] === '') kept.pop()
  const fresh = added.filter((line) => !kept.includes(line))
  const beside = `${target}.${process.pid}.${Date.now()}`
  try {
    await writeFile(beside, [...kept, ...fresh, ''].join('\n'), { mode: mode & 0o777, flag: 'wx' })
    await rename(beside, target)
  } catch (error) {
    await unlink(beside).catch(() => {})
    throw error
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

function unreadable(file: string, why: string, cause?: unknown): ConfigParseError {
  return new ConfigParseError(`Cannot read ${file}: ${why}`, {
    details: { file },
    ...(cause !== undefined && { cause }),
  })
}

function isMissing(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}
