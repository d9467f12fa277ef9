/** Which requests a server answers at all, before it looks at what they ask. */

import { printable } from '@ssh/wire'
import { SftpError } from '../errors.js'
import type { Request } from '../protocol/model.js'
import { opensForMoreThanReading } from '../protocol/open-access.js'
import { extendedRequestRow, requestNames, requestRow } from './request-names.js'

export interface RequestGateOptions {
  /** Refuses everything that would change a file. Default false. */
  readonly readOnly?: boolean
  /**
   * Requests that are refused, by the names of {@link requestNames}. What later versions say otherwise goes with it: a
   * link that `link` makes with `symlink` or `hardlink`, a `rename` that replaces with `posix-rename`. Default: none.
   */
  readonly deniedRequests?: readonly string[]
  /** The only requests that are answered, less those denied. Default: all. */
  readonly allowedRequests?: readonly string[]
}

/** Why a request was refused before the handler saw it. */
export type RefusalReason = 'read-only' | 'denied' | 'not-allowed'

/** A request was refused for what it is. */
export class RequestRefused extends SftpError {
  readonly reason: RefusalReason

  constructor(code: string, message: string, reason: RefusalReason) {
    super(code, message)
    this.reason = reason
  }
}

export class RequestGate {
  readonly #readOnly: boolean
  readonly #denied: ReadonlySet<string>
  readonly #allowed: ReadonlySet<string> | undefined

  /** @throws SftpError `EINVAL` for a name nobody knows: to leave it out would allow more */
  constructor({ readOnly = false, deniedRequests = [], allowedRequests }: RequestGateOptions) {
    for (const name of [...deniedRequests, ...(allowedRequests ?? [])]) {
      if (requestNames.includes(name)) continue
      throw new SftpError('EINVAL', `Unknown request ${printable(name)}; known are ${requestNames.join(', ')}`)
    }
    this.#readOnly = readOnly
    this.#denied = new Set(deniedRequests)
    this.#allowed = allowedRequests && new Set(allowedRequests)
  }

  /** @throws RequestRefused `EROFS` for a change where there is none, `EACCES` for a request that is not allowed */
  check(request: Request): void {
    const row = requestRow(request)
    // Opening for reading must not make a file either.
    const isChange = row?.isChange === true || (request.type === 'open' && opensForMoreThanReading(request.flags))
    if (this.#readOnly && isChange) {
      throw new RequestRefused('EROFS', 'The server is read-only', 'read-only')
    }
    if (row === undefined) return
    const refused = [row.name, ...equivalents(request)].find((name) => !this.#isAllowed(name))
    if (refused === undefined) return
    const reason = this.#denied.has(refused) ? 'denied' : 'not-allowed'
    throw new RequestRefused('EACCES', `The server does not allow ${refused}`, reason)
  }

  /** Whether an extended request is announced: what is refused whatever it asks is not. */
  announces(extension: string): boolean {
    const row = extendedRequestRow(extension)
    return row === undefined || (this.#isAllowed(row.name) && !(this.#readOnly && row.isChange))
  }

  #isAllowed(name: string): boolean {
    return !this.#denied.has(name) && this.#allowed?.has(name) !== false
  }
}

/** What version 3 has another request for: who refuses that one means this one too, whatever version a client speaks. */
function equivalents(request: Request): string[] {
  if (request.type === 'link') return [request.isSymbolic ? 'symlink' : 'hardlink']
  return request.type === 'rename' && (request.flags ?? 0) !== 0 ? ['posix-rename'] : []
}
