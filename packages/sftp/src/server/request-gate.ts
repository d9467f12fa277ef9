/** Which requests a server answers at all, before it looks at what they ask. */

import { printable } from '@ssh/wire'
import { SftpError } from '../errors.js'
import type { Request } from '../protocol/model.js'
import { accessFlags, accessMask } from '../protocol/open-access.js'
import { openFlags } from '../protocol/open-flags.js'
import { extendedRequestRow, requestNames, requestRow } from './request-names.js'

export interface RequestGateOptions {
  /** Refuses everything that would change a file. Default false. */
  readonly readOnly?: boolean
  /** Requests that are refused, by the names of {@link requestNames}. Default: none. */
  readonly deniedRequests?: readonly string[]
  /** The only requests that are answered, less those denied. Default: all. */
  readonly allowedRequests?: readonly string[]
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

  /** @throws SftpError `EROFS` for a change where there is none, `EACCES` for a request that is not allowed */
  check(request: Request): void {
    const row = requestRow(request)
    if (this.#readOnly && (row?.isChange === true || opensForChange(request))) {
      throw new SftpError('EROFS', 'The server is read-only')
    }
    if (row !== undefined && !this.#isAllowed(row.name)) {
      throw new SftpError('EACCES', `The server does not allow ${row.name}`)
    }
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

/** Rights of versions 5 and 6 that leave a file as it is. */
const lookingAccess =
  accessMask.readData |
  accessMask.readNamedAttrs |
  accessMask.execute |
  accessMask.readAttributes |
  accessMask.readAcl |
  accessMask.synchronize

/** Flags of versions 5 and 6 that do. */
const lookingFlags =
  accessFlags.openExisting |
  accessFlags.textMode |
  accessFlags.blockRead |
  accessFlags.blockWrite |
  accessFlags.blockDelete |
  accessFlags.blockAdvisory |
  accessFlags.noFollow

/** Whether an OPEN asks for more than to read what is there: opening for reading must not make a file either. */
function opensForChange(request: Request): boolean {
  if (request.type !== 'open') return false
  const { flags } = request
  if (typeof flags === 'number') return (flags & ~openFlags.read) !== 0
  const isExisting = (flags.flags & 0x7) === accessFlags.openExisting
  return !isExisting || (flags.desiredAccess & ~lookingAccess) !== 0 || (flags.flags & ~lookingFlags) !== 0
}
