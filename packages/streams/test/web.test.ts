import { memoryChannelPair } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { collect, iterate, toReadableStream, toWebStreams } from '../src/index.js'

const quiet = async () => {
  for (let turns = 0; turns < 20; turns++) await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('toWebStreams', () => {
  test('carries bytes both ways and closes the channel after both ends', async () => {
    const [near, far] = memoryChannelPair()
    const { readable, writable } = toWebStreams(near)
    const writer = writable.getWriter()
    await writer.write(Buffer.from('question'))
    await writer.close()
    expect((await collect(iterate(far))).toString()).toBe('question')
    far.write(Buffer.from('answer'))
    far.end()
    expect((await collect(readable)).toString()).toBe('answer')
    await quiet()
    expect(near.isClosed).toBe(true)
  })

  test('bounds what it takes while nobody reads', async () => {
    const [near, far] = memoryChannelPair({ windowSize: 10_000 })
    const { readable } = toWebStreams(near, { highWaterMark: 3000 })
    for (let count = 0; count < 100; count++) far.write(new Uint8Array(1000))
    await quiet()
    expect(far.queued).toBeGreaterThanOrEqual(100_000 - 10_000 - 4000)
    far.end()
    expect(await collect(readable)).toHaveLength(100_000)
  })

  test('makes a writer wait for the window', async () => {
    const [near, far] = memoryChannelPair({ windowSize: 1000, highWaterMark: 1000 })
    const writer = toWebStreams(near).writable.getWriter()
    let isWritten = false
    const written = writer.write(new Uint8Array(5000)).then(() => {
      isWritten = true
    })
    await quiet()
    expect(isWritten).toBe(false)
    far.attach({})
    await written
  })

  test('errors both streams when the channel is lost', async () => {
    const lost = new Error('lost')
    const [near] = memoryChannelPair({ windowSize: 10, highWaterMark: 10 })
    const { readable, writable } = toWebStreams(near)
    const writer = writable.getWriter()
    const closed = expect(writer.closed).rejects.toBe(lost)
    const written = expect(writer.write(new Uint8Array(1000))).rejects.toBe(lost)
    await quiet()
    near.abort(lost)
    await written
    await closed
    await expect(readable.getReader().read()).rejects.toBe(lost)
  })

  test('rejects a write when the channel closed cleanly', async () => {
    const [near, far] = memoryChannelPair()
    const writer = toWebStreams(near).writable.getWriter()
    far.close()
    await quiet()
    const closed = expect(writer.closed).rejects.toMatchObject({ code: 'ERR_SSH_STREAM_CLOSED' })
    await expect(writer.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'ERR_SSH_STREAM_CLOSED' })
    await closed
  })

  test('discards after a cancel, and closes the channel at once on an abort', async () => {
    const [near, far] = memoryChannelPair({ windowSize: 1000 })
    const { readable, writable } = toWebStreams(near)
    far.write(new Uint8Array(20_000))
    await readable.cancel()
    await quiet()
    expect(far.queued).toBe(0)
    await writable.abort(new Error('enough'))
    await quiet()
    expect(near.isClosed).toBe(true)
  })

  test('does not take over the memory that chunks share', async () => {
    const [near, far] = memoryChannelPair()
    const shared = Buffer.from('onetwo')
    far.write(shared.subarray(0, 3))
    far.write(shared.subarray(3))
    far.end()
    expect((await collect(toReadableStream(near))).toString()).toBe('onetwo')
    expect(shared.toString()).toBe('onetwo')
  })
})
