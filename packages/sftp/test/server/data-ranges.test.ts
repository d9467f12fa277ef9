/** `ranges@asyncssh.com` of our server: true, and bounded whatever is asked. */

import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { rangesReply } from '../../src/protocol/data-ranges.js'
import { openFlags } from '../../src/protocol/open-flags.js'
import { requests } from '../../src/protocol/packets.js'
import { statusCodes } from '../../src/protocol/status.js'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { type ServerFile, SftpServer } from '../../src/server/sftp-server.js'
import type { RawClient } from '../scripted-peers.js'
import { serve } from '../servers.js'
import { temporaryDirectory } from '../temporary-directory.js'
import { attack } from './hostile/attack.js'

const MiB = 1024 * 1024

/** What the server answers: ranges, or a status. */
async function ask(client: RawClient, handle: Uint8Array, offset: bigint | number, length: bigint | number) {
  const payload = Buffer.alloc(4 + handle.length + 16)
  payload.writeUInt32BE(handle.length)
  payload.set(handle, 4)
  payload.writeBigUInt64BE(BigInt(offset), 4 + handle.length)
  payload.writeBigUInt64BE(BigInt(length), 12 + handle.length)
  const reply = await client.ask((id) => requests.extended.encode({ id, request: 'ranges@asyncssh.com', payload }))
  if (reply.type === 'status') return reply.code
  if (reply.type !== 'extendedReply') throw new Error(`Answered with ${reply.type}`)
  return rangesReply.decode(reply.payload)
}

/** A folder whose files may have holes, in memory if there is some. */
function folder(): string {
  return temporaryDirectory(fs.existsSync('/dev/shm') ? '/dev/shm' : undefined)
}

function writeSparse(path: string, size: number, islands: readonly number[]): boolean {
  const fd = fs.openSync(path, 'w')
  for (const offset of islands) fs.writeSync(fd, randomBytes(4096), 0, 4096, offset)
  fs.ftruncateSync(fd, size)
  const { blocks } = fs.fstatSync(fd)
  fs.closeSync(fd)
  return blocks * 512 < size
}

describe('ranges@asyncssh.com', () => {
  test('tells all of a file without holes, as far as it is asked about and goes', async () => {
    const root = folder()
    fs.writeFileSync(join(root, 'file'), randomBytes(MiB))
    const { client } = attack(new SftpServer({ root }))
    const handle = await client.open('file', openFlags.read)
    const all = { ranges: [{ offset: 0, length: MiB }], atEnd: true }
    expect(await ask(client, handle, 0, MiB)).toEqual(all)
    expect(await ask(client, handle, 0, 2 ** 53 - 1)).toEqual(all)
    expect(await ask(client, handle, 10, 5)).toEqual({ ranges: [{ offset: 10, length: 5 }], atEnd: true })
    expect(await ask(client, handle, 2 ** 53 - 1, 2 ** 53 - 1)).toBe(statusCodes.eof)
    expect(await ask(client, handle, MiB, 1)).toBe(statusCodes.eof)
    expect(await ask(client, handle, 0, 0)).toBe(statusCodes.eof)
  })

  test('tells 128 ranges at a time, and the rest from the end of the last on', async () => {
    const root = folder()
    const islands = Array.from({ length: 300 }, (_, index) => index * 128 * 1024)
    if (!writeSparse(join(root, 'file'), 64 * MiB, islands)) return
    const { client } = attack(new SftpServer({ root }))
    const handle = await client.open('file', openFlags.read)
    const found: number[] = []
    const counts: number[] = []
    for (let offset = 0; ; ) {
      const reply = await ask(client, handle, offset, 64 * MiB - offset)
      if (typeof reply === 'number') break
      counts.push(reply.ranges.length)
      found.push(...reply.ranges.map((range) => range.offset))
      offset = (reply.ranges.at(-1)?.offset ?? 0) + 4096
      if (reply.atEnd) break
    }
    expect(counts).toEqual([128, 128, 44])
    expect(found).toEqual(islands)
  })

  test('looks at a gigabyte for one question at most, and says where to go on', async () => {
    const root = folder()
    // All that is on the disk is at the end, so that the whole file must be looked at.
    const size = 3 * 1024 * MiB
    if (!fs.existsSync('/dev/shm') || !writeSparse(join(root, 'file'), size, [size - 4096])) return
    const { client } = attack(new SftpServer({ root }))
    const handle = await client.open('file', openFlags.read)
    const first = await ask(client, handle, 0, size)
    expect(first).toEqual({ ranges: [{ offset: 1024 * MiB - 1, length: 1 }], atEnd: false })
    const second = await ask(client, handle, 1024 * MiB, size - 1024 * MiB)
    expect(second).toEqual({ ranges: [{ offset: 2048 * MiB - 1, length: 1 }], atEnd: false })
    const third = await ask(client, handle, 2048 * MiB, size - 2048 * MiB)
    expect(third).toEqual({ ranges: [{ offset: size - 4096, length: 4096 }], atEnd: true })
  })

  test('sees what was written since it was asked before', async () => {
    const root = folder()
    if (!writeSparse(join(root, 'file'), 8 * MiB, [MiB])) return
    const { client } = attack(new SftpServer({ root }))
    const handle = await client.open('file', openFlags.read | openFlags.write)
    expect(await ask(client, handle, 0, 8 * MiB)).toEqual({ ranges: [{ offset: MiB, length: 4096 }], atEnd: true })
    await client.ask((id) => requests.write.encode({ id, handle, offset: 4 * MiB, data: Buffer.alloc(4096, 1) }))
    const both = [
      { offset: MiB, length: 4096 },
      { offset: 4 * MiB, length: 4096 },
    ]
    expect(await ask(client, handle, 0, 8 * MiB)).toEqual({ ranges: both, atEnd: true })
    expect(await ask(client, handle, MiB + 4096, 7 * MiB - 4096)).toEqual({ ranges: both.slice(1), atEnd: true })
  })

  test('is no way to ask about what is no open file, or in numbers that are none', async () => {
    const root = folder()
    fs.writeFileSync(join(root, 'file'), randomBytes(MiB))
    const { client } = attack(new SftpServer({ root }))
    const handle = await client.open('file', openFlags.read)
    const listing = await client.ask((id) => requests.opendir.encode({ id, path: '/' }))
    if (listing.type !== 'handle') throw new Error('No listing')
    expect(await ask(client, Buffer.from(listing.handle), 0, 10)).toBe(statusCodes.failure)
    expect(await ask(client, Buffer.from('nobody'), 0, 10)).toBe(statusCodes.failure)
    for (const huge of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      expect(await ask(client, handle, huge, 1)).not.toBe(statusCodes.ok)
      expect(await ask(client, handle, 0, huge)).not.toBe(statusCodes.ok)
    }
    const cut = await client.ask((id) =>
      requests.extended.encode({ id, request: 'ranges@asyncssh.com', payload: Buffer.from([0, 0, 0, 9, 1]) }),
    )
    expect(cut).toMatchObject({ type: 'status', code: statusCodes.badMessage })
  })

  test('is offered by a server that knows, and tells all where what is read is not what is there', async () => {
    const root = folder()
    class Changing extends SftpServer {
      override async read(file: ServerFile, into: Uint8Array, position: number): Promise<number> {
        const count = await super.read(file, into, position)
        into.fill(1, 0, count)
        return count
      }
    }
    writeSparse(join(root, 'file'), MiB, [])
    const { client } = attack(new Changing({ root }))
    const handle = await client.open('file', openFlags.read)
    expect(await ask(client, handle, 0, MiB)).toEqual({ ranges: [{ offset: 0, length: MiB }], atEnd: true })
    expect((await serve(new SftpServer({ root }))).client.extensions.get('ranges@asyncssh.com')).toBe('1')
    expect((await serve(new MemoryHandler())).client.extensions.has('ranges@asyncssh.com')).toBe(false)
  })
})
