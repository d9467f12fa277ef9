/**
 * known_hosts: which keys are known for which hosts. sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
 *
 * Names match as in OpenSSH: another port than 22 is looked up as `[host]:port`, then under the bare name too.
 * As in OpenSSH the bare name only ever helps: a key there that differs belongs to port 22 and proves nothing
 * about this one. (AsyncSSH treats such a key as this host's and calls ours changed.)
 */

import { createHmac } from 'node:crypto'
import type { PublicKey } from '@ssh/crypto'
import { printable, toBase64 } from '@ssh/wire'
import { ConfigParseError } from '../errors.js'
import type { ConfigWarning } from './config-warning.js'
import { isInBlock, parseCidr, parseIpAddress } from './ip-address.js'
import {
  decodeBase64,
  forEachLine,
  isPlausibleName,
  type KeyFields,
  LineFault,
  parseKeyFields,
  splitField,
} from './key-line.js'
import { matchesPattern, matchList } from './patterns.js'

/** One line of a known_hosts file. */
export interface KnownHostEntry extends KeyFields {
  readonly marker: 'cert-authority' | 'revoked' | undefined
  /** First field as written: comma-separated patterns, or `|1|salt|hash`. */
  readonly hosts: string
  /** Where it was read from, when there was a file. */
  readonly file: string | undefined
  /** Counted from 1. */
  readonly line: number
}

/** A known_hosts file, or several as one. */
export interface KnownHosts {
  readonly entries: readonly KnownHostEntry[]
  readonly warnings: readonly ConfigWarning[]
}

/** What is on file for one host. */
export interface KnownHostMatches {
  /** The name that was looked up: `host`, or `[host]:port` for another port than 22. */
  readonly name: string
  /** Keys of exactly this host and port. */
  readonly trusted: readonly KnownHostEntry[]
  /**
   * Keys of the bare host name (for another port than 22) or of the address. One that fits proves the host; one
   * that does not fit proves nothing, as other ports and former users of an address have keys of their own.
   */
  readonly related: readonly KnownHostEntry[]
  /** Lines marked `@cert-authority`. */
  readonly authorities: readonly KnownHostEntry[]
  /** Lines marked `@revoked`. */
  readonly revoked: readonly KnownHostEntry[]
}

/**
 * Reads the text of a known_hosts file. Never throws: what cannot be read becomes a warning.
 * @param file where the text comes from, for messages
 */
export function parseKnownHosts(text: string, file?: string): KnownHosts {
  const entries: KnownHostEntry[] = []
  const warnings: ConfigWarning[] = []
  forEachLine(
    text,
    (content, line) => entries.push({ ...parseLine(content), file, line }),
    (message, line) => warnings.push({ file, line, message }),
  )
  return { entries, warnings }
}

/** Several files as one, in order. */
export function mergeKnownHosts(files: readonly KnownHosts[]): KnownHosts {
  return { entries: files.flatMap((file) => file.entries), warnings: files.flatMap((file) => file.warnings) }
}

/**
 * What is on file for a host.
 * @param host name or address as the user gave it; for a HostKeyAlias, the alias, with port 22
 * @param address the address it resolved to, if that should count
 */
export function lookupKnownHost(
  knownHosts: KnownHosts,
  host: string,
  port: number,
  address?: string,
): KnownHostMatches {
  const name = lookupName(host, port)
  const bareName = host.toLowerCase()
  const addressNames = address === undefined ? [] : [lookupName(address, port), address.toLowerCase()]
  const trusted: KnownHostEntry[] = []
  const related: KnownHostEntry[] = []
  const authorities: KnownHostEntry[] = []
  const revoked: KnownHostEntry[] = []
  for (const entry of knownHosts.entries) {
    const isExact = matchesHosts(entry.hosts, name)
    const isNamed = isExact || (bareName !== name && matchesHosts(entry.hosts, bareName))
    if (!isNamed && !addressNames.some((candidate) => matchesHosts(entry.hosts, candidate))) continue
    if (entry.marker === 'revoked') revoked.push(entry)
    else if (entry.marker === undefined) (isExact ? trusted : related).push(entry)
    // An address says nothing about the principals a CA may vouch for.
    else if (isNamed) authorities.push(entry)
  }
  return { name, trusted, related, authorities, revoked }
}

/**
 * A line for a known_hosts file, without line end.
 * @param salt 20 random bytes to write the host name hashed; absent: plain
 * @throws ConfigParseError when the name holds anything that means something else in the file
 */
export function formatKnownHost(host: string, port: number, key: PublicKey, salt?: Uint8Array): string {
  if (!/^[\w.:%-]+$/.test(host) || !Number.isInteger(port) || port < 1 || port > 65535) {
    throw new ConfigParseError(
      `Cannot write "${printable(host)}" port ${port} to known_hosts: expected letters, digits and . : _ % - only`,
      { details: { host, port } },
    )
  }
  const name = lookupName(host, port)
  return `${salt === undefined ? name : hashName(name, toBase64(salt))} ${key.algorithm} ${toBase64(key.blob)}`
}

/** The name under which OpenSSH files a host: lower case, and with the port unless that is 22. */
function lookupName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`
}

function parseLine(content: string): Omit<KnownHostEntry, 'file' | 'line'> {
  const [marker, unmarked] = parseMarker(content)
  const [hosts, key] = splitField(unmarked)
  if (hosts.startsWith('|') && !isHashedName(hosts)) throw new LineFault('the hashed host name is damaged')
  return { marker, hosts, ...parseKeyFields(key) }
}

function parseMarker(content: string): [marker: KnownHostEntry['marker'], rest: string] {
  if (!content.startsWith('@')) return [undefined, content]
  const [marker, rest] = splitField(content)
  if (rest.startsWith('@')) throw new LineFault('it has more than one marker')
  if (marker === '@revoked') return ['revoked', rest]
  if (marker === '@cert-authority') return ['cert-authority', rest]
  throw new LineFault(isPlausibleName(marker.slice(1)) ? `unknown marker "${marker}"` : 'unknown marker')
}

/** Whether the first field of a line speaks of `name`, which is in lower case. */
function matchesHosts(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) return hashName(name, hosts.split('|')[2] ?? '') === hosts
  return (
    matchList(hosts, (item) => matchesPattern(item.toLowerCase(), name) || isInNamedBlock(item, name)) === 'matched'
  )
}

/** CIDR blocks are AsyncSSH's addition; no host name has a slash, so nothing else can be meant. */
function isInNamedBlock(item: string, name: string): boolean {
  if (!item.includes('/')) return false
  const block = parseCidr(item)
  const address = parseIpAddress(name)
  return block !== undefined && address !== undefined && isInBlock(block, address)
}

/** Bytes of a SHA-1 digest, and of the salt. */
const hashLength = 20

function isHashedName(hosts: string): boolean {
  const [before, version, salt = '', hash = '', ...others] = hosts.split('|')
  if (before !== '' || version !== '1' || others.length > 0) return false
  return decodeBase64(salt)?.length === hashLength && decodeBase64(hash)?.length === hashLength
}

/** `|1|salt|HMAC-SHA1(salt, name)`: hides names from a reader of the file, not from one who guesses. */
function hashName(name: string, salt: string): string {
  const hash = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64')
  return `|1|${salt}|${hash}`
}
