import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { memoryChannelPair, seededRandom } from '@ssh/testkit'
import type { ByteChannel } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { collect, iterate, toReadable, toWritable } from '../src/index.js'

const random = seededRandom('writable')
const quiet = async () => {
  for (let turns = 0; turns < 20; turns++) await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('toWritable', () => {
  test('sends everything and then the end', async () => {
    const [near, far] = memoryChannelPair()
    const writable = toWritable(near)
    writable.write('one ')
    writable.cork()
    writable.write('two ')
    writable.write('three')
    writable.uncork()
    writable.end()
    expect((await collect(iterate(far))).toString()).toBe('one two three')
    expect(near.isClosed).toBe(false)
  })

  test('bounds the bytes in flight by its mark, the channel and the window', async () => {
    const [near, far] = memoryChannelPair({ windowSize: 20_000, highWaterMark: 10_000 })
    const writable = toWritable(near, { highWaterMark: 5000 })
    let produced = 0
    const source = new Readable({
      highWaterMark: 1000,
      read() {
        produced += 1000
        this.push(produced <= 500_000 ? random.bytes(1000) : null)
      },
    })
    const copied = pipeline(source, writable)
    await quiet()
    expect(near.queued + writable.writableLength).toBeLessThanOrEqual(20_000)
    expect(produced).toBeLessThanOrEqual(60_000)
    const received = await collect(toReadable(far))
    await copied
    expect(received.length).toBe(500_000)
  })

  test('calls the callback of a write that waits with an error when the channel closes', async () => {
    const [near, far] = memoryChannelPair({ windowSize: 10, highWaterMark: 10 })
    const writable = toWritable(near)
    const answered = new Promise<Error | null | undefined>((resolve) => writable.write(new Uint8Array(8000), resolve))
    far.abort()
    expect(await answered).toMatchObject({ message: 'The other end aborted' })
    expect(writable.destroyed).toBe(true)
  })

  test('makes pipeline reject when the peer closes cleanly in the middle of a write', async () => {
    const [near, far] = memoryChannelPair({ windowSize: 10, highWaterMark: 10 })
    const copied = pipeline(Readable.from([new Uint8Array(5000), new Uint8Array(5000)]), toWritable(near))
    await quiet()
    far.close()
    await expect(copied).rejects.toMatchObject({ code: 'ERR_SSH_STREAM_CLOSED' })
  })

  test('makes pipeline reject when the peer closes between two writes', async () => {
    const [near, far] = memoryChannelPair()
    const source = new Readable({ read() {} })
    source.push('first')
    const copied = pipeline(source, toWritable(near))
    await quiet()
    far.close()
    await expect(copied).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' })
  })

  test('stays quiet when the channel closes after the end', async () => {
    const [near, far] = memoryChannelPair()
    const writable = toWritable(near)
    writable.end('done')
    await once(writable, 'finish')
    far.close()
    await quiet()
    expect(writable.errored).toBeNull()
  })

  test('ends the direction when it is destroyed, and does not emit an unheard error', async () => {
    const [near, far] = memoryChannelPair()
    const writable = toWritable(near)
    writable.destroy(new Error('the source failed'))
    expect(await collect(iterate(far))).toHaveLength(0)
  })

  test('reports a write that itself makes the channel close', async () => {
    let onClose = (_error?: Error) => {}
    const channel: ByteChannel = {
      attach: (handlers) => {
        onClose = (error) => handlers.onClose?.(error)
      },
      release() {},
      write() {
        onClose(new Error('gone'))
        return false
      },
      end() {},
      close() {},
      abort() {},
    }
    const writable = toWritable(channel)
    const error = await new Promise((resolve) => writable.write('x', resolve))
    expect(error).toMatchObject({ message: 'gone' })
  })
})
