/** What hostile clients have: a raw client of a server, a jail worth breaking out of, packets that no table would write. */

import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memoryChannelPair } from '@ssh/testkit'
import { type ByteChannel, Writer } from '@ssh/wire'
import { onTestFinished } from 'vitest'
import { type Dialect, firstDialect } from '../../../src/protocol/dialect.js'
import { openFlags } from '../../../src/protocol/open-flags.js'
import type { Reply } from '../../../src/protocol/packets.js'
import type { SftpHandler } from '../../../src/server/handler.js'
import { type ServeSftpOptions, serveSftp } from '../../../src/server/serve-sftp.js'
import { RawClient } from '../../scripted-peers.js'
import { temporaryDirectory } from '../../temporary-directory.js'

interface AttackOptions extends ServeSftpOptions {
  readonly windowSize?: number
  /** What the client speaks. Default: version 3. */
  readonly dialect?: Dialect
}

/** A raw client of a handler, INIT done. */
export function attack<F>(handler: SftpHandler<F>, options: AttackOptions = {}) {
  const { windowSize = 2 ** 21, dialect = firstDialect, ...serverOptions } = options
  const [near, far] = memoryChannelPair({ windowSize })
  const sent: Uint8Array[] = []
  const session = serveSftp(noting(far, sent), handler, { sftpVersion: dialect.version, ...serverOptions })
  const client = new RawClient(near, dialect)
  client.init()
  onTestFinished(() => session.close())
  return { client, session, near, far, sent }
}

/** The same channel, with a copy of everything that is written to it. */
function noting(channel: ByteChannel, sent: Uint8Array[]): ByteChannel {
  return {
    attach: (handlers) => channel.attach(handlers),
    release: (byteCount) => channel.release(byteCount),
    write: (chunk) => {
      sent.push(chunk.slice())
      return channel.write(chunk)
    },
    end: () => channel.end(),
    close: () => channel.close(),
    abort: (error) => channel.abort(error),
  }
}

/** A jail with a secret beside it and links of every kind in it. */
export function makeJail() {
  const base = temporaryDirectory()
  for (const name of ['root/sub', 'root2', 'secret']) mkdirSync(join(base, name), { recursive: true })
  for (const name of ['root/file', 'root/sub/inner', 'root2/file', 'secret/file']) writeFileSync(join(base, name), name)
  const root = join(base, 'root')
  symlinkSync('../secret', join(root, 'relative'))
  symlinkSync(join(base, 'secret'), join(root, 'absolute'))
  symlinkSync('/', join(root, 'slash'))
  symlinkSync('../../../../../../../etc', join(root, 'deep'))
  symlinkSync('loop2', join(root, 'loop1'))
  symlinkSync('loop1', join(root, 'loop2'))
  symlinkSync(join(root, 'sub'), join(root, 'inside'))
  symlinkSync('../file', join(root, 'sub/up'))
  return { base, root }
}

export async function status(reply: Promise<Reply>): Promise<number | string> {
  const answer = await reply
  return answer.type === 'status' ? answer.code : answer.type
}

/** Paths as hostile clients send them, which the table's own codec would refuse. */
export function rawPath(number: number, id: number, path: string): Uint8Array {
  return new Writer().writeByte(number).writeUint32(id).writeUtf8(path).finish()
}

export function rawOpen(id: number, path: string, flags: number): Uint8Array {
  return new Writer().writeByte(3).writeUint32(id).writeUtf8(path).writeUint32(flags).writeUint32(0).finish()
}

/** What stands in the fields of {@link everyRequest}, unless a test says otherwise. */
export interface FieldValues {
  readonly path: string
  readonly newPath: string
  readonly handle: Uint8Array
  readonly flags?: unknown
}

/** One request of each kind that a version has, extended ones included: what is asked, and how the packet is made. */
export function everyRequest(
  dialect: Dialect,
  { path, newPath, handle, flags = openFlags.read }: FieldValues,
): { name: string; build: (id: number) => Uint8Array }[] {
  const attrs = { permissions: 0o600, atime: 1, mtime: 1 }
  const fields = {
    ...{ path, newPath, handle, flags, attrs, oldPath: path, targetPath: path, linkPath: newPath, isSymbolic: true },
    ...{ offset: 0, length: 10, mask: 3, data: Buffer.from('written'), readHandle: handle, writeHandle: handle },
    ...{ readOffset: 0, writeOffset: 0, username: '', uids: [0, 1], gids: [0, 1] },
    ...{ algorithms: 'sha256', start: 0, blockSize: 0 },
  }
  const plain = Object.entries(dialect.requests)
    .filter(([name]) => name !== 'init' && name !== 'extended')
    .map(([name, layout]) => ({
      name,
      build: (id: number): Uint8Array =>
        layout.encode({ ...fields, id, ...(name === 'rename' && { flags: 0 }) } as never),
    }))
  const extended = dialect.extendedRequests.names.map((name) => ({
    name,
    build: (id: number): Uint8Array => {
      const payload = dialect.extendedRequests.encode(name, fields as never)
      return dialect.requests.extended.encode({ id, request: name, payload })
    },
  }))
  return [...plain, ...extended]
}

/** Everything about a tree that a client could have changed, as text; links are not followed. */
export function snapshot(root: string): string[] {
  return readdirSync(root, { withFileTypes: true }).flatMap((entry) => {
    const at = join(root, entry.name)
    const { mode, size, mtimeMs, uid, gid, nlink } = lstatSync(at)
    const content = entry.isFile() ? readFileSync(at, 'latin1') : entry.isSymbolicLink() ? readlinkSync(at) : size
    const own = [at, mode, mtimeMs, uid, gid, nlink, content].join(' ')
    return entry.isDirectory() ? [own, ...snapshot(at)] : [own]
  })
}
