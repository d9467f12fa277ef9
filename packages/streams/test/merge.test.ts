import { memoryChannelPair, seededRandom } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { collect, iterate, mergeSources } from '../src/index.js'

const random = seededRandom('merge')

describe('mergeSources', () => {
  test('keeps the order of arrival, also while nobody reads', async () => {
    const [out, farOut] = memoryChannelPair()
    const [err, farErr] = memoryChannelPair()
    const merged = iterate(mergeSources(out, err))
    let expected = ''
    for (let count = 0; count < 200; count++) {
      const text = `${count};`
      random.pick([farOut, farErr]).write(Buffer.from(text))
      expected += text
    }
    farOut.end()
    farErr.end()
    expect((await collect(merged)).toString()).toBe(expected)
    expect([out.unreleased, err.unreleased]).toEqual([0, 0])
  })

  test('gives credit back to the source that the bytes came from', async () => {
    const [out, farOut] = memoryChannelPair({ windowSize: 1000 })
    const [err, farErr] = memoryChannelPair({ windowSize: 1000 })
    const merged = mergeSources(out, err)
    merged.attach({ onData() {} })
    farOut.write(new Uint8Array(1000))
    farErr.write(new Uint8Array(1000))
    merged.release(1500)
    expect([out.unreleased, err.unreleased]).toEqual([0, 500])
  })

  test('ends after both ends and closes after both closes', () => {
    const [out, farOut] = memoryChannelPair()
    const [err, farErr] = memoryChannelPair()
    const events: string[] = []
    mergeSources(out, err).attach({ onEnd: () => events.push('end'), onClose: () => events.push('close') })
    farOut.end()
    farErr.close()
    expect(events).toEqual(['end'])
    farOut.close()
    expect(events).toEqual(['end', 'close'])
  })

  test('closes at the first error, once', () => {
    const [out] = memoryChannelPair()
    const [err] = memoryChannelPair()
    const closes: (Error | undefined)[] = []
    mergeSources(out, err).attach({ onClose: (error) => closes.push(error) })
    const lost = new Error('lost')
    out.abort(lost)
    err.abort(lost)
    expect(closes).toEqual([lost])
  })
})
