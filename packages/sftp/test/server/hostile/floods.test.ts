import { memoryChannelPair } from '@ssh/testkit'
import { asBuffer, concatBytes } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { framePacket } from '../../../src/protocol/framing.js'
import { openFlags } from '../../../src/protocol/open-flags.js'
import { requests } from '../../../src/protocol/packets.js'
import type { SftpHandler } from '../../../src/server/handler.js'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { serveSftp } from '../../../src/server/serve-sftp.js'
import { heapAfterCollection } from '../../heap.js'
import { attack, rawOpen, rawPath } from './attack.js'

const { read, write, create } = openFlags

describe('E10: floods', () => {
  test('no more than 128 requests are being answered, and then the window stays shut', async () => {
    let inFlight = 0
    let most = 0
    const waiting: (() => void)[] = []
    const handler: SftpHandler = Object.create(new MemoryHandler(), {
      stat: {
        value: () => {
          most = Math.max(most, ++inFlight)
          return new Promise((resolve) => waiting.push(() => resolve({})))
        },
      },
      end: { value: undefined },
    })
    const { near } = attack(handler, { windowSize: 4096 })
    for (let id = 0; id < 10_000; id++) near.write(framePacket(rawPath(17, id, '/')))
    await new Promise((resolve) => setImmediate(resolve))
    expect(most).toBe(128)
    expect(near.queued).toBeGreaterThan(100_000)
    while (waiting.length > 0) {
      for (const answer of waiting.splice(0)) {
        inFlight--
        answer()
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(near.queued).toBe(0)
    expect(most).toBe(128)
  })

  test('a client that reads no replies is not read either', async () => {
    let reads = 0
    class Counting extends MemoryHandler {
      override read(...args: Parameters<MemoryHandler['read']>) {
        reads++
        return super.read(...args)
      }
    }
    const handler = new Counting()
    const file = handler.open('a', write | create, {})
    handler.write(file, Buffer.alloc(300_000), 0)
    const [near, far] = memoryChannelPair({ windowSize: 65536 })
    serveSftp(far, handler)
    let handle = new Uint8Array(0)
    near.attach({
      onData: (chunk) => {
        // The handle's reply is let through, and after it nothing.
        if (handle.length === 0) near.release(chunk.length)
        const at = asBuffer(chunk).indexOf(Buffer.from([102, 0, 0, 0, 1]))
        if (at >= 0) handle = chunk.slice(at + 9, at + 25)
      },
    })
    near.write(framePacket(requests.init.encode({ version: 3, extensions: [] })))
    near.write(framePacket(rawOpen(1, 'a', read)))
    await expect.poll(() => handle.length).toBe(16)
    for (let id = 2; id < 5000; id++) {
      near.write(framePacket(requests.read.encode({ id, handle, offset: 0, length: 0xffffffff })))
    }
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(reads).toBeLessThan(64)
    expect(far.queued).toBeLessThan(16 * 1024 * 1024)
  })
})

test('a client that asks no more and reads late gets its answers, and then the end', async () => {
  const waiting: (() => void)[] = []
  const handler: SftpHandler = Object.create(new MemoryHandler(), {
    realpath: { value: () => new Promise((resolve) => waiting.push(() => resolve('/'.padEnd(100_000, 'x')))) },
    end: { value: undefined },
  })
  const [near, far] = memoryChannelPair({ windowSize: 65_536 })
  const session = serveSftp(far, handler)
  let unread = 0
  near.attach({
    onData: (chunk) => {
      unread += chunk.length
    },
  })
  near.write(framePacket(requests.init.encode({ version: 3, extensions: [] })))
  for (const id of [1, 2]) near.write(framePacket(rawPath(16, id, '/')))
  near.end()
  // The second answer finds the channel full of the first.
  for (const answer of waiting) {
    answer()
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(near.isClosed).toBe(false)
  let received = 0
  while (unread > 0) {
    const taken = unread
    unread = 0
    received += taken
    near.release(taken)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(received).toBeGreaterThan(400_000)
  await session.closed
  expect(near.isClosed).toBe(true)
})

test('E11: a huge directory is paged, one packet at a time, and only as far as it is asked for', async () => {
  let yielded = 0
  class Huge extends MemoryHandler {
    override *scandir() {
      for (; yielded < 1_000_000; yielded++) yield { fileName: `file${yielded}`, attrs: { size: yielded } }
    }
  }
  const { client } = attack(new Huge())
  const opened = await client.ask((id) => requests.opendir.encode({ id, path: '/' }))
  const handle = opened.type === 'handle' ? Buffer.from(opened.handle) : Buffer.alloc(0)
  for (let page = 1; page <= 10; page++) {
    const reply = await client.ask((id) => requests.readdir.encode({ id, handle }))
    expect(reply.type === 'name' && reply.entries.length).toBeGreaterThan(50)
    expect(yielded).toBeLessThan(page * 1000)
  }
})

test('E10: of a million READs 128 are under way, and what the window holds; the rest stays with the client', async () => {
  let inFlight = 0
  const waiting: (() => void)[] = []
  const handler: SftpHandler = Object.create(new MemoryHandler(), {
    open: { value: () => 'a file' },
    close: { value: () => {} },
    read: {
      value: () => {
        inFlight++
        return new Promise<number>((resolve) => waiting.push(() => resolve(0)))
      },
    },
    end: { value: undefined },
  })
  const { client, near, session } = attack(handler, { windowSize: 2 ** 20 })
  const open = () => client.open('a', read)
  // Reads on one handle are answered in turn, so only as many as there are handles are asked of the handler at once.
  const handles = await Promise.all(Array.from({ length: 200 }, open))
  const request = (id: number) => {
    const handle = handles[id % handles.length] ?? expect.fail()
    return framePacket(requests.read.encode({ id, handle, offset: 0, length: 1000 }))
  }
  const thousand = concatBytes(Array.from({ length: 1000 }, (_value, index) => request(100_000 + index)))
  for (let thousands = 0; thousands < 1000; thousands++) near.write(thousand)
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(inFlight).toBe(128)
  expect(near.queued).toBeGreaterThan(1000 * thousand.length - 2 ** 21)
  expect(client.replies.filter(({ type }) => type !== 'handle' && type !== 'version')).toEqual([])
  near.abort()
  for (const answer of waiting) answer()
  await session.closed
  expect(inFlight).toBe(128)
})

test('E11: a million names are listed in packets of their own, and memory does not grow', async () => {
  class Huge extends MemoryHandler {
    override *scandir() {
      for (let index = 0; index < 1_000_000; index++) {
        yield { fileName: `a-file-with-a-longer-name-${index}`, attrs: { size: index, permissions: 0o100644 } }
      }
    }
  }
  const { client, sent } = attack(new Huge())
  const opened = await client.ask((id) => requests.opendir.encode({ id, path: '/' }))
  const handle = opened.type === 'handle' ? Buffer.from(opened.handle) : Buffer.alloc(0)
  let names = 0
  let heap = 0
  let most = 0
  for (let page = 0; ; page++) {
    client.replies.length = 0
    sent.length = 0
    if (page % 500 === 10) {
      const now = heapAfterCollection()
      if (heap === 0) heap = now
      most = Math.max(most, now - heap)
    }
    const reply = await client.ask((id) => requests.readdir.encode({ id, handle }))
    if (reply.type !== 'name') break
    names += reply.entries.length
    expect(sent.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(34_000)
  }
  expect(names).toBe(1_000_000)
  expect(most).toBeLessThan(4 * 1024 * 1024)
})
