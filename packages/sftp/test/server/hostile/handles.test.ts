import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toHex } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { dialects } from '../../../src/protocol/dialect.js'
import { framePacket } from '../../../src/protocol/framing.js'
import { openFlags } from '../../../src/protocol/open-flags.js'
import { requests } from '../../../src/protocol/packets.js'
import type { SftpHandler } from '../../../src/server/handler.js'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { SftpServer } from '../../../src/server/sftp-server.js'
import { openDescriptors } from '../../open-descriptors.js'
import { temporaryDirectory } from '../../temporary-directory.js'
import { attack, everyRequest, rawOpen, rawPath, status } from './attack.js'

const { read, write, create } = openFlags

describe('E5, E6: handles', () => {
  test('only open handles of the right kind are taken', async () => {
    const { client } = attack(new MemoryHandler())
    const file = await client.open('a', read | write | create)
    const opendir = await client.ask((id) => requests.opendir.encode({ id, path: '/' }))
    const directory = opendir.type === 'handle' ? Buffer.from(opendir.handle) : Buffer.alloc(0)
    const other = attack(new MemoryHandler()).client
    const foreign = await other.open('a', write | create)
    const reading = (handle: Uint8Array) =>
      status(client.ask((id) => requests.read.encode({ id, handle, offset: 0, length: 1 })))
    for (const handle of [Buffer.alloc(0), Buffer.alloc(4096), Buffer.from('__proto__'), directory, foreign]) {
      expect(await reading(handle)).toBe(4)
    }
    expect(await status(client.ask((id) => requests.readdir.encode({ id, handle: file })))).toBe(4)
    expect(await reading(file)).toBe(1)
    await client.ask((id) => requests.close.encode({ id, handle: file }))
    expect(await reading(file)).toBe(4)
    expect(await status(client.ask((id) => requests.close.encode({ id, handle: file })))).toBe(4)
  })

  test('handles cannot be guessed', async () => {
    const { client } = attack(new MemoryHandler())
    const handles = new Set<string>()
    for (let index = 0; index < 100; index++) handles.add(toHex(await client.open('a', write | create)))
    expect(handles.size).toBe(100)
    for (const handle of handles) expect(handle).toHaveLength(32)
  })

  test('handles are capped before anything is opened, and all are closed when the channel is lost', async () => {
    let open = 0
    let most = 0
    class Counting extends MemoryHandler {
      override open(...args: Parameters<MemoryHandler['open']>) {
        most = Math.max(most, ++open)
        return super.open(...args)
      }
      override close() {
        open--
      }
    }
    const { client, session, near } = attack(new Counting(), { maximumHandles: 10 })
    const replies = await Promise.all(
      Array.from({ length: 30 }, () => status(client.ask((id) => rawOpen(id, 'a', write | create)))),
    )
    expect(replies.filter((reply) => reply === 'handle')).toHaveLength(10)
    expect(replies.filter((reply) => reply === 4)).toHaveLength(20)
    expect(most).toBe(10)
    near.abort()
    await session.closed
    expect(open).toBe(0)
  })

  test('a file whose opening ends after the channel did is closed too', async () => {
    let finish: () => void = () => {}
    let closed = 0
    class Late extends MemoryHandler {
      override close() {
        closed++
      }
    }
    const memory = new Late()
    const handler: SftpHandler = Object.create(memory, {
      open: {
        value: (...args: Parameters<MemoryHandler['open']>) =>
          new Promise((resolve) => (finish = () => resolve(memory.open(...args)))),
      },
      close: { value: () => memory.close() },
      scandir: { value: (path: string) => memory.scandir(path) },
      end: { value: () => expect(closed).toBe(1) },
    })
    const { client, session, near } = attack(handler)
    client.channel.write(framePacket(rawOpen(1, 'a', write | create)))
    near.abort()
    await new Promise((resolve) => setImmediate(resolve))
    finish()
    await session.closed
    expect(closed).toBe(1)
  })
})

/** Requests that name a handle. */
const ofHandles = ['close', 'read', 'write', 'readdir', 'fstat', 'fsetstat', 'block', 'unblock']
const ofHandlesToo = [
  ...['fsync@openssh.com', 'fstatvfs@openssh.com', 'copy-data', 'ranges@asyncssh.com', 'check-file-handle'],
]

test('E5: no request of any version takes a handle that is not open here, and none is answered with anything', async () => {
  for (const dialect of dialects) {
    const root = temporaryDirectory()
    writeFileSync(join(root, 'a'), 'content')
    const { client } = attack(new SftpServer({ root }), { dialect })
    const other = attack(new SftpServer({ root }), { dialect }).client
    const foreign = await other.open('a', read | write)
    const closed = await client.open('a', read | write)
    await client.ask((id) => dialect.requests.close.encode({ id, handle: closed }))
    const flipped = Buffer.from(await client.open('a', read | write))
    flipped[0] = (flipped[0] ?? 0) ^ 1
    const bad = [Buffer.alloc(0), Buffer.alloc(4), Buffer.alloc(16), Buffer.alloc(4096), foreign, closed, flipped]
    for (const handle of [...bad, Buffer.from('__proto__'), Buffer.from('constructor')]) {
      for (const { name, build } of everyRequest(dialect, { path: 'a', newPath: 'b', handle })) {
        if (!ofHandles.includes(name) && !ofHandlesToo.includes(name)) continue
        const reply = await client.ask(build)
        expect([name, reply.type]).toEqual([name, 'status'])
        expect(reply.type === 'status' && reply.code).toBeGreaterThan(1)
      }
    }
    // The other client's file is still open, and closes once.
    expect(await status(other.ask((id) => dialect.requests.close.encode({ id, handle: foreign })))).toBe(0)
  }
})

test('E6: every descriptor is closed when the channel is lost, of files, listings and the root', async () => {
  const root = temporaryDirectory()
  for (let index = 0; index < 100; index++) writeFileSync(join(root, `file${index}`), '')
  const before = openDescriptors()
  const { client, session, near } = attack(new SftpServer({ root }), { maximumHandles: 200 })
  const replies = await Promise.all(
    Array.from({ length: 250 }, (_value, index) =>
      status(client.ask((id) => (index % 2 === 0 ? rawOpen(id, `file${index % 100}`, read) : rawPath(11, id, '/')))),
    ),
  )
  expect(replies.filter((reply) => reply === 'handle')).toHaveLength(200)
  if (before > 0) expect(openDescriptors()).toBeGreaterThan(before + 200)
  near.abort()
  await session.closed
  expect(openDescriptors()).toBe(before)
})

test('E6: what could not be opened takes no place', async () => {
  const root = temporaryDirectory()
  const { client } = attack(new SftpServer({ root }), { maximumHandles: 2 })
  for (let turn = 0; turn < 100; turn++) {
    expect(await status(client.ask((id) => rawOpen(id, 'nothing', read)))).toBe(2)
    expect(await status(client.ask((id) => rawPath(11, id, 'nothing')))).toBe(2)
  }
  for (let turn = 0; turn < 2; turn++)
    expect(await status(client.ask((id) => rawOpen(id, 'a', write | create)))).toBe('handle')
  expect(await status(client.ask((id) => rawOpen(id, 'a', read)))).toBe(4)
})

test('a channel that is lost while paths are walked leaves no descriptor open', async () => {
  const root = temporaryDirectory()
  writeFileSync(join(root, 'a'), 'content')
  const before = openDescriptors()
  for (let turn = 0; turn < 50; turn++) {
    const { client, session, near } = attack(new SftpServer({ root }))
    for (let id = 1; id < 100; id++)
      client.channel.write(framePacket(id % 2 ? rawPath(17, id, 'a') : rawOpen(id, 'a', read)))
    for (let wait = 0; wait < turn % 5; wait++) await new Promise((resolve) => setImmediate(resolve))
    near.abort()
    await session.closed
  }
  await expect.poll(openDescriptors).toBe(before)
})
