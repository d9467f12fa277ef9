import { memoryChannelPair } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { iterate } from '../src/index.js'

describe('iterate', () => {
  test('yields chunks in order and returns at the end', async () => {
    const [near, far] = memoryChannelPair({ schedule: queueMicrotask, chunkSize: 2 })
    far.write(Buffer.from('abcdef'))
    far.end()
    const chunks: string[] = []
    for await (const chunk of iterate(near)) chunks.push(Buffer.from(chunk).toString())
    expect(chunks).toEqual(['ab', 'cd', 'ef'])
  })

  test('holds one chunk at a time and leaves the rest to the window', async () => {
    const [near, far] = memoryChannelPair({ windowSize: 1000 })
    const chunks = iterate(near)
    for (let count = 0; count < 10; count++) far.write(new Uint8Array(1000))
    await chunks.next()
    expect(far.queued).toBe(8000)
    await chunks.next()
    expect(far.queued).toBe(7000)
  })

  test('discards what still comes when the loop is left', async () => {
    const [near, far] = memoryChannelPair({ windowSize: 1000 })
    for (let count = 0; count < 10; count++) far.write(new Uint8Array(1000))
    for await (const _chunk of iterate(near)) break
    expect(far.queued).toBe(0)
    expect(near.isClosed).toBe(false)
  })

  test('throws the error of a lost channel', async () => {
    const [near] = memoryChannelPair()
    const next = iterate(near).next()
    near.abort(new Error('lost'))
    await expect(next).rejects.toThrow('lost')
  })

  test('takes the place of the one consumer at once', () => {
    const [near] = memoryChannelPair()
    iterate(near)
    expect(() => near.attach({})).toThrow()
  })
})
