/** What a user may write to say where to connect. */

import { printable } from '@ssh/wire'
import { OptionsError } from '../errors.js'

/** `'host'`, `'user@host'`, `'user@host:port'`, `'[v6]:port'`, `'ssh://user@host:port'`, or the parts. */
export type Destination = string | { readonly host: string; readonly port?: number; readonly username?: string }

/** The parts of a destination; what was not said is undefined. */
export interface ParsedDestination {
  readonly host: string
  readonly port: number | undefined
  readonly username: string | undefined
}

/**
 * Takes a destination apart.
 * @throws OptionsError when it is none, or holds a name that no program should pass on (control characters, blanks,
 *   a leading dash)
 */
export function parseDestination(destination: Destination): ParsedDestination {
  if (typeof destination !== 'string') {
    const { host, port, username } = destination
    return checked({ host, port, username }, host)
  }
  return checked(destination.startsWith('ssh://') ? parseUri(destination) : parseText(destination), destination)
}

function parseText(text: string): ParsedDestination {
  // A user name may hold an @ (an e-mail address as login); a host name cannot, so the last one separates.
  const at = text.lastIndexOf('@')
  const username = at === -1 ? undefined : text.slice(0, at)
  return { username, ...parseHostPort(text.slice(at + 1), text) }
}

function parseHostPort(text: string, whole: string): { host: string; port: number | undefined } {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text)
  if (bracketed?.[1] !== undefined) return { host: bracketed[1], port: parsePort(bracketed[2], whole) }
  const colons = text.split(':').length - 1
  // Several colons and no brackets: an IPv6 address, which cannot carry a port.
  if (colons !== 1) return { host: text, port: undefined }
  const [host = '', port] = text.split(':')
  return { host, port: parsePort(port, whole) }
}

function parsePort(text: string | undefined, whole: string): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,5}$/.test(text)) throw invalid(whole, `its port "${printable(text, 32)}" is no number`)
  return Number(text)
}

function parseUri(text: string): ParsedDestination {
  const matched = /^ssh:\/\/(?:([^@/]*)@)?([^/]*)\/?$/.exec(text)
  if (!matched) throw invalid(text, 'it is no ssh:// address')
  const [, userInfo, hostPort = ''] = matched
  // Connection parameters after a semicolon (draft-ietf-secsh-scp-sftp-ssh-uri) are not supported by anybody.
  const username = userInfo === undefined ? undefined : decode(userInfo, text)
  const { host, port } = parseHostPort(hostPort, text)
  return { host: decode(host, text), port, username }
}

function decode(part: string, whole: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalid(whole, 'its percent-encoding is broken')
  }
}

function checked(parsed: ParsedDestination, whole: string): ParsedDestination {
  const { host, port, username } = parsed
  if (typeof host !== 'string' || host === '') throw invalid(whole, 'it has no host')
  if (/[\s\p{Cc}\p{Cf}]/u.test(host) || host.startsWith('-'))
    throw invalid(whole, 'its host is no host name or address')
  if (username !== undefined && (username === '' || /[\p{Cc}]/u.test(username))) {
    throw invalid(whole, 'its user name is empty or has control characters')
  }
  if (port !== undefined && (!Number.isInteger(port) || port < 1 || port > 65535)) {
    throw invalid(whole, `its port ${port} is not between 1 and 65535`)
  }
  return parsed
}

function invalid(destination: string, why: string): OptionsError {
  return new OptionsError(
    `Cannot connect to "${printable(String(destination), 128)}": ${why}; expected host, user@host, user@host:port, [address]:port or ssh://user@host:port`,
    { details: { destination } },
  )
}
