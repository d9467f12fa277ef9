/** authorized_keys: which keys may log in, and what they may do then. sshd(8), AUTHORIZED_KEYS FILE FORMAT. */

import type { ConfigWarning } from './known-hosts.js'

/** What a key may do. Everything not forbidden is allowed. */
export interface KeyRestrictions {
  /** Run this, whatever the client asks for. */
  readonly command: string | undefined
  /** Set for the session. */
  readonly environment: ReadonlyMap<string, string>
  /** Patterns and CIDR blocks the client's host name or address must match. */
  readonly from: string | undefined
  /** Milliseconds since 1970; not valid from then on. */
  readonly expiryTime: number | undefined
  readonly allowPty: boolean
  readonly allowPortForwarding: boolean
  readonly allowAgentForwarding: boolean
  readonly allowX11Forwarding: boolean
  readonly allowUserRc: boolean
  /** Destinations that direct-tcpip may reach; undefined: any. Host in lower case; `*` any host; port 0: any port. */
  readonly permitOpen: readonly PermittedEndpoint[] | undefined
  /** Addresses that tcpip-forward may listen on; undefined: any. */
  readonly permitListen: readonly PermittedEndpoint[] | undefined
}

export interface PermittedEndpoint {
  readonly host: string
  /** 0: any. */
  readonly port: number
}

export interface AuthorizedKey {
  readonly keyType: string
  /** Public key blob (RFC 4253 §6.6). */
  readonly blob: Uint8Array
  readonly restrictions: KeyRestrictions
  readonly comment: string
  readonly file: string | undefined
  /** Counted from 1. */
  readonly line: number
}

export interface AuthorizedKeys {
  readonly keys: readonly AuthorizedKey[]
  /** Lines that were left out: they grant nothing. */
  readonly warnings: readonly ConfigWarning[]
}

/** Reads the text of an authorized_keys file. Never throws: what cannot be read becomes a warning and grants nothing. */
export declare function parseAuthorizedKeys(text: string, file?: string): AuthorizedKeys
