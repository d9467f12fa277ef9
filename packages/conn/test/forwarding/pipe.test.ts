import { memoryChannelPair } from '@ssh/testkit'
import type { ByteChannel } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { pipe } from '../../src/forwarding/pipe.js'
import { Collector, pattern } from '../mux-pair.js'

const KiB = 1024
const MiB = 1024 * KiB

/** Two pairs with a tunnel between them: what `near` writes arrives at `far`, and the other way round. */
function tunnel(options: Parameters<typeof memoryChannelPair>[0] = {}) {
  const [near, a] = memoryChannelPair(options)
  const [b, far] = memoryChannelPair(options)
  return { near, a, b, far, over: pipe(a, b) }
}

describe('a tunnel', () => {
  test('carries bytes both ways whatever the portions, and hands chunks on without copying them', () => {
    let size = 0
    const sizes = () => (size++ * 37) % 200
    const { near, far } = tunnel({ chunkSize: sizes, windowSize: 1000, highWaterMark: 500 })
    const [atNear, atFar] = [new Collector(near), new Collector(far)]
    const [up, down] = [pattern(20 * KiB), pattern(30 * KiB, 7)]
    near.write(up)
    far.write(down)
    expect(atFar.bytes).toEqual(Buffer.from(up))
    expect(atNear.bytes).toEqual(Buffer.from(down))

    const whole = tunnel()
    const received = new Collector(whole.far)
    const chunk = pattern(10)
    whole.near.write(chunk)
    expect(received.chunks[0]).toBe(chunk)
  })

  test.each([
    ['near', 'far'],
    ['far', 'near'],
  ] as const)('passes the end of %s alone, and the other direction goes on (R5)', async (first, second) => {
    const ends = tunnel()
    const collectors = { near: new Collector(ends.near), far: new Collector(ends.far) }
    ends[first].write(pattern(100))
    ends[first].end()
    expect(collectors[second].events).toEqual(['data', 'end'])
    expect(collectors[first].events).toEqual([])
    ends[second].write(pattern(50))
    expect(collectors[first].events).toEqual(['data'])
    ends[second].end()
    // Both directions are over, and with them the tunnel.
    expect(collectors[first].events).toEqual(['data', 'end', 'close'])
    expect(collectors[second].events).toEqual(['data', 'end', 'close'])
    await expect(ends.over).resolves.toBeUndefined()
  })

  test('closes behind what was still to be delivered when one end closes without an end', async () => {
    const ends = tunnel({ windowSize: 100 })
    const [atNear, atFar] = [new Collector(ends.near), new Collector(ends.far, true)]
    ends.near.write(pattern(250))
    ends.near.close()
    expect(atFar.length).toBe(100)
    ends.far.release(100)
    ends.far.release(100)
    expect(atFar.bytes).toEqual(Buffer.from(pattern(250)))
    expect(atFar.events.at(-1)).toBe('close')
    expect(atNear.events).toEqual(['close'])
    await ends.over
  })

  test.each(['near', 'far'] as const)('a reset of %s resets the other end', async (first) => {
    const ends = tunnel()
    const other = first === 'near' ? 'far' : 'near'
    const collector = new Collector(ends[other])
    new Collector(ends[first])
    ends[first].abort(new Error('reset by the test'))
    expect(collector.closeError).toBeInstanceOf(Error)
    await expect(ends.over).rejects.toThrow('The other end aborted')
  })

  test("what fails is nobody's unhandled rejection", async () => {
    const ends = tunnel()
    ends.near.abort(new Error('looked at by nobody'))
    // Vitest fails the run if this is unhandled.
    await new Promise((resolve) => setImmediate(resolve))
    expect(ends.far.isClosed).toBe(true)
  })

  test('a sink that takes nothing stops its source at what the two channels hold (D15)', () => {
    const ends = tunnel({ windowSize: 64 * KiB, highWaterMark: 16 * KiB })
    const stalled = new Collector(ends.far, true)
    new Collector(ends.near)
    for (let count = 0; count < 64; count++) ends.near.write(pattern(64 * KiB))
    expect(stalled.length).toBe(64 * KiB)
    // One window waits to be sent on, one is charged to the source, and the rest never left it.
    expect(ends.b.queued).toBeLessThanOrEqual(64 * KiB)
    expect(ends.a.unreleased).toBeLessThanOrEqual(64 * KiB)
    expect(ends.near.queued).toBeGreaterThan(3 * MiB)
    // The other direction is not held up.
    const back = pattern(100)
    ends.far.write(back)
    // And all of it arrives once the sink reads again.
    while (stalled.length < 4 * MiB) ends.far.release(64 * KiB)
    expect(stalled.length).toBe(4 * MiB)
    expect(ends.near.queued).toBe(0)
  })

  test('what comes for an end that is closed is given back, so that its sender hears of the close', () => {
    const released: number[] = []
    let handlers: Parameters<ByteChannel['attach']>[0] = {}
    const stuck: ByteChannel = {
      attach: (given) => void (handlers = given),
      release: (count) => void released.push(count),
      write: () => true,
      end() {},
      // Has something to send first, and nobody takes it.
      close() {},
      abort() {},
    }
    const [near, a] = memoryChannelPair()
    pipe(a, stuck)
    new Collector(near)
    near.close()
    handlers.onData?.(pattern(10))
    expect(released).toEqual([10])
  })
})
