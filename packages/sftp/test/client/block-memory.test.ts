import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { memoryChannelPair } from '@ssh/testkit'
import type { ByteChannel } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { BlockMemory } from '../../src/block-memory.js'
import { SftpClient } from '../../src/client/sftp-client.js'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { serveSftp } from '../../src/server/serve-sftp.js'
import { temporaryDirectory } from '../temporary-directory.js'

/** As a channel of a connection: chunks are copied when there is a turn to send them, and not before. */
function copyingLater(channel: ByteChannel): ByteChannel {
  const waiting: Uint8Array[] = []
  return {
    copiesChunks: true,
    attach: (handlers) => channel.attach(handlers),
    release: (byteCount) => channel.release(byteCount),
    write(chunk) {
      if (waiting.push(chunk) === 1) {
        setImmediate(() => {
          for (const late of waiting.splice(0)) channel.write(Buffer.from(late))
        })
      }
      return true
    },
    end: () => channel.end(),
    close: () => channel.close(),
    abort: (error) => channel.abort(error),
  }
}

async function start(): Promise<SftpClient> {
  const [near, far] = memoryChannelPair({ windowSize: 16 * 1024 * 1024, schedule: setImmediate })
  serveSftp(far, new MemoryHandler())
  return await SftpClient.start(copyingLater(near))
}

/** Every 16 KiB differ from every other, and from what they are in another file. */
function content(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length, seed)
  for (let offset = 0; offset + 4 <= length; offset += 16 * 1024) bytes.writeUInt32BE(offset + seed, offset)
  return bytes
}

const length = 6 * 1024 * 1024 + 12_345

describe('block memory', () => {
  test('what is used again never shows in another block: put, get and copy side by side', async () => {
    const client = await start()
    const folder = temporaryDirectory()
    const files = [1, 2, 3].map((seed) => ({ path: join(folder, `${seed}`), bytes: content(length, seed) }))
    for (const { path, bytes } of files) writeFileSync(path, bytes)
    await Promise.all(files.map(({ path }, index) => client.put(path, `/put-${index}`)))
    await Promise.all(files.map((_, index) => client.get(`/put-${index}`, join(folder, `got-${index}`))))
    await Promise.all(files.map((_, index) => client.put(join(folder, `got-${index}`), `/again-${index}`)))
    for (const [index, { bytes }] of files.entries()) {
      expect(readFileSync(join(folder, `got-${index}`)).equals(bytes)).toBe(true)
      expect((await client.readFile(`/again-${index}`)).equals(bytes)).toBe(true)
    }
    await client.close()
  })

  test('nor does it in streams that write, side by side, in pieces of any size', async () => {
    const client = await start()
    const files = [1000, 70_000, 1_000_000].map((piece, index) => ({ piece, bytes: content(length, index) }))
    const pieces = function* (bytes: Buffer, piece: number) {
      for (let offset = 0; offset < bytes.length; offset += piece) yield bytes.subarray(offset, offset + piece)
    }
    await Promise.all(
      files.map(({ piece, bytes }, index) =>
        pipeline(Readable.from(pieces(bytes, piece)), client.createWriteStream(`/written-${index}`)),
      ),
    )
    for (const [index, { bytes }] of files.entries()) {
      expect((await client.readFile(`/written-${index}`)).equals(bytes)).toBe(true)
    }
    await client.close()
  })

  test('a block that was given up is not used again: it may still be on its way', async () => {
    const client = await start()
    const bytes = content(length, 9)
    const file = await client.open('/kept', 'w')
    const gaveUp = new AbortController()
    const writer = file.createWriteStream({ signal: gaveUp.signal })
    const failed = new Promise((resolve) => writer.once('error', resolve))
    writer.write(bytes.subarray(0, 1024 * 1024))
    gaveUp.abort()
    await failed
    // Had the memory been taken back, the WRITEs on their way would carry these bytes instead.
    await client.writeFile('/other', content(length, 200))
    const kept = await client.readFile('/kept')
    expect(kept.equals(bytes.subarray(0, kept.length))).toBe(true)
    await client.close()
  })

  test('gives memory of one size to blocks with and without room for a header', () => {
    const memory = new BlockMemory()
    const block = memory.take(255 * 1024)
    memory.giveBack(block)
    const next = memory.take(29 + 255 * 1024)
    expect(next.buffer).toBe(block.buffer)
    expect(next.length).toBe(29 + 255 * 1024)
    expect(memory.take(255 * 1024).buffer).not.toBe(block.buffer)
  })
})
