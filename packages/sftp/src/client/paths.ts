/** Paths of a server: text with `/` between the parts. What they mean is up to the server. */

import { printable } from '@ssh/wire'
import { SftpError } from '../errors.js'
import { isUnsafeOnWindows } from '../local-path.js'

/** `name` in `directory`; an empty directory is the current one. */
export function joinPath(directory: string, name: string): string {
  if (directory === '') return name
  return directory.endsWith('/') ? directory + name : `${directory}/${name}`
}

/**
 * What a caller gave as a path, which without types may be anything.
 * @throws SftpError `EINVAL`
 */
export function assertPath(path: unknown): asserts path is string {
  if (typeof path === 'string') return
  const kind = Array.isArray(path) ? 'an array' : typeof path === 'object' ? 'an object' : `a ${typeof path}`
  const found = path === undefined || path === null ? String(path) : kind
  throw new SftpError('EINVAL', `Expected a path as text, found ${found}`)
}

/** `path` seen from `directory`: an absolute path stays as it is. @throws SftpError `EINVAL` for what is no text */
export function resolvePath(directory: string | undefined, path: string): string {
  assertPath(path)
  if (directory === undefined || path.startsWith('/')) return path
  return path === '' ? directory : joinPath(directory, path)
}

/** The last part of a path, without slashes behind it; empty for `/`. */
export function baseName(path: string): string {
  const trimmed = trimSlashes(path)
  return trimmed.slice(trimmed.lastIndexOf('/') + 1)
}

/** The path without its last part; undefined when there is nothing in front of it. */
export function parentPath(path: string): string | undefined {
  const trimmed = trimSlashes(path)
  const slash = trimmed.lastIndexOf('/')
  if (slash < 0 || trimmed === '') return undefined
  return slash === 0 ? '/' : trimmed.slice(0, slash)
}

function trimSlashes(path: string): string {
  let end = path.length
  while (end > 0 && path[end - 1] === '/') end--
  return path.slice(0, end)
}

/** Directories within directories at most: a server can make up an endless tree, and links can form a circle. */
const maximumDepth = 64

/** @throws SftpError `ELOOP` when a walk has come too deep */
export function assertDepth(depth: number, path: string): void {
  if (depth < maximumDepth) return
  throw new SftpError('ELOOP', `ELOOP: directories are nested more than ${maximumDepth} deep`, { path })
}

/**
 * Refuses a name from a listing that is no plain name: joined to a directory it would mean another one.
 * @throws SftpError `ERR_SFTP_UNSAFE_NAME`
 */
export function assertPlainName(name: string, directory: string): void {
  if (name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0')) return
  throw unsafeName(name, directory)
}

/**
 * Refuses a name from a server that would not stay in the local directory it is joined to.
 *
 * A backslash is refused everywhere, though POSIX allows it in names: a tree fetched on one machine is often read on
 * another. On Windows colons (drives, alternate streams), device names and trailing dots and spaces go too.
 *
 * @throws SftpError `ERR_SFTP_UNSAFE_NAME`
 */
export function assertSafeLocalName(name: string, directory: string, platform = process.platform): void {
  assertPlainName(name, directory)
  const isUnsafe = name.includes('\\') || (platform === 'win32' && isUnsafeOnWindows(name))
  if (isUnsafe) throw unsafeName(name, directory)
}

function unsafeName(name: string, directory: string): SftpError {
  return new SftpError(
    'ERR_SFTP_UNSAFE_NAME',
    `The server lists the name "${printable(name)}", which would lead out of its directory; it was not used`,
    { path: directory, details: { name } },
  )
}
