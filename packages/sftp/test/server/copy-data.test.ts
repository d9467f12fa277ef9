/** E13: copying on the server, which must end, stay small, and let others be served. */

import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { extendedRequests } from '../../src/protocol/extensions.js'
import { openFlags } from '../../src/protocol/open-flags.js'
import { requests } from '../../src/protocol/packets.js'
import type { SftpHandler } from '../../src/server/handler.js'
import { limitFiles } from '../../src/server/limit-files.js'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { SftpServer } from '../../src/server/sftp-server.js'
import type { RawClient } from '../scripted-peers.js'
import { temporaryDirectory } from '../temporary-directory.js'
import { attack, rawPath, status } from './hostile/attack.js'

const { read, write, create, append } = openFlags
const both = read | write | create

interface Copy {
  readonly from: Uint8Array
  readonly to: Uint8Array
  readonly readOffset?: number
  readonly length?: number
  readonly writeOffset?: number
}

function copy(client: RawClient, { from, to, readOffset = 0, length = 0, writeOffset = 0 }: Copy) {
  const fields = { readHandle: from, readOffset, length, writeHandle: to, writeOffset }
  const payload = extendedRequests.encode('copy-data', fields)
  return status(client.ask((id) => requests.extended.encode({ id, request: 'copy-data', payload })))
}

describe('copy-data', () => {
  test('copies whole files, parts, and to places behind the end, as reads and writes would', async () => {
    const root = temporaryDirectory()
    const content = randomBytes(1_000_003)
    writeFileSync(join(root, 'a'), content)
    const { client } = attack(new SftpServer({ root }))
    const from = await client.open('a', read)
    const to = await client.open('b', both)
    expect(await copy(client, { from, to })).toBe(0)
    expect(readFileSync(join(root, 'b')).equals(content)).toBe(true)
    expect(await copy(client, { from, to, readOffset: 10, length: 300_000, writeOffset: 2_000_000 })).toBe(0)
    const result = readFileSync(join(root, 'b'))
    expect(result.length).toBe(2_300_000)
    expect(result.subarray(2_000_000).equals(content.subarray(10, 300_010))).toBe(true)
    expect(result.subarray(1_000_003, 2_000_000).every((byte) => byte === 0)).toBe(true)
  })

  test('a length of 0 is to the end, from behind it nothing, and more than there is ends with EOF', async () => {
    const root = temporaryDirectory()
    writeFileSync(join(root, 'a'), 'content')
    const { client } = attack(new SftpServer({ root }))
    const from = await client.open('a', read)
    const to = await client.open('b', both)
    expect(await copy(client, { from, to, readOffset: 3 })).toBe(0)
    expect(readFileSync(join(root, 'b'), 'utf8')).toBe('tent')
    expect(await copy(client, { from, to, readOffset: 7, writeOffset: 100 })).toBe(0)
    expect(await copy(client, { from, to, readOffset: 2 ** 40, writeOffset: 100 })).toBe(0)
    expect(readFileSync(join(root, 'b'), 'utf8')).toBe('tent')
    expect(await copy(client, { from, to, length: 8 })).toBe(1)
    expect(readFileSync(join(root, 'b'), 'utf8')).toBe('content')
  })

  test('a file opened for appending gets it at its end', async () => {
    const root = temporaryDirectory()
    writeFileSync(join(root, 'a'), 'content')
    const { client } = attack(new SftpServer({ root }))
    const from = await client.open('a', read)
    const to = await client.open('b', write | create | append)
    for (let turn = 0; turn < 2; turn++) expect(await copy(client, { from, to, writeOffset: 0 })).toBe(0)
    expect(readFileSync(join(root, 'b'), 'utf8')).toBe('contentcontent')
  })

  test.each(['a', './a', 'hard', 'soft'])('a file is not copied onto itself, opened again as %s', async (other) => {
    const root = temporaryDirectory()
    writeFileSync(join(root, 'a'), 'content')
    linkSync(join(root, 'a'), join(root, 'hard'))
    symlinkSync('a', join(root, 'soft'))
    const { client } = attack(new SftpServer({ root }))
    const from = await client.open('a', read | write)
    const to = await client.open(other, read | write)
    const attempts = [
      { from, to: from },
      { from, to },
      { from, to, length: 4, writeOffset: 2 },
      { from, to, writeOffset: 7 },
      { from, to, length: 1, readOffset: 0, writeOffset: 2 ** 30 },
    ]
    for (const attempt of attempts) expect(await copy(client, attempt)).toBe(4)
    expect(readFileSync(join(root, 'a'), 'utf8')).toBe('content')
  })

  test('a handler that cannot tell files apart has them told apart by their paths', async () => {
    const memory = new MemoryHandler()
    const methods = ['open', 'read', 'write', 'close', 'fstat'].map((name) => [
      name,
      { value: Reflect.get(memory, name).bind(memory) },
    ])
    const plain: SftpHandler = Object.create({}, Object.fromEntries(methods))
    const { client } = attack(plain)
    const from = await client.open('a', both)
    expect(await copy(client, { from, to: await client.open('a', both) })).toBe(4)
    expect(await copy(client, { from, to: await client.open('b', both) })).toBe(0)
  })

  test('handles that are none, of directories, or without the right are refused', async () => {
    const root = temporaryDirectory()
    writeFileSync(join(root, 'a'), 'content')
    const { client } = attack(new SftpServer({ root }))
    const from = await client.open('a', read)
    const to = await client.open('b', both)
    const listed = await client.ask((id) => rawPath(11, id, '/'))
    const directory = listed.type === 'handle' ? Buffer.from(listed.handle) : Buffer.alloc(0)
    for (const bad of [Buffer.alloc(16), directory]) {
      expect(await copy(client, { from: bad, to })).toBe(4)
      expect(await copy(client, { from, to: bad })).toBe(4)
    }
    expect(await copy(client, { from: to, to: from })).toBe(0)
    writeFileSync(join(root, 'b'), 'more')
    expect(await copy(client, { from: to, to: from })).toBe(4)
    expect(readFileSync(join(root, 'a'), 'utf8')).toBe('content')
  })

  test('two copies between the same two files at once make neither grow for ever', async () => {
    const root = temporaryDirectory()
    for (const name of ['a', 'b']) writeFileSync(join(root, name), Buffer.alloc(1_000_000, name))
    const { client } = attack(new SftpServer({ root }))
    const [a, b] = [await client.open('a', both), await client.open('b', both)]
    const [a2, b2] = [await client.open('a', both), await client.open('b', both)]
    const copies = [
      copy(client, { from: a, to: b, writeOffset: 500_000 }),
      copy(client, { from: b2, to: a2, writeOffset: 500_000 }),
      // The same two handles crosswise: each waits for its turn, and none for ever.
      copy(client, { from: b, to: a, writeOffset: 1_000_000 }),
      copy(client, { from: a, to: b, writeOffset: 1_000_000 }),
    ]
    expect(await Promise.all(copies)).toEqual([0, 0, 0, 0])
    for (const name of ['a', 'b']) expect(statSync(join(root, name)).size).toBeLessThan(8_000_000)
  })

  test('goes through limits', async () => {
    const memory = new MemoryHandler()
    const { client } = attack(limitFiles(memory, { maximumBytes: 1000 }))
    const from = await client.open('a', both)
    await client.ask((id) => requests.write.encode({ id, handle: from, offset: 0, data: Buffer.alloc(600) }))
    expect(await copy(client, { from, to: await client.open('b', both) })).toBe(4)
    expect(memory.stat('b').size).toBe(0)
  })

  test('holds a piece at a time, lets others be served meanwhile, and stops when the channel ends', async () => {
    const pieces: number[] = []
    let proceed: () => void = () => {}
    const memory = new MemoryHandler()
    const handler: SftpHandler = Object.create(
      {},
      {
        ...Object.fromEntries(
          ['close', 'fstat', 'stat', 'realpath', 'scandir'].map((name) => [
            name,
            { value: Reflect.get(memory, name).bind(memory) },
          ]),
        ),
        open: { value: memory.open.bind(memory) },
        // A file without end, a piece at a time.
        read: {
          value: async (_file: unknown, into: Uint8Array) => {
            pieces.push(into.length)
            await new Promise<void>((resolve) => {
              proceed = resolve
            })
            return into.length
          },
        },
        write: { value: () => {} },
      },
    )
    const { client, session, near } = attack(handler)
    const [from, to] = [await client.open('a', both), await client.open('b', both)]
    void copy(client, { from, to, length: 2 ** 52 })
    await expect.poll(() => pieces.length, { interval: 1 }).toBe(1)
    proceed()
    await expect.poll(() => pieces.length, { interval: 1 }).toBe(2)
    expect(await status(client.ask((id) => rawPath(17, id, '/')))).toBe('attrs')
    expect(Math.max(...pieces)).toBeLessThanOrEqual(256 * 1024)
    near.abort()
    proceed()
    await session.closed
    expect(pieces).toHaveLength(2)
  })
})
