import { describe, expect, test } from 'vitest'
import { byteChannelConformance } from '../src/conformance/byte-channel.js'
import { memoryChannelPair } from '../src/memory-channel.js'
import { seededRandom } from '../src/seeded-random.js'

const windowSize = 10_000

byteChannelConformance('memory channel', () => ({ ends: memoryChannelPair({ windowSize }), windowSize }))
byteChannelConformance('memory channel, a byte at a time', () => ({
  ends: memoryChannelPair({ windowSize: 1000, chunkSize: 1 }),
  windowSize: 1000,
}))
byteChannelConformance('memory channel, later and in odd sizes', () => {
  const random = seededRandom('odd sizes')
  return {
    ends: memoryChannelPair({ windowSize, chunkSize: () => 1 + random.integer(700), schedule: setImmediate }),
    windowSize,
  }
})

describe('what a test controls', () => {
  test('nothing moves until the test runs the collected tasks', () => {
    const tasks: (() => void)[] = []
    const [left, right] = memoryChannelPair({ schedule: (task) => tasks.push(task) })
    const seen: string[] = []
    right.attach({ onData: (chunk) => void seen.push(Buffer.from(chunk).toString()) })
    left.write(Buffer.from('now'))
    expect(seen).toEqual([])
    for (const task of tasks) task()
    expect(seen).toEqual(['now'])
  })

  test('outstanding credit and queued bytes can be read', () => {
    const [left, right] = memoryChannelPair({ windowSize: 4, highWaterMark: 0 })
    right.attach({ onData() {} })
    expect(left.write(Buffer.from('123456'))).toBe(false)
    expect([right.unreleased, left.queued]).toEqual([4, 2])
    right.release(4)
    expect([right.unreleased, left.queued]).toEqual([2, 0])
  })

  test('releasing more than was handed over is a mistake of the consumer, told at once', () => {
    const [left, right] = memoryChannelPair()
    right.attach({ onData() {} })
    left.write(Buffer.from('abc'))
    expect(() => right.release(4)).toThrow(RangeError)
    expect(() => right.release(-1)).toThrow(RangeError)
  })
})
