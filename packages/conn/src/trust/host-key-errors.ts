/** The errors about host keys: what was offered, what is on file and where, and what to do. */

import { fingerprint, type PublicKey } from '@ssh/crypto'
import type { KnownHostEntry, KnownHostMatches } from '../config/known-hosts.js'
import { HostKeyNotVerifiable } from '../errors.js'
import type { OfferedHostKey } from './offered-host-key.js'

export function revokedError(offered: OfferedHostKey, entry: KnownHostEntry): HostKeyNotVerifiable {
  return new HostKeyNotVerifiable(
    'ERR_SSH_HOST_KEY_REVOKED',
    `${nameOf(offered)} offered ${describe(offered.key)}, which ${placeOf(entry)} marks as revoked. ` +
      'Do not connect before the server has a new host key',
    { details: detailsOf(offered, [entry]) },
  )
}

/** @param file a list of keys that are refused wherever they turn up */
export function revokedByListError(offered: OfferedHostKey, file: string): HostKeyNotVerifiable {
  return new HostKeyNotVerifiable(
    'ERR_SSH_HOST_KEY_REVOKED',
    `${nameOf(offered)} offered ${describe(offered.key)}, which is on the list of revoked keys ${file}. ` +
      'Do not connect before the server has a new host key',
    { details: { ...detailsOf(offered, []), file } },
  )
}

export function smallRsaError(offered: OfferedHostKey, bits: number, required: number): HostKeyNotVerifiable {
  return new HostKeyNotVerifiable(
    'ERR_SSH_HOST_KEY_TOO_SMALL',
    `${nameOf(offered)} offered ${describe(offered.key)} of ${bits} bits, and requiredRsaSize asks for ${required}. ` +
      'Give the server a larger key, or one of another type',
    { details: { ...detailsOf(offered, []), bits, required } },
  )
}

export function mismatchError(offered: OfferedHostKey, fingerprints: readonly string[]): HostKeyNotVerifiable {
  return new HostKeyNotVerifiable(
    'ERR_SSH_HOST_KEY_FINGERPRINT_MISMATCH',
    `${nameOf(offered)} offered ${describe(offered.key)}, but hostKeyFingerprint expects ` +
      `${fingerprints.join(' or ') || 'none at all'}. Compare with what "ssh-keygen -l" prints on the server`,
    { details: { ...detailsOf(offered, []), fingerprints } },
  )
}

export function changedError(offered: OfferedHostKey, known: readonly KnownHostEntry[]): HostKeyNotVerifiable {
  const isOtherType = known.every((entry) => entry.keyType !== offered.key.algorithm)
  const onFile = known.map((entry) => `${placeOf(entry)} has ${entry.keyType} ${fingerprint(entry.blob)}`).join(', ')
  const first = known[0]
  const remedy = first === undefined ? '' : `, remove ${placeOf(first)} and connect again`
  return new HostKeyNotVerifiable(
    'ERR_SSH_HOST_KEY_CHANGED',
    `The host key of ${nameOf(offered)} has changed: it offered ${describe(offered.key)}, but ${onFile}. ` +
      `${isOtherType ? 'The server no longer offers a key of a type on file. ' : ''}` +
      `Somebody may be between you and the server. If you know that its key was replaced${remedy}`,
    { details: { ...detailsOf(offered, known), isOtherType } },
  )
}

/** @param searched files in which the host was looked for */
export function unknownError(
  offered: OfferedHostKey,
  known: KnownHostMatches,
  searched: readonly string[] = [],
): HostKeyNotVerifiable {
  const where = searched.length === 0 ? 'on file' : `in ${searched.join(', ')}`
  const scan = offered.port === 22 ? offered.host : `-p ${offered.port} ${offered.host}`
  const authority = known.authorities[0]
  const onlyAuthorities = authority === undefined ? '' : ` (${placeOf(authority)} asks for a certificate)`
  return new HostKeyNotVerifiable(
    'ERR_SSH_HOST_KEY_UNKNOWN',
    `No host key of ${nameOf(offered)} is ${where}${onlyAuthorities}; it offered ${describe(offered.key)}. ` +
      `Compare this with what "ssh-keygen -l" prints on the server, then add what "ssh-keyscan ${scan}" prints to ` +
      `known_hosts, set hostKeyFingerprint, or set hostKeyPolicy to 'accept-new' to trust servers at first sight`,
    { details: detailsOf(offered, known.authorities) },
  )
}

export function refusedError(offered: OfferedHostKey, result: unknown): HostKeyNotVerifiable {
  const how = result instanceof Error ? `failed: ${result.message}` : `returned ${kindOf(result)} and not true`
  return new HostKeyNotVerifiable(
    'ERR_SSH_HOST_KEY_REFUSED',
    `The verifier refused ${describe(offered.key)} of ${nameOf(offered)}: it ${how}`,
    { details: detailsOf(offered, []), ...(result instanceof Error && { cause: result }) },
  )
}

/** A value by its kind only: a verifier's result is not ours to print. */
function kindOf(value: unknown): string {
  if (value === false || value === null || value === undefined) return String(value)
  return `a ${typeof value}`
}

function nameOf(offered: OfferedHostKey): string {
  return offered.port === 22 ? offered.host : `[${offered.host}]:${offered.port}`
}

function describe(key: PublicKey): string {
  return `${key.algorithm} ${key.getFingerprint()}`
}

function placeOf(entry: KnownHostEntry): string {
  return `line ${entry.line} of ${entry.file ?? 'the known hosts'}`
}

function detailsOf(offered: OfferedHostKey, known: readonly KnownHostEntry[]): Record<string, unknown> {
  return {
    host: offered.host,
    port: offered.port,
    offered: { keyType: offered.key.algorithm, fingerprint: offered.key.getFingerprint() },
    known: known.map((entry) => ({
      keyType: entry.keyType,
      fingerprint: fingerprint(entry.blob),
      file: entry.file,
      line: entry.line,
    })),
  }
}
