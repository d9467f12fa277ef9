/** What a client asked and what came of it, for logs and audits. */

import { asBuffer } from '@ssh/wire'
import type { SftpAttrs } from '../protocol/attrs.js'
import type { Dialect } from '../protocol/dialect.js'
import type { Request } from '../protocol/model.js'
import type { OpenAccess } from '../protocol/open-access.js'
import { replies } from '../protocol/packets.js'
import { type RefusalReason, RequestRefused } from './request-gate.js'
import { requestRow } from './request-names.js'

/**
 * One request that has been answered, or refused. Paths are as the client sent them: untrusted text, see `printable`.
 */
export interface SftpRequestEvent {
  /** What was asked, by the names of sftp-server(8): `open`, `posix-rename`; `unknown` for what nobody knows. */
  readonly request: string
  /** What it was about; of a handle, what was opened. */
  readonly path?: string
  /** The other path: the new name of a file, the link that is made. */
  readonly newPath?: string
  /** How a file was opened: a sum of `openFlags`, or the words of later versions. */
  readonly flags?: number | OpenAccess
  /** Attributes that were to be set. */
  readonly attrs?: SftpAttrs
  /** Bytes that were read or written by this request. */
  readonly bytes?: number
  /** With `close` of a file: bytes read and written through the handle altogether. */
  readonly total?: { readonly read: number; readonly written: number }
  /** `close` of what was open when the channel ended. */
  readonly isForced?: true
  /** Code of the error it was answered with, as in `fs` where `fs` has one; absent when it succeeded. */
  readonly code?: string
  /** Why it was refused before the handler saw it. */
  readonly refused?: RefusalReason
}

/** What is open, as far as events tell of it. */
interface OpenThing {
  readonly path: string
  readonly isFile: boolean
  read: number
  written: number
}

/** Told how a request ended: with a reply, or with what the handler threw. */
export type Outcome = { readonly reply: Uint8Array } | { readonly error: unknown }

/** Paths of what handles stand for. */
type PathOf = (handle: Uint8Array) => string | undefined

/** Makes events of requests. Knows what handles stand for from the replies that named them. */
export class RequestObserver {
  readonly #notify: (event: SftpRequestEvent) => void
  readonly #open = new Map<string, OpenThing>()

  /** @param notify what it throws is nobody's business here */
  constructor(notify: (event: SftpRequestEvent) => void) {
    this.#notify = notify
  }

  /** A request begins. @returns what is to be told how it ended */
  begin(request: Request, dialect: Dialect): (outcome: Outcome) => void {
    const handle = 'handle' in request ? keyOf(request.handle) : undefined
    const thing = handle === undefined ? undefined : this.#open.get(handle)
    const pathOf: PathOf = (bytes) => this.#open.get(keyOf(bytes))?.path
    const asked = { request: requestRow(request)?.name ?? 'unknown', ...about(request, dialect, pathOf) }
    return (outcome) => {
      const code = 'error' in outcome ? codeOf(outcome.error) : undefined
      const reply = 'reply' in outcome ? outcome.reply : undefined
      if (reply !== undefined && asked.path !== undefined && isHandle(reply)) {
        this.#open.set(keyOf(handleIn(reply)), {
          path: asked.path,
          isFile: request.type === 'open',
          read: 0,
          written: 0,
        })
      }
      const bytes = code === undefined ? bytesOf(request, reply) : undefined
      if (thing !== undefined && bytes !== undefined) thing[request.type === 'read' ? 'read' : 'written'] += bytes
      const isClosed = request.type === 'close' && handle !== undefined && this.#open.delete(handle)
      this.#tell({
        ...asked,
        ...(bytes !== undefined && { bytes }),
        ...(isClosed && thing?.isFile && { total: { read: thing.read, written: thing.written } }),
        ...(code !== undefined && { code }),
        ...('error' in outcome && outcome.error instanceof RequestRefused && { refused: outcome.error.reason }),
      })
    }
  }

  /** The channel is over: what was open is closed now. */
  end(): void {
    for (const { path, isFile, read, written } of this.#open.values()) {
      this.#tell({ request: 'close', path, ...(isFile && { total: { read, written } }), isForced: true })
    }
    this.#open.clear()
  }

  #tell(event: SftpRequestEvent): void {
    try {
      this.#notify(event)
    } catch {
      // A log that fails must not change what is answered.
    }
  }
}

type About = Pick<SftpRequestEvent, 'path' | 'newPath' | 'flags' | 'attrs'>

function about(request: Request, dialect: Dialect, pathOf: PathOf): About {
  switch (request.type) {
    case 'init':
      return {}
    case 'rename':
      return { path: request.oldPath, newPath: request.newPath }
    case 'symlink':
    case 'link':
      return { path: request.targetPath, newPath: request.linkPath }
    case 'open':
      return { path: request.path, flags: request.flags, attrs: request.attrs }
    case 'setstat':
    case 'mkdir':
      return { path: request.path, attrs: request.attrs }
    case 'fsetstat':
      return { ...withPath(pathOf(request.handle)), attrs: request.attrs }
    case 'extended':
      return aboutExtended(request.request, request.payload, dialect, pathOf)
    default:
      return withPath('path' in request ? request.path : pathOf(request.handle))
  }
}

function aboutExtended(name: string, payload: Uint8Array, dialect: Dialect, pathOf: PathOf): About {
  const known = dialect.extendedRequests.names.find((one) => one === name)
  if (known === undefined) return {}
  try {
    const fields = dialect.extendedRequests.decode(known, payload)
    if ('oldPath' in fields) return { path: fields.oldPath, newPath: fields.newPath }
    if ('attrs' in fields) return { path: fields.path, attrs: fields.attrs }
    if ('path' in fields) return { path: fields.path }
    if ('handle' in fields) return withPath(pathOf(fields.handle))
    if (!('readHandle' in fields)) return {}
    const newPath = pathOf(fields.writeHandle)
    return { ...withPath(pathOf(fields.readHandle)), ...(newPath !== undefined && { newPath }) }
  } catch {
    // It is refused as malformed; there is nothing to tell of it.
    return {}
  }
}

function withPath(path: string | undefined): About {
  return path === undefined ? {} : { path }
}

function keyOf(handle: Uint8Array): string {
  return asBuffer(handle).toString('latin1')
}

// Whole replies, length field included, start alike in all versions: length, number, id, length of what follows.

function isHandle(reply: Uint8Array): boolean {
  return reply[4] === replies.handle.number
}

function handleIn(reply: Uint8Array): Uint8Array {
  return reply.subarray(13)
}

function bytesOf(request: Request, reply: Uint8Array | undefined): number | undefined {
  if (request.type === 'write') return request.data.length
  if (request.type !== 'read' || reply === undefined) return undefined
  return reply[4] === replies.data.number ? asBuffer(reply).readUInt32BE(9) : 0
}

/** The code of what a handler threw. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : 'ERR_SFTP_FAILURE'
}
