import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lines } from '../src/index.js'

const read = (chunks: readonly (Uint8Array | string)[], options = {}) =>
  gather(lines(Readable.from(chunks, { objectMode: true }), options))

async function gather(source: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const line of source) all.push(line)
  return all
}

describe('lines', () => {
  test('takes off either ending and keeps empty lines', async () => {
    expect(await read([Buffer.from('one\r\n\ntwo\r'), Buffer.from('\nthree')])).toEqual(['one', '', 'two', 'three'])
  })

  test('yields nothing after the last ending', async () => {
    expect(await read([Buffer.from('one\n')])).toEqual(['one'])
    expect(await read([])).toEqual([])
  })

  test('reads text streams as they are', async () => {
    expect(await read(['o', 'ne\ntwo'])).toEqual(['one', 'two'])
  })

  test('refuses a line that never ends', async () => {
    await expect(read([Buffer.alloc(50), Buffer.alloc(51)], { maxLength: 100 })).rejects.toMatchObject({
      code: 'ERR_SSH_STREAM_LINE_TOO_LONG',
      details: { maxLength: 100 },
    })
  })

  test('destroys the stream when the loop is left', async () => {
    const source = Readable.from([Buffer.from('one\ntwo\n')])
    for await (const _line of lines(source)) break
    expect(source.destroyed).toBe(true)
  })

  test('yields the same lines however the bytes were cut, also within a character', async () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', ' '), maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(line),
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }),
        async (all, cuts) => {
          const bytes = Buffer.from(all.map((text) => `${text}\n`).join(''))
          const chunks: Buffer[] = []
          for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
            const size = cuts[turn % cuts.length] ?? 1
            chunks.push(bytes.subarray(offset, offset + size))
            offset += size
          }
          expect(await read(chunks)).toEqual(all)
        },
      ),
    )
  })
})
