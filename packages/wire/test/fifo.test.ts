import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fifo } from '../src/fifo.js'

test('behaves like an array whatever the order of pushes and shifts', () => {
  const step = fc.oneof(fc.integer(), fc.constant('shift' as const), fc.constant('clear' as const))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const fifo = new Fifo<number>()
      let model: number[] = []
      for (const action of steps) {
        if (action === 'shift') expect(fifo.shift()).toBe(model.shift())
        else if (action === 'clear') {
          fifo.clear()
          model = []
        } else {
          fifo.push(action)
          model.push(action)
        }
        expect(fifo.length).toBe(model.length)
        expect(fifo.first).toBe(model[0])
        expect(fifo.last).toBe(model.at(-1))
      }
    }),
  )
})

test('keeps its order while a long queue is compacted', () => {
  const fifo = new Fifo<number>()
  for (let index = 0; index < 10_000; index++) fifo.push(index)
  for (let index = 0; index < 9_000; index++) expect(fifo.shift()).toBe(index)
  fifo.replaceFirst(-1)
  expect(fifo.shift()).toBe(-1)
  expect(fifo.shift()).toBe(9_001)
  expect(fifo.length).toBe(998)
})
