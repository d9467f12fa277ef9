import { once } from 'node:events'
import { type Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { memoryChannelPair, seededRandom } from '@ssh/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toReadable } from '../src/index.js'

const random = seededRandom('readable')
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const quiet = async () => {
  for (let turns = 0; turns < 20; turns++) await turn()
}
const readAll = async (readable: Readable): Promise<Buffer> => Buffer.concat(await readable.toArray())

describe('toReadable', () => {
  test('reads what arrived before and after it was made, to the end', async () => {
    const [near, far] = memoryChannelPair()
    far.write(Buffer.from('before '))
    const readable = toReadable(near)
    far.write(Buffer.from('after'))
    far.end()
    expect((await readAll(readable)).toString()).toBe('before after')
  })

  test('hands out views of what was received, not copies', async () => {
    const [near, far] = memoryChannelPair()
    const sent = Buffer.from('the very same memory')
    const readable = toReadable(near)
    far.write(sent)
    const [chunk] = (await once(readable, 'data')) as [Buffer]
    expect(chunk.buffer).toBe(sent.buffer)
  })

  test('takes no more than its mark and one chunk when nobody reads, and stalls the sender', async () => {
    const [near, far] = memoryChannelPair({ windowSize: 10_000 })
    const readable = toReadable(near, { highWaterMark: 5000 })
    readable.read(0)
    let written = 0
    while (far.write(new Uint8Array(1000)) && written < 1_000_000) written += 1000
    await quiet()
    expect(readable.readableLength).toBeLessThanOrEqual(6000)
    expect(near.unreleased).toBe(10_000)
    expect(far.queued).toBeGreaterThan(0)
  })

  test('gives credit back chunk by chunk as the reader reads', async () => {
    const [near, far] = memoryChannelPair({ windowSize: 10_000 })
    const readable = toReadable(near, { highWaterMark: 1000 })
    readable.read(0)
    for (let count = 0; count < 30; count++) far.write(new Uint8Array(1000))
    await quiet()
    const before = far.queued
    readable.read()
    await quiet()
    expect(before - far.queued).toBeGreaterThanOrEqual(1000)
    expect(before - far.queued).toBeLessThanOrEqual(2000)
  })

  test('discards and goes on giving credit after it was destroyed', async () => {
    const [near, far] = memoryChannelPair({ windowSize: 1000 })
    const readable = toReadable(near)
    for (let count = 0; count < 10; count++) far.write(new Uint8Array(1000))
    readable.destroy()
    for (let count = 0; count < 10; count++) far.write(new Uint8Array(1000))
    await quiet()
    expect(far.queued).toBe(0)
    expect(near.unreleased).toBe(0)
    expect(near.isClosed).toBe(false)
  })

  test('reads a close without an end as the end, after the data before it', async () => {
    const [near, far] = memoryChannelPair()
    const readable = toReadable(near)
    far.write(Buffer.from('last'))
    far.close()
    expect((await readAll(readable)).toString()).toBe('last')
  })

  test('makes pipeline reject with the error of a lost channel', async () => {
    const [near] = memoryChannelPair()
    const lost = new Error('connection lost')
    const copied = pipeline(toReadable(near), new Writable({ write: (_chunk, _encoding, done) => done() }))
    near.abort(lost)
    await expect(copied).rejects.toBe(lost)
  })

  test('does not emit an error that nobody can hear', async () => {
    const [near] = memoryChannelPair()
    const readable = toReadable(near)
    near.abort(new Error('connection lost'))
    await quiet()
    expect(readable.closed).toBe(true)
    expect(readable.errored?.message).toBe('connection lost')
  })

  test('keeps an exception of a data listener away from the channel', async () => {
    const [near, far] = memoryChannelPair()
    const readable = toReadable(near)
    const uncaught: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => uncaught.push(error))
    try {
      const seen: string[] = []
      readable.on('data', (chunk: Buffer) => {
        seen.push(chunk.toString())
        if (seen.length === 1) throw new Error('bug in the listener')
      })
      await quiet()
      expect(() => far.write(Buffer.from('one'))).not.toThrow()
      far.write(Buffer.from('two'))
      await quiet()
      expect(seen).toEqual(['one', 'two'])
      expect(uncaught).toEqual([expect.objectContaining({ message: 'bug in the listener' })])
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })

  test('yields the same bytes however they were cut and however slowly they are read', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 2000 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 1500 }),
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 1, max: 3000 }),
        async (lengths, chunkSize, windowSize, highWaterMark) => {
          const [near, far] = memoryChannelPair({ chunkSize, windowSize, schedule: queueMicrotask })
          const readable = toReadable(near, { highWaterMark })
          const sent = lengths.map((length) => random.bytes(length))
          for (const chunk of sent) far.write(chunk)
          far.end()
          const received: Buffer[] = []
          for await (const chunk of readable) {
            received.push(chunk as Buffer)
            if (received.length % 7 === 0) await turn()
          }
          expect(Buffer.concat(received).equals(Buffer.concat(sent))).toBe(true)
          expect(near.unreleased).toBe(0)
        },
      ),
      { numRuns: 60 },
    )
  })
})
