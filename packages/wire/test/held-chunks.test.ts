import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HeldChunks } from '../src/held-chunks.js'

test('gives back the same bytes in the same order, whatever the sizes and the turns of push and shift', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.uint8Array({ maxLength: 900 }), fc.constant('shift'))), (steps) => {
      const held = new HeldChunks()
      const pushed: Uint8Array[] = []
      const shifted: Uint8Array[] = []
      for (const step of steps) {
        if (typeof step === 'string') shifted.push(held.shift() ?? new Uint8Array(0))
        else {
          pushed.push(step)
          held.push(step)
        }
      }
      const total = pushed.reduce((sum, chunk) => sum + chunk.length, 0)
      expect(held.byteLength + shifted.reduce((sum, chunk) => sum + chunk.length, 0)).toBe(total)
      const rest = held.join()
      expect(held.byteLength).toBe(rest.length)
      expect(Buffer.concat([...shifted, rest]).equals(Buffer.concat(pushed))).toBe(true)
    }),
  )
})

test('does not change a chunk that was handed out already', () => {
  const held = new HeldChunks()
  held.push(new Uint8Array(1000))
  held.push(Uint8Array.of(1))
  held.shift()
  const handedOut = held.shift()
  held.push(Uint8Array.of(2))
  held.push(Uint8Array.of(3))
  expect(handedOut).toEqual(Buffer.of(1))
  expect(Buffer.concat([held.shift() ?? [], held.shift() ?? []].map((chunk) => Buffer.from(chunk)))).toEqual(
    Buffer.of(2, 3),
  )
})

test('copies single bytes together instead of keeping a view of each', () => {
  const held = new HeldChunks()
  for (let count = 0; count < 100_000; count++) held.push(Uint8Array.of(count))
  let chunks = 0
  while (held.shift() !== undefined) chunks++
  expect(chunks).toBeLessThan(40)
})
