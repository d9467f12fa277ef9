/**
 * Whether to believe a host key. Pure: files have been read, and the owner asks whoever is to be asked.
 *
 * Certificates are not understood here yet: one is treated as a key that is not on file.
 */

import { keyTypes, type PublicKey } from '@ssh/crypto'
import { equalBytes } from '@ssh/wire'
import type { KnownHostEntry, KnownHostMatches } from '../config/known-hosts.js'
import type { HostKeyNotVerifiable } from '../errors.js'
import { changedError, mismatchError, refusedError, revokedError, unknownError } from './host-key-errors.js'
import type { OfferedHostKey } from './offered-host-key.js'

/** What to believe. */
export interface HostKeyTrust {
  /** What is on file for the host; null: do not look, so that only pins and the verifier count. */
  readonly known: KnownHostMatches | null
  /** Files in which the host was looked for, for the error about an unknown one. */
  readonly searched?: readonly string[]
  /** What to do with a host of which no key is on file. */
  readonly policy: 'strict' | 'accept-new'
  /**
   * Fingerprints as ssh-keygen prints them (`SHA256:…`, `MD5:…`). When any are given the key must have one of them,
   * and that is enough.
   */
  readonly fingerprints?: readonly string[]
  /** Whether somebody can be asked about a key that is not on file. */
  readonly hasVerifier?: boolean
}

/** Why a key is not believed by itself: the host is not on file, or nobody looked. */
export type HostKeyDoubt = 'unknown' | 'unchecked'

export type HostKeyVerdict =
  | { readonly type: 'accept'; readonly reason: 'known' | 'fingerprint' | 'verifier' | 'unchecked' }
  /** Accept, and write the key to known_hosts. */
  | { readonly type: 'accept-and-add' }
  | { readonly type: 'refuse'; readonly error: HostKeyNotVerifiable }
  /** Ask the verifier, then {@link decideByVerifier}. */
  | { readonly type: 'ask'; readonly doubt: HostKeyDoubt }

/**
 * Decides about a host key. One that is revoked is refused, whatever else is said; so is one of a host that has others
 * on file, unless its fingerprint was given: a verifier that asks "accept?" must not be how a changed key gets in.
 */
export function decideHostKey(offered: OfferedHostKey, trust: HostKeyTrust): HostKeyVerdict {
  const { known, fingerprints } = trust
  const isOffered = (entry: KnownHostEntry): boolean => equalBytes(entry.blob, offered.key.blob)
  const revoked = known?.revoked.find(isOffered)
  if (revoked !== undefined) return refuse(revokedError(offered, revoked))
  if (fingerprints !== undefined && fingerprints.length > 0) {
    const isPinned = fingerprints.some((pin) => hasFingerprint(offered.key, pin))
    return isPinned ? { type: 'accept', reason: 'fingerprint' } : refuse(mismatchError(offered, fingerprints))
  }
  if (known === null) {
    return trust.hasVerifier ? { type: 'ask', doubt: 'unchecked' } : { type: 'accept', reason: 'unchecked' }
  }
  if (known.trusted.some(isOffered) || known.related.some(isOffered)) return { type: 'accept', reason: 'known' }
  // A key of another type than those on file counts as changed: somebody in between would offer just that.
  if (known.trusted.length > 0) return refuse(changedError(offered, known.trusted))
  if (trust.hasVerifier) return { type: 'ask', doubt: 'unknown' }
  return trust.policy === 'accept-new'
    ? { type: 'accept-and-add' }
    : refuse(unknownError(offered, known, trust.searched))
}

/**
 * What a verifier's result means. Exactly `true` accepts; everything else refuses, so that a forgotten `return` or a
 * truthy value lets nobody in.
 * @param result what it returned, or the error it failed with
 * @param remembers whether to write an accepted key to known_hosts
 */
export function decideByVerifier(offered: OfferedHostKey, result: unknown, remembers = false): HostKeyVerdict {
  if (result !== true) return refuse(refusedError(offered, result))
  return remembers ? { type: 'accept-and-add' } : { type: 'accept', reason: 'verifier' }
}

/**
 * Host key algorithms to propose: those of the keys on file first, so that a server with several keys shows one that
 * we can check. Nothing is left out, or a server that has only other keys could not tell us so.
 * @param defaults signature algorithm names, best first
 * @returns the same names; in the order of `defaults` when no key is on file
 */
export function preferredHostKeyAlgorithms(
  known: KnownHostMatches | null,
  defaults: readonly string[],
): readonly string[] {
  if (known === null) return defaults
  const onFile = known.trusted.length > 0 ? known.trusted : known.related
  const suitable = new Set(onFile.flatMap((entry) => keyTypes.get(entry.keyType)?.signatureAlgorithms ?? []))
  const isOnFile = (algorithm: string): boolean =>
    suitable.has(algorithm) || (algorithm.includes('-cert-v') && known.authorities.length > 0)
  return [...defaults.filter(isOnFile), ...defaults.filter((algorithm) => !isOnFile(algorithm))]
}

/** Whether a key has a fingerprint, in any form that ssh-keygen prints or printed. */
function hasFingerprint(key: PublicKey, pin: string): boolean {
  const [, prefix = 'MD5', value = ''] = /^(?:(sha256|sha512|sha1|md5):)?(.+)$/i.exec(pin.trim()) ?? []
  const hash = prefix.toLowerCase() as 'sha256' | 'sha512' | 'sha1' | 'md5'
  const expected = hash === 'md5' ? value.toLowerCase() : value.replace(/=+$/, '')
  return key.getFingerprint(hash) === `${prefix.toUpperCase()}:${expected}`
}

function refuse(error: HostKeyNotVerifiable): { type: 'refuse'; error: HostKeyNotVerifiable } {
  return { type: 'refuse', error }
}
