/** What a user may write to say where to connect. */

import { printable } from '@ssh/wire'
import { z } from 'zod'
import { parseIpAddress } from '../config/ip-address.js'
import { OptionsError } from '../errors.js'
import { parseOptions } from '../options-schema.js'

/** `'host'`, `'user@host'`, `'user@host:port'`, `'[v6]:port'`, `'ssh://user@host:port'`, or the parts. */
export type Destination = string | { readonly host: string; readonly port?: number; readonly username?: string }

/** The parts of a destination; what was not said is undefined. */
export interface ParsedDestination {
  readonly host: string
  readonly port: number | undefined
  readonly username: string | undefined
}

const destinationSchema = z.union([
  z.string(),
  z.strictObject({ host: z.string(), port: z.number().optional(), username: z.string().optional() }),
])

/**
 * Takes a destination apart.
 * @throws OptionsError when it is none, or holds a name that no program should pass on (control characters, blanks,
 *   what a shell would act upon, a leading dash)
 */
export function parseDestination(destination: Destination): ParsedDestination {
  const given = parseOptions('the destination (all others are the second argument)', destinationSchema, destination)
  if (typeof given !== 'string') return checked({ ...noParts, ...given }, given.host)
  return checked(/^ssh:\/\//i.test(given) ? parseUri(given) : parseText(given), given)
}

const noParts = { port: undefined, username: undefined }

function parseText(text: string): ParsedDestination {
  // A user name may hold an @ (an e-mail address as login); a host name cannot, so the last one separates.
  const at = text.lastIndexOf('@')
  const username = at === -1 ? undefined : text.slice(0, at)
  return { username, ...parseHostPort(text.slice(at + 1), text) }
}

function parseHostPort(text: string, whole: string): { host: string; port: number | undefined } {
  const bracketed = /^\[([^\]]+)\](?::(.*))?$/.exec(text)
  if (bracketed?.[1] !== undefined) return { host: bracketed[1], port: parsePort(bracketed[2], whole) }
  const [host = '', port, ...more] = text.split(':')
  // Several colons and no brackets: an IPv6 address, which cannot carry a port.
  return more.length > 0 ? { host: text, port: undefined } : { host, port: parsePort(port, whole) }
}

function parsePort(text: string | undefined, whole: string): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,5}$/.test(text)) throw invalid(whole, `its port "${printable(text, 32)}" is no number`)
  return Number(text)
}

function parseUri(text: string): ParsedDestination {
  const matched = /^ssh:\/\/(?:([^@/]*)@)?([^/]*)\/?$/i.exec(text)
  if (!matched) throw invalid(text, 'it is no ssh:// address')
  const [, userInfo, hostPort = ''] = matched
  // The address may hold a password, so it is not repeated.
  if (userInfo !== undefined && /[:;]/.test(userInfo)) {
    throw new OptionsError('An ssh:// address must not hold a password or parameters; give them as options')
  }
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

/** NI_MAXHOST: what is longer is no name, and patterns would be tried at each character of it. */
const maximumNameLength = 1024

function checked(parsed: ParsedDestination, whole: string): ParsedDestination {
  const { host, port, username } = parsed
  if (Math.max(host.length, username?.length ?? 0) > maximumNameLength) {
    throw invalid(whole, `its host or user name has more than ${maximumNameLength} characters`)
  }
  if (host === '') throw invalid(whole, 'it has no host')
  const isAddress = host.includes(':') && parseIpAddress(host) !== undefined
  // Letters of any script, as in international names; a zone (%eth0) only behind an address.
  const isName = /^[\p{L}\p{M}\p{N}._-]+$/u.test(host) && !host.startsWith('-')
  if (!isName && !(isAddress && /^[\w.:%-]+$/.test(host))) throw invalid(whole, 'its host is no host name or address')
  if (username !== undefined && (username === '' || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(username))) {
    throw invalid(whole, 'its user name is empty or has invisible characters')
  }
  if (port !== undefined && (!Number.isInteger(port) || port < 1 || port > 65535)) {
    throw invalid(whole, `its port ${port} is not between 1 and 65535`)
  }
  return parsed
}

function invalid(destination: string, why: string): OptionsError {
  return new OptionsError(
    `Cannot connect to "${printable(destination, 128)}": ${why}; expected host, user@host, user@host:port, [address]:port or ssh://user@host:port`,
    { details: { destination } },
  )
}
