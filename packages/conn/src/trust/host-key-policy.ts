/** Whether to believe a host key. Pure: text was read, and the owner asks whoever is to be asked. */

import type { PublicKey } from '@ssh/crypto'
import type { KnownHostEntry, KnownHostMatches } from '../config/known-hosts.js'
import type { HostKeyNotVerifiable } from '../errors.js'

/** The key a server proved to hold, and where we meant to go. */
export interface OfferedHostKey {
  readonly host: string
  readonly port: number
  readonly key: PublicKey
}

export interface HostKeyTrust {
  /** What is on file; null: do not check (only pins and the verifier count). */
  readonly known: KnownHostMatches | null
  /** What to do with a host that is not on file. */
  readonly policy: 'strict' | 'accept-new'
  /** Fingerprints as ssh-keygen prints them (`SHA256:…`, `MD5:…`); when any are given the key must match one. */
  readonly fingerprints?: readonly string[]
  /** Whether the owner has a verifier to ask about keys that are unknown or changed. */
  readonly hasVerifier?: boolean
}

export type HostKeyVerdict =
  | { readonly type: 'accept'; readonly reason: 'known' | 'fingerprint' | 'unchecked' | 'verifier' }
  /** Accept, and write the key to known_hosts. */
  | { readonly type: 'accept-and-add' }
  /** Ask the verifier, then {@link decideByVerifier}. */
  | {
      readonly type: 'ask'
      readonly status: 'unknown' | 'changed' | 'unchecked'
      readonly known: readonly KnownHostEntry[]
      readonly refusal: HostKeyNotVerifiable
    }
  | { readonly type: 'refuse'; readonly error: HostKeyNotVerifiable }

/** Decides. A revoked key is refused whatever else is said. */
export declare function decideHostKey(offered: OfferedHostKey, trust: HostKeyTrust): HostKeyVerdict

/**
 * What a verifier's result means: exactly `true` accepts, anything else refuses.
 * @param result what it returned, or what it rejected with
 */
export declare function decideByVerifier(offered: OfferedHostKey, result: unknown): HostKeyVerdict

/**
 * Host key algorithms to propose: those of the keys on file first, so that a server with several keys shows one we know.
 * @param defaults signature algorithm names, best first; the result holds the same names
 */
export declare function preferredHostKeyAlgorithms(
  known: KnownHostMatches | null,
  defaults: readonly string[],
): readonly string[]
