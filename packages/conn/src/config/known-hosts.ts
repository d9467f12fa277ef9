/** known_hosts: which keys are known for which hosts. sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. */

import type { PublicKey } from '@ssh/crypto'

/** One line of a known_hosts file. The key stays bytes: it is only ever compared. */
export interface KnownHostEntry {
  readonly marker: 'cert-authority' | 'revoked' | undefined
  /** First field as written: comma-separated patterns, or `|1|salt|hash`. */
  readonly hosts: string
  /** Key type, for instance `ssh-ed25519`; also the first string in `blob`. */
  readonly keyType: string
  /** Public key blob (RFC 4253 §6.6). */
  readonly blob: Uint8Array
  readonly comment: string
  /** Where it was read from, when there was a file. */
  readonly file: string | undefined
  /** Counted from 1. */
  readonly line: number
}

/** A line that could not be understood. It is left out. */
export interface ConfigWarning {
  readonly file: string | undefined
  /** Counted from 1. */
  readonly line: number
  readonly message: string
}

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
   * Keys of the bare host name (for another port than 22) or of the address. One that fits proves the host; one that
   * does not fit proves nothing, as other ports and former users of an address have keys of their own.
   */
  readonly related: readonly KnownHostEntry[]
  /** Lines marked `@cert-authority`. */
  readonly authorities: readonly KnownHostEntry[]
  /** Lines marked `@revoked`. */
  readonly revoked: readonly KnownHostEntry[]
}

/** Reads the text of a known_hosts file. Never throws: what cannot be read becomes a warning. */
export declare function parseKnownHosts(text: string, file?: string): KnownHosts

/** Several files as one, in order. */
export declare function mergeKnownHosts(files: readonly KnownHosts[]): KnownHosts

/**
 * What is on file for a host.
 * @param host name, alias or address as the user gave it
 * @param address the address it resolved to, if that should count
 */
export declare function lookupKnownHost(
  knownHosts: KnownHosts,
  host: string,
  port: number,
  address?: string,
): KnownHostMatches

/**
 * A line for a known_hosts file, without line end.
 * @param salt 20 random bytes to write the host name hashed; absent: plain
 * @throws ConfigParseError when the name holds anything that means something else in the file
 */
export declare function formatKnownHost(host: string, port: number, key: PublicKey, salt?: Uint8Array): string
