import { statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writer } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { maximumPacketLength } from '../../../src/protocol/framing.js'
import { openFlags } from '../../../src/protocol/open-flags.js'
import { requests } from '../../../src/protocol/packets.js'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { SftpServer } from '../../../src/server/sftp-server.js'
import { temporaryDirectory } from '../../temporary-directory.js'
import { attack, status } from './attack.js'

const { read, write, create } = openFlags

test('E7: a reply never holds more than the file does', async () => {
  class Short extends MemoryHandler {
    override read(file: Parameters<MemoryHandler['read']>[0], into: Uint8Array, position: number): number {
      into.fill(0x53)
      return super.read(file, into, position)
    }
  }
  const { client } = attack(new Short())
  const handle = await client.open('a', read | write | create)
  await client.ask((id) => requests.write.encode({ id, handle, offset: 0, data: Buffer.from('tiny') }))
  const reading = (offset: number, length: number) =>
    client.ask((id) => requests.read.encode({ id, handle, offset, length }))
  expect(await reading(0, 0xffffffff)).toMatchObject({ type: 'data', data: Buffer.from('tiny') })
  expect(await reading(2, 0xffffffff)).toMatchObject({ type: 'data', data: Buffer.from('ny') })
  expect(await reading(4, 10)).toMatchObject({ type: 'status', code: 1 })
  expect(await reading(0, 0)).toMatchObject({ type: 'status', code: 1 })
  await client.ask((id) => requests.fsetstat.encode({ id, handle, attrs: { size: 1_000_000 } }))
  const big = await reading(0, 0xffffffff)
  expect(big.type === 'data' && big.data.length).toBe(maximumPacketLength - 1024)
})

test('E8: offsets and sizes are exact or refused, and the session goes on', async () => {
  const offsets: number[] = []
  class Noting extends MemoryHandler {
    override read(_file: unknown, _into: Uint8Array, position: number): number {
      offsets.push(position)
      return 0
    }
    override setstat(_path: string, { size = -1 }): void {
      offsets.push(size)
    }
  }
  const { client } = attack(new Noting())
  const handle = await client.open('a', read | write | create)
  const values = [2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]
  const answers: (number | string)[] = []
  for (const value of values) {
    answers.push(
      await status(
        client.ask((id) =>
          new Writer().writeByte(5).writeUint32(id).writeString(handle).writeUint64(value).writeUint32(1).finish(),
        ),
      ),
    )
    answers.push(
      await status(
        client.ask((id) =>
          new Writer().writeByte(9).writeUint32(id).writeUtf8('a').writeUint32(1).writeUint64(value).finish(),
        ),
      ),
    )
  }
  expect(answers).toEqual([1, 0, 1, 0, 1, 0, 4, 4, 4, 4, 4, 4, 4, 4])
  expect(offsets).toEqual([2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32, 2 ** 53 - 1, 2 ** 53 - 1])
})

test('E12: modes lose what the mask does not allow', async () => {
  const root = temporaryDirectory()
  const { client } = attack(new SftpServer({ root }))
  const attrs = { permissions: 0o6777 }
  await client.ask((id) => requests.open.encode({ id, path: 'a', flags: write | create, attrs }))
  await client.ask((id) => requests.setstat.encode({ id, path: 'a', attrs }))
  const reply = await client.ask((id) => requests.stat.encode({ id, path: 'a' }))
  expect(reply.type === 'attrs' && (reply.attrs.permissions ?? 0) & 0o7777).toBe(0o777)
})

test('E14: names of 255 bytes, newlines and escapes are listed as they are', async () => {
  const root = temporaryDirectory()
  const names = ['x'.repeat(255), 'new\nline', '\x1b[31mred']
  for (const name of names) writeFileSync(join(root, name), '')
  const { client } = attack(new SftpServer({ root }))
  const opened = await client.ask((id) => requests.opendir.encode({ id, path: '/' }))
  const handle = opened.type === 'handle' ? Buffer.from(opened.handle) : Buffer.alloc(0)
  const listed = await client.ask((id) => requests.readdir.encode({ id, handle }))
  const found = listed.type === 'name' ? listed.entries.map(({ fileName }) => fileName) : []
  expect(found.sort()).toEqual(['.', '..', ...names].sort())
})

test('E7: whatever memory held before, a reply holds the bytes of the file and no others', async () => {
  const root = temporaryDirectory()
  const content = Buffer.alloc(300_000, 'c')
  writeFileSync(join(root, 'long'), content)
  writeFileSync(join(root, 'short'), 'tiny')
  const { client, sent } = attack(new SftpServer({ root }))
  const handles = [await client.open('long', read), await client.open('short', read)]
  for (let turn = 0; turn < 30; turn++) {
    // What is freed now is handed out again without being cleared.
    for (let index = 0; index < 20; index++) Buffer.allocUnsafe(300_000).fill('SECRET')
    if (turn === 15) truncateSync(join(root, 'long'), 100_001)
    for (const handle of handles) {
      for (const length of [1, 4, 5, 4096, 32_768, 261_120, 0x7fffffff, 0x80000000, 0xffffffff]) {
        for (const offset of [0, 1, 3, 4, 100_000, 299_999]) {
          const reply = await client.ask((id) => requests.read.encode({ id, handle, offset, length }))
          if (reply.type === 'data')
            expect(/^(?:c+|t?i?n?y?)$/.test(Buffer.from(reply.data).toString('latin1'))).toBe(true)
          else expect(reply).toMatchObject({ type: 'status', code: 1 })
        }
      }
    }
  }
  expect(sent.some((chunk) => Buffer.from(chunk).includes('SECRET'))).toBe(false)
})

describe('E8: on real files', () => {
  const edges = [
    2n ** 31n,
    2n ** 32n - 1n,
    2n ** 32n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 53n + 1n,
    2n ** 63n,
    2n ** 64n - 1n,
  ]

  test.each(edges)('a size or an offset of %d is exact or refused, and never wrapped', async (value) => {
    const root = temporaryDirectory()
    const { client } = attack(new SftpServer({ root }))
    const handle = await client.open('a', read | write | create)
    const sized = new Writer().writeUint32(1).writeUint64(value).finish()
    const sizeOf = () => statSync(join(root, 'a'), { bigint: true }).size
    const settings: ((id: number) => Uint8Array)[] = [
      (id) => Buffer.concat([new Writer().writeByte(9).writeUint32(id).writeUtf8('a').finish(), sized]),
      (id) => Buffer.concat([new Writer().writeByte(10).writeUint32(id).writeString(handle).finish(), sized]),
    ]
    for (const build of settings) {
      truncateSync(join(root, 'a'), 0)
      const answer = await status(client.ask(build))
      expect(sizeOf()).toBe(answer === 0 ? value : 0n)
    }
    truncateSync(join(root, 'a'), 0)
    const written = await status(
      client.ask((id) =>
        new Writer().writeByte(6).writeUint32(id).writeString(handle).writeUint64(value).writeUtf8('x').finish(),
      ),
    )
    expect(sizeOf()).toBe(written === 0 ? value + 1n : 0n)
    truncateSync(join(root, 'a'), 3)
    const reading = client.ask((id) =>
      new Writer().writeByte(5).writeUint32(id).writeString(handle).writeUint64(value).writeUint32(10).finish(),
    )
    expect([1, 4, 5]).toContain(await status(reading))
  })
})

test('E12: a size that is set on one handle is what the other reads', async () => {
  const root = temporaryDirectory()
  const { client } = attack(new SftpServer({ root }))
  const handle = await client.open('a', write | create)
  await client.ask((id) => requests.fsetstat.encode({ id, handle, attrs: { size: 10, permissions: 0o4755 } }))
  const { size, mode } = statSync(join(root, 'a'))
  expect([size, mode & 0o7777]).toEqual([10, 0o755])
})
