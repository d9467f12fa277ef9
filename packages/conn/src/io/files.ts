/** The few files a connection reads and writes: keys, known_hosts, authorized_keys. */

import { mkdir, open, readFile, stat } from 'node:fs/promises'
import { homedir, userInfo } from 'node:os'
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
 * @throws ConfigParseError when it is something else (a FIFO would block for ever) or larger than any real one
 * @throws Error the system's, when it cannot be read
 */
export async function readRegularFile(path: string): Promise<Buffer> {
  const expanded = expandHome(path)
  const found = await stat(expanded)
  if (!found.isFile()) {
    throw new ConfigParseError(`${expanded} is not a regular file`, { details: { file: expanded } })
  }
  if (found.size > maximumFileSize) {
    throw new ConfigParseError(`${expanded} has ${found.size} bytes, more than the ${maximumFileSize} that are read`, {
      details: { file: expanded },
    })
  }
  return readFile(expanded)
}

/** As {@link readRegularFile}, but undefined when there is no such file. */
export async function readFileIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readRegularFile(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Appends whole lines to a file, making it (mode 0600) and its folder (0700) where they are missing. */
export async function appendLine(path: string, line: string): Promise<void> {
  const expanded = expandHome(path)
  await mkdir(dirname(expanded), { recursive: true, mode: 0o700 })
  const file = await open(expanded, 'a+', 0o600)
  try {
    const { size } = await file.stat()
    // A last line without its newline would swallow ours.
    const last = Buffer.alloc(1)
    const needsNewline = size > 0 && (await file.read(last, 0, 1, size - 1)).bytesRead === 1 && last[0] !== 0x0a
    // One write of one buffer: appends of several processes do not interleave.
    await file.write(`${needsNewline ? '\n' : ''}${line}\n`)
  } finally {
    await file.close()
  }
}

function isMissing(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    (error.code === 'ENOENT' || error.code === 'ENOTDIR')
  )
}
