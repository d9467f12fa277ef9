import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { Collector, collect, StreamError } from '../src/index.js'

describe('Collector', () => {
  test('joins characters that were split between chunks', () => {
    const collector = new Collector()
    for (const byte of Buffer.from('naïve €😀')) collector.add(Uint8Array.of(byte))
    expect(collector.text()).toBe('naïve €😀')
  })

  test('keeps exactly maxBuffer bytes and remembers that there was more', () => {
    const collector = new Collector({ maxBuffer: 5 })
    expect(collector.add(Buffer.from('abc'))).toBe(true)
    expect(collector.overflowed).toBe(false)
    expect(collector.add(Buffer.from('def'))).toBe(false)
    expect(collector.add(Buffer.from('ghi'))).toBe(false)
    expect(collector.bytes().toString()).toBe('abcde')
    expect(collector.overflowed).toBe(true)
  })

  test('leaves off a character of which only a part has come', () => {
    const collector = new Collector()
    collector.add(Buffer.from('€€').subarray(0, 4))
    expect(collector.text('utf8', false)).toBe('€')
    collector.add(Buffer.from('€€').subarray(4))
    expect(collector.text('utf8', false)).toBe('€€')
  })

  test('may be looked at in between without losing its place', () => {
    const collector = new Collector()
    for (let count = 0; count < 300; count++) {
      collector.add(Buffer.from('xyz'))
      if (count % 50 === 0) collector.bytes()
    }
    expect(collector.text()).toBe('xyz'.repeat(300))
  })
})

describe('collect', () => {
  test('reads a stream to its end', async () => {
    expect((await collect(Readable.from([Buffer.from('a'), 'b']))).toString()).toBe('ab')
  })

  test('throws and stops reading when there is more than maxBuffer', async () => {
    const source = Readable.from([Buffer.alloc(10), Buffer.alloc(10)])
    const error = await collect(source, { maxBuffer: 15 }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StreamError)
    expect(error).toMatchObject({ code: 'ERR_SSH_STREAM_MAX_BUFFER', details: { maxBuffer: 15 } })
    expect(source.destroyed).toBe(true)
  })
})
