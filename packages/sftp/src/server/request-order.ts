/**
 * The order of requests that name paths. Requests are answered side by side, yet those relating to the same file must
 * have the outcome they would have one after another (draft-ietf-secsh-filexfer-02 §6.1). lftp, for one, asks for a folder
 * and for folders in it without waiting for the first.
 *
 * Paths are compared as they are written: two names for one file, by way of a link, are not noticed.
 */

import { composePaths } from '../protocol/compose-path.js'
import { type ExtendedRequestName, extendedRequests } from '../protocol/extensions.js'
import type { Request } from '../protocol/model.js'
import { opensForMoreThanReading } from '../protocol/open-access.js'
import { requestRow } from './request-names.js'

/** Paths that a request is about. */
export interface Concern {
  readonly paths: readonly string[]
  /** Whether it may change what is there, else it looks at it. */
  readonly changes: boolean
  /** Whether it looks at all that is in there. */
  readonly lists?: boolean
}

interface Pending extends Concern {
  /** Never rejects. */
  readonly done: Promise<unknown>
}

export class RequestOrder {
  readonly #pending = new Set<Pending>()

  /**
   * Starts `work` once everything before it that it must not overtake is done: at once, as a rule.
   * @param alsoBefore what else it must not overtake; never rejects
   */
  run<R>(concern: Concern, alsoBefore: readonly Promise<unknown>[], work: () => Promise<R>): Promise<R> {
    const before = [...alsoBefore]
    for (const earlier of this.#pending) if (mustPrecede(earlier, concern)) before.push(earlier.done)
    const result = before.length === 0 ? work() : Promise.all(before).then(work)
    this.add(concern, result)
    return result
  }

  /** Lets what comes later and collides wait for `work`, which has begun. */
  add(concern: Concern, work: Promise<unknown>): void {
    const settle = (): void => void this.#pending.delete(entry)
    const entry: Pending = { ...concern, done: work.then(settle, settle) }
    this.#pending.add(entry)
  }
}

/** What paths a request is about; undefined when it names none. */
export function concernOf(request: Request): Concern | undefined {
  const changes = requestRow(request)?.isChange === true
  switch (request.type) {
    case 'open':
      return concernOfPaths([request.path], opensForMoreThanReading(request.flags))
    case 'opendir':
      return { ...concernOfPaths([request.path], false), lists: true }
    case 'realpath':
      return concernOfPaths([composePaths(request.path, request.composePaths ?? [])], changes)
    case 'rename':
      return concernOfPaths([request.oldPath, request.newPath], changes)
    case 'symlink':
    case 'link':
      // Which of a symbolic link's two paths is made depends on the client; see symlink-order.ts.
      return concernOfPaths([request.linkPath, request.targetPath], changes)
    case 'extended':
      return concernOfExtended(request.request, request.payload, changes)
    default:
      return 'path' in request ? concernOfPaths([request.path], changes) : undefined
  }
}

export function concernOfPaths(paths: readonly string[], changes: boolean): Concern {
  return { paths: paths.map(comparable), changes }
}

function concernOfExtended(name: string, payload: Uint8Array, changes: boolean): Concern | undefined {
  if (!extendedRequests.names.includes(name as ExtendedRequestName)) return undefined
  let fields: object
  try {
    fields = extendedRequests.decode(name as ExtendedRequestName, payload)
  } catch {
    // Whoever answers it says what is wrong.
    return undefined
  }
  const paths = Object.entries(fields).flatMap(([key, value]) =>
    /path$/i.test(key) && typeof value === 'string' ? [value] : [],
  )
  return paths.length === 0 ? undefined : concernOfPaths(paths, changes)
}

/** Where a path leads is known to the file system only. */
const somewhere = '..'

/**
 * A path as {@link relationOf} compares it: absolute, or with `./` in front. Case does not count, since there are file systems
 * where it does not.
 */
function comparable(path: string): string {
  if (/(?:^|\/)\.\.(?:\/|$)/.test(path)) return somewhere
  const rooted = path.startsWith('/') ? path : `./${path}`
  return rooted.replace(/(?:\/\.?)+(?=\/|$)/g, '').toLowerCase()
}

/** Whether the outcome of `later` can depend on `earlier`, or the other way round. */
export function mustPrecede(earlier: Concern, later: Concern): boolean {
  if (!earlier.changes && !later.changes) return false
  return earlier.paths.some((path) =>
    later.paths.some((laterPath) => {
      const relation = relationOf(path, laterPath)
      if (relation === 'above') return earlier.changes
      if (relation === 'below') return later.changes || later.lists === true
      return relation === 'same'
    }),
  )
}

/** How one path is to another; `same` when it may be. */
function relationOf(path: string, other: string): 'same' | 'above' | 'below' | 'none' {
  if (path === other || path === somewhere || other === somewhere) return 'same'
  if (path === '') return 'above'
  if (other === '') return 'below'
  if (path.startsWith('/') !== other.startsWith('/')) return 'same'
  if (other.startsWith(`${path}/`)) return 'above'
  return path.startsWith(`${other}/`) ? 'below' : 'none'
}
