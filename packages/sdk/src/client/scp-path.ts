/** Reads the paths that `scp` takes: which are here, which are elsewhere, and where. */

import { type Destination, OptionsError, parseDestination } from '@ssh/conn'
import { printable } from '@ssh/wire'
import type { ScpPath, ScpRemotePath, ScpSources } from './scp-options.js'
import { SshClientConnection } from './ssh-client-connection.js'

/** A path, read. */
export type ParsedScpPath =
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 'remote'; readonly connection: SshClientConnection | Destination; readonly path: string }

/**
 * The sources, one by one.
 * @throws OptionsError when there is none, or one is no path
 */
export function parseScpSources(sources: ScpSources): readonly ParsedScpPath[] {
  const list = isList(sources) ? sources : [sources]
  if (list.length === 0) throw new OptionsError('scp needs a source, and got an empty list')
  return list.map((source) => parseScpPath('source', source))
}

/** @throws OptionsError for what is no path, or names no host */
export function parseScpPath(what: 'source' | 'destination', given: ScpPath): ParsedScpPath {
  if (typeof given === 'string') return parseText(what, given)
  const [connection, path, ...more]: readonly unknown[] = isPair(given)
    ? given
    : typeof given === 'object' && given !== null
      ? [given.connection, given.path]
      : []
  if (typeof path !== 'string' || more.length > 0) throw notAPath(what)
  if (connection instanceof SshClientConnection) return { kind: 'remote', connection, path }
  const destination = connection as Destination
  // Checked here, before anything is opened.
  parseDestination(destination)
  return { kind: 'remote', connection: destination, path }
}

/** A list of text is a list of paths; of anything else, two items with a path behind are one path. */
function isList(sources: ScpSources): sources is readonly ScpPath[] {
  if (!Array.isArray(sources)) return false
  const [first, second]: readonly unknown[] = sources
  const isOnePath =
    sources.length === 2 && typeof first !== 'string' && !isPathLike(first) && typeof second === 'string'
  return !isOnePath
}

/** Whether something is a remote path of its own, so that a list that begins with it is a list. */
function isPathLike(value: unknown): boolean {
  return (
    Array.isArray(value) || (typeof value === 'object' && value !== null && 'path' in value && 'connection' in value)
  )
}

function isPair(given: ScpRemotePath): given is Extract<ScpRemotePath, readonly unknown[]> {
  return Array.isArray(given)
}

function parseText(what: 'source' | 'destination', text: string): ParsedScpPath {
  if (/^scp:\/\//i.test(text)) return parseUri(text)
  const colon = hostEnd(text)
  if (colon === undefined) {
    if (text === '') throw notAPath(what)
    return { kind: 'local', path: text }
  }
  const connection = text.slice(0, colon)
  parseDestination(connection)
  return { kind: 'remote', connection, path: text.slice(colon + 1) }
}

/**
 * Where a host ends: at a colon with no slash before it, as in scp(1). An address in brackets may hold colons.
 * @returns undefined for a local path
 */
function hostEnd(text: string): number | undefined {
  // A drive of Windows.
  if (process.platform === 'win32' && /^[A-Za-z]:/.test(text)) return undefined
  const bracketed = /^(?:[^/:[\]]*@)?\[[^/\]]*\](?=:)/.exec(text)
  if (bracketed !== null) return bracketed[0].length
  const colon = /^[^/:]+(?=:)/.exec(text)
  return colon === null ? undefined : colon[0].length
}

/** `scp://[user@]host[:port][/path]`: the path is relative to the home directory, unless it begins with a second slash. */
function parseUri(text: string): ParsedScpPath {
  const [, authority = '', path = ''] = /^scp:\/\/([^/]*)(?:\/(.*))?$/is.exec(text) ?? []
  const { host, port, username } = parseDestination(`ssh://${authority}`)
  const connection = { host, ...(port !== undefined && { port }), ...(username !== undefined && { username }) }
  try {
    return { kind: 'remote', connection, path: decodeURIComponent(path) }
  } catch {
    throw new OptionsError(`The percent-encoding of the path is broken: ${printable(path, 128)}`)
  }
}

function notAPath(what: string): OptionsError {
  return new OptionsError(
    `The ${what} of scp is no path: give text ('file', 'host:file', 'scp://host/file'), [connection, path], ` +
      '[destination, path] or { connection, path }',
  )
}
