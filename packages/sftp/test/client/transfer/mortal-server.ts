/**
 * A server whose files outlive it: it answers in an order of its own, and dies after so many bytes, with a part of its
 * last write done and nothing of what waited.
 */

import { createHash } from 'node:crypto'
import { memoryChannelPair, type SeededRandom, seededRandom } from '@ssh/testkit'
import { rest, struct, text, utf8 } from '@ssh/wire'
import { onTestFinished } from 'vitest'
import type { SftpClientOptions } from '../../../src/client/options.js'
import { SftpClient } from '../../../src/client/sftp-client.js'
import { checkFileRequest } from '../../../src/protocol/check-file.js'
import { framePacket } from '../../../src/protocol/framing.js'
import type { Request } from '../../../src/protocol/model.js'
import { openFlags } from '../../../src/protocol/open-flags.js'
import { replies } from '../../../src/protocol/packets.js'
import { statusCodes } from '../../../src/protocol/status.js'
import { type Answers, regularFile, ScriptedServer } from '../../scripted-peers.js'

type ChooseNext = (waiting: number, random: SeededRandom) => number

/** Which of the requests that wait is answered next. */
export const orders = {
  'in order': () => 0,
  shuffled: (waiting: number, random: SeededRandom) => random.integer(waiting),
  'newest first': (waiting: number) => waiting - 1,
} satisfies Record<string, ChooseNext>

export type Order = keyof typeof orders

const ignore = (): void => {}
const silent: Answers = { status: ignore, handle: ignore, data: ignore, names: ignore, attrs: ignore, raw: ignore }

/** As ProFTPD answers `check-file-handle`, and Paramiko `check-file`. */
function checkFileAnswer(request: string, payload: Uint8Array, content: Uint8Array): Uint8Array {
  const { start, length, blockSize } = checkFileRequest.decode(payload)
  const isParamiko = request === 'check-file'
  const algorithm = isParamiko ? 'sha1' : 'sha256'
  const end = isParamiko && length > 0 ? start + length : content.length
  const digests: Buffer[] = []
  const step = blockSize === 0 ? Math.max(1, end - start) : blockSize
  for (let position = start; position < end; position += step) {
    const block = content.subarray(position, Math.min(position + step, end))
    digests.push(createHash(algorithm).update(block).digest())
  }
  const fields = { algorithm, digests: Buffer.concat(digests) }
  const reply = struct('reply', { algorithm: text, digests: rest }).encode(fields)
  if (!isParamiko) return reply
  return struct('named reply', { name: text, reply: rest }).encode({ name: 'check-file', reply })
}

const posixRename = struct('posix-rename', { oldPath: utf8, newPath: utf8 })

/** What becomes of a WRITE, other than being done: a status, a lie, or nothing at all. */
export type WriteFault = (request: {
  readonly offset: number
  readonly data: Uint8Array
}) => number | 'lost' | 'unanswered' | undefined

export interface MortalOptions {
  readonly order?: Order
  readonly seed?: number
  /** Bytes read or written before it dies. */
  readonly diesAfter?: number
  /** Extensions announced: name and version. */
  readonly extensions?: Readonly<Record<string, string>>
  /** A status to answer a WRITE with; `lost` says it was done when it was not. */
  readonly onWrite?: WriteFault
  /** A status to answer any request with. */
  readonly onRequest?: (request: Request) => number | undefined
  /** A file whose size is set keeps nothing of what was in it, as on many servers made with Paramiko. */
  readonly truncationErases?: boolean
  /** Who makes files, where owners are told. */
  readonly user?: Owner
  /** Answers READ with no bytes. */
  readonly emptyData?: boolean
  /** Requests it dies at, before it does what they want or after, and in both cases without an answer. */
  readonly diesAt?: (request: Request) => 'before' | 'after' | undefined
  /** Answers `check-file-handle` and `check-file`: hashes of these bytes, of the file at `path`. */
  readonly hashed?: (path: string) => Uint8Array
  readonly client?: SftpClientOptions
}

export interface Connected {
  readonly client: SftpClient
  /** Types of all requests that came, in order. */
  readonly requests: readonly Request[]
  /** Bytes that WRITEs brought. */
  bytesWritten(): number
  bytesRead(): number
}

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Files that outlive servers. */
export class Disk {
  readonly files = new Map<string, Buffer>()
  readonly permissions = new Map<string, number>()
  /** Owner and group of each file that a server tells of. */
  readonly owners = new Map<string, Owner>()

  /** Makes a file of a copy of these bytes. */
  put(path: string, content: Uint8Array): void {
    const copy = Buffer.from(new ArrayBuffer(content.length))
    copy.set(content)
    this.files.set(path, copy)
  }

  content(path: string): Buffer {
    const found = this.files.get(path)
    if (found === undefined) throw new Error(`no file ${path} among ${[...this.files.keys()].join(', ')}`)
    return found
  }

  write(path: string, offset: number, data: Uint8Array): void {
    const file = this.content(path)
    const end = offset + data.length
    // Grown in strides, or writing in small blocks would copy the file for each.
    const grown = end > file.length ? this.#resized(file, end) : file
    grown.set(data, offset)
    this.files.set(path, grown)
  }

  resize(path: string, size: number): void {
    this.files.set(path, this.#resized(this.content(path), size))
  }

  #resized(file: Buffer, size: number): Buffer {
    if (size <= file.byteLength) return file.subarray(0, size)
    const room = file.buffer.byteLength - file.byteOffset
    if (size <= room) {
      const grown = Buffer.from(file.buffer, file.byteOffset, size)
      grown.fill(0, file.byteLength)
      return grown
    }
    const copy = Buffer.from(new ArrayBuffer(Math.max(size, 2 * room)), 0, size)
    copy.set(file)
    return copy
  }

  /** A client of a new server for these files. */
  async connect(options: MortalOptions = {}): Promise<Connected> {
    const { order = 'in order', seed = 1, diesAfter = Number.POSITIVE_INFINITY, extensions = {} } = options
    const random = seededRandom(seed)
    const [near, far] = memoryChannelPair()
    const handles = new Map<string, string>()
    const waiting: Request[] = []
    let isRunning = false
    let isDead = false
    let bytesWritten = 0
    let bytesRead = 0
    let nextHandle = 0
    const die = (): void => {
      isDead = true
      server.channel.abort(new Error('killed'))
    }
    const answerOne = (request: Request, answers: Answers): void => {
      if (request.type === 'init') return
      const { id } = request
      const fault = options.onRequest?.(request)
      if (fault !== undefined) return answers.status(id, fault)
      const isLast = options.diesAt?.(request)
      if (isLast === 'before') return die()
      if (isLast === 'after') {
        setImmediate(die)
        return answerTo(request, silent)
      }
      answerTo(request, answers)
    }
    const answerTo = (request: Exclude<Request, { type: 'init' }>, answers: Answers): void => {
      const { id } = request
      const done = (code: number = statusCodes.ok): void => answers.status(id, code)
      const path = 'handle' in request ? handles.get(Buffer.from(request.handle).toString()) : ''
      // Closed before this was answered.
      if (path === undefined) return done(statusCodes.failure)
      switch (request.type) {
        case 'open': {
          const flags = typeof request.flags === 'number' ? request.flags : 0
          const isThere = this.files.has(request.path)
          if (!isThere && (flags & openFlags.create) === 0) return done(statusCodes.noSuchFile)
          if (isThere && (flags & openFlags.exclusive) !== 0) return done(statusCodes.failure)
          if (!isThere || (flags & openFlags.truncate) !== 0) this.put(request.path, Buffer.alloc(0))
          if (!isThere) this.permissions.set(request.path, request.attrs.permissions ?? 0o644)
          if (!isThere && options.user !== undefined) this.owners.set(request.path, options.user)
          const handle = `h${nextHandle++}`
          handles.set(handle, request.path)
          return answers.handle(id, handle)
        }
        case 'close':
          handles.delete(Buffer.from(request.handle).toString())
          return done()
        case 'read': {
          const data = this.content(path).subarray(request.offset, request.offset + request.length)
          bytesRead += data.length
          if (bytesRead > diesAfter) return die()
          if (options.emptyData) return answers.data(id, Buffer.alloc(0))
          return data.length === 0 ? done(statusCodes.eof) : answers.data(id, data)
        }
        case 'write': {
          const outcome = options.onWrite?.(request)
          if (typeof outcome === 'number') return done(outcome)
          if (outcome === 'unanswered') return
          if (outcome === 'lost') return done()
          const room = diesAfter - bytesWritten
          bytesWritten += request.data.length
          this.write(path, request.offset, request.data.subarray(0, Math.max(0, room)))
          return bytesWritten > diesAfter ? die() : done()
        }
        case 'stat':
        case 'lstat': {
          const file = this.files.get(request.path)
          if (file === undefined) return done(statusCodes.noSuchFile)
          const permissions = (regularFile & ~0o7777) | ((this.permissions.get(request.path) ?? 0o644) & 0o7777)
          return answers.attrs(id, { size: file.length, permissions, ...this.owners.get(request.path) })
        }
        case 'fstat':
          return answers.attrs(id, {
            size: this.content(path).length,
            permissions: regularFile,
            ...this.owners.get(path),
          })
        case 'setstat':
        case 'fsetstat': {
          const target = request.type === 'setstat' ? request.path : path
          const { size, permissions, uid, gid } = request.attrs
          if (size !== undefined && options.truncationErases) this.resize(target, 0)
          if (size !== undefined) this.resize(target, size)
          if (uid !== undefined && gid !== undefined) {
            this.owners.set(target, { uid, gid })
            // As systems do.
            this.permissions.set(target, (this.permissions.get(target) ?? 0) & 0o777)
          }
          if (permissions !== undefined) this.permissions.set(target, permissions)
          return done()
        }
        case 'remove':
          return done(this.files.delete(request.path) ? statusCodes.ok : statusCodes.noSuchFile)
        case 'rename':
          if (this.files.has(request.newPath)) return done(statusCodes.failure)
          this.move(request.oldPath, request.newPath)
          return done()
        case 'extended': {
          if (request.request.startsWith('check-file') && options.hashed !== undefined) {
            const { handle } = checkFileRequest.decode(request.payload)
            const hashed = options.hashed(handles.get(Buffer.from(handle).toString()) ?? '')
            const payload = checkFileAnswer(request.request, request.payload, hashed)
            return answers.raw(framePacket(replies.extendedReply.encode({ id, payload })))
          }
          if (!(request.request in extensions)) return done(statusCodes.opUnsupported)
          if (request.request !== 'posix-rename@openssh.com') return done()
          const { oldPath, newPath } = posixRename.decode(request.payload)
          this.move(oldPath, newPath)
          return done()
        }
        default:
          return done(statusCodes.opUnsupported)
      }
    }
    const work = (answers: Answers): void => {
      const [request] = waiting.length === 0 ? [] : waiting.splice(choose(waiting.length, random), 1)
      if (request === undefined || isDead) {
        isRunning = false
        return
      }
      answerOne(request, answers)
      setImmediate(work, answers)
    }
    const choose: ChooseNext = orders[order]
    const pairs = Object.entries(extensions).map(([name, version]) => ({ name, data: Buffer.from(version) }))
    const version = framePacket(replies.version.encode({ version: 3, extensions: pairs }))
    const server = new ScriptedServer(
      far,
      (request, answers) => {
        waiting.push(request)
        if (!isRunning) {
          isRunning = true
          setImmediate(work, answers)
        }
        return true
      },
      version,
    )
    const client = await SftpClient.start(near, options.client)
    onTestFinished(() => client.close())
    return { client, requests: server.requests, bytesWritten: () => bytesWritten, bytesRead: () => bytesRead }
  }

  move(oldPath: string, newPath: string): void {
    this.files.set(newPath, this.content(oldPath))
    this.permissions.set(newPath, this.permissions.get(oldPath) ?? 0o644)
    const owner = this.owners.get(oldPath)
    if (owner !== undefined) this.owners.set(newPath, owner)
    this.owners.delete(oldPath)
    this.files.delete(oldPath)
  }
}
