import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { memoryChannelPair, seededRandom } from '@ssh/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { collect, iterate, toDuplex } from '../src/index.js'

const random = seededRandom('duplex')
const quiet = async () => {
  for (let turns = 0; turns < 20; turns++) await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('toDuplex', () => {
  test('passes each end alone: the answer comes after the question has ended', async () => {
    const [near, far] = memoryChannelPair()
    const client = toDuplex(near)
    const server = toDuplex(far)
    client.end('question')
    expect((await collect(toIterable(server))).toString()).toBe('question')
    server.end('answer')
    expect((await collect(client)).toString()).toBe('answer')
    await quiet()
    expect(near.isClosed).toBe(true)
  })

  test('ends both directions with allowHalfOpen false', async () => {
    const [near, far] = memoryChannelPair()
    const client = toDuplex(near, { allowHalfOpen: false })
    client.resume()
    far.end()
    await once(client, 'finish')
    expect(await collect(iterate(far))).toHaveLength(0)
  })

  test('can answer after a loop has read it to its end, and is destroyed by a loop that is left early', async () => {
    const [near, far] = memoryChannelPair()
    const server = toDuplex(near)
    const client = toDuplex(far)
    client.end('question')
    for await (const chunk of server) server.write(chunk.toString().toUpperCase())
    server.end('!')
    expect((await collect(client)).toString()).toBe('QUESTION!')

    const [other, others] = memoryChannelPair()
    const impatient = toDuplex(other)
    others.write(Buffer.from('endless'))
    for await (const _ of impatient) break
    expect(impatient.destroyed).toBe(true)
    expect(other.isClosed).toBe(true)
  })

  test('still sends what is buffered after a regular end', async () => {
    const [near, far] = memoryChannelPair({ windowSize: 100 })
    const client = toDuplex(near)
    client.resume()
    far.end()
    client.end(Buffer.alloc(60_000, 'x'))
    await once(client, 'close')
    expect(await collect(iterate(far))).toHaveLength(60_000)
  })

  test('closes the channel at once when destroyed, and hands it the error', async () => {
    const [near, far] = memoryChannelPair()
    const reason = new Error('not any more')
    const client = toDuplex(near)
    client.destroy(reason)
    await expect(collect(iterate(far))).rejects.toThrow('The other end aborted')
  })

  test('delivers what came before a clean close, then ends, and fails the writer', async () => {
    const [near, far] = memoryChannelPair()
    const client = toDuplex(near)
    far.write(Buffer.from('bye'))
    far.close()
    const source = new Readable({ read() {} })
    source.push('are you there?')
    const copied = pipeline(source, client)
    await expect(copied).rejects.toThrow()
  })

  test('is destroyed without an error once a clean close has been read', async () => {
    const [near, far] = memoryChannelPair()
    const client = toDuplex(near)
    far.write(Buffer.from('bye'))
    far.close()
    await quiet()
    expect((await collect(toIterable(client))).toString()).toBe('bye')
    await quiet()
    expect(client.closed).toBe(true)
    expect(client.errored).toBeNull()
  })

  test('rejects a pipeline when the channel is lost, and stays quiet without one', async () => {
    const lost = new Error('connection lost')
    const [near] = memoryChannelPair({ windowSize: 10, highWaterMark: 10 })
    const copied = pipeline(Readable.from([new Uint8Array(100_000)]), toDuplex(near))
    await quiet()
    near.abort(lost)
    await expect(copied).rejects.toBe(lost)
    const [alone] = memoryChannelPair()
    const duplex = toDuplex(alone)
    alone.abort(lost)
    await quiet()
    expect(duplex.closed).toBe(true)
    expect(duplex.errored).toBe(lost)
  })

  test('carries the same bytes both ways under any chunking and any window', async () => {
    const settings = { chunkSize: fc.integer({ min: 1, max: 3000 }), windowSize: fc.integer({ min: 1, max: 5000 }) }
    await fc.assert(
      fc.asyncProperty(
        fc.record({ ...settings, highWaterMark: fc.integer({ min: 1, max: 3000 }) }),
        async (options) => {
          const [near, far] = memoryChannelPair({ ...options, schedule: queueMicrotask })
          const ends = [toDuplex(near, options), toDuplex(far, options)] as const
          const sent = [random.bytes(9000), random.bytes(7000)] as const
          const [down, up] = await Promise.all([
            collect(toIterable(ends[0])),
            collect(toIterable(ends[1])),
            pipeline(Readable.from(cut(sent[0])), ends[1]),
            pipeline(Readable.from(cut(sent[1])), ends[0]),
          ])
          expect(down.equals(sent[0])).toBe(true)
          expect(up.equals(sent[1])).toBe(true)
        },
      ),
      { numRuns: 40 },
    )
  })
})

/** Reads without destroying the stream at its end, so that the other direction can go on. */
function toIterable(stream: Readable): AsyncIterable<Uint8Array> {
  return stream.iterator({ destroyOnReturn: false })
}

function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; ) {
    const size = random.integer(1000)
    yield bytes.subarray(offset, offset + size)
    offset += size
  }
}
