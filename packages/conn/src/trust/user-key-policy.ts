/** Whether a user's key may log in. Pure: the file was read, the time and the client's address are passed in. */

import type { PublicKey } from '@ssh/crypto'
import type { AuthorizedKey, AuthorizedKeys } from '../config/authorized-keys.js'

export interface UserKeyRequest {
  readonly key: PublicKey
  /** Numeric address of the client; undefined when it did not come over IP, and then no `from=` matches. */
  readonly clientAddress: string | undefined
  /** Its host name, if somebody verified it. */
  readonly clientHost?: string
  /** Milliseconds since 1970. */
  readonly now: number
}

export type UserKeyVerdict =
  /** Let in, under `entry.restrictions`. */
  | { readonly type: 'accept'; readonly entry: AuthorizedKey }
  /** `reason` is for the log, never for the client. */
  | { readonly type: 'reject'; readonly reason: string }

/** Decides by the first line that has this key and applies to this client now. */
export declare function decideUserKey(request: UserKeyRequest, authorized: AuthorizedKeys): UserKeyVerdict
