/** Whether a user's key may log in. Pure: the file was read; the time and the client's address are passed in. */

import type { PublicKey } from '@ssh/crypto'
import { equalBytes } from '@ssh/wire'
import { isInAddressList } from '../config/address-list.js'
import type { AuthorizedKey, AuthorizedKeys } from '../config/authorized-keys.js'

/** Who wants to log in, and when. */
export interface UserKeyRequest {
  readonly key: PublicKey
  /** Numeric address of the client; undefined when it did not come over IP, and then no line with `from` applies. */
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
export function decideUserKey(request: UserKeyRequest, authorized: AuthorizedKeys): UserKeyVerdict {
  let reason = 'the key is not authorized'
  for (const entry of authorized.keys) {
    if (!equalBytes(entry.blob, request.key.blob)) continue
    const objection = objectionTo(entry, request)
    if (objection === undefined) return { type: 'accept', entry }
    reason = `line ${entry.line} of ${entry.file ?? 'the authorized keys'} ${objection}`
  }
  return { type: 'reject', reason }
}

function objectionTo({ restrictions }: AuthorizedKey, request: UserKeyRequest): string | undefined {
  const { from, expiryTime } = restrictions
  if (expiryTime !== undefined && request.now >= expiryTime) return 'has expired'
  if (from !== undefined && !isInAddressList(from, request.clientAddress, request.clientHost)) {
    return `does not apply to ${request.clientAddress ?? 'a client without an address'}`
  }
  return undefined
}
