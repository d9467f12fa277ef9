import { expect, test } from 'vitest'
import { FakeClock } from '../src/fake-clock.js'

test('time moves only when told to', () => {
  const clock = new FakeClock(5)
  expect(clock.now()).toBe(5)
  clock.advance(10)
  expect(clock.now()).toBe(15)
  expect(() => clock.advance(-1)).toThrow(RangeError)
})

test('timers fire in order, each at its own moment, equal ones as they were scheduled', () => {
  const clock = new FakeClock(0)
  const fired: [string, number][] = []
  const at = (name: string, delayMs: number) => clock.schedule(() => fired.push([name, clock.now()]), delayMs)
  at('late', 20)
  at('early', 10)
  at('early too', 10)
  expect(clock.nextDueAt).toBe(10)
  clock.advance(30)
  expect(fired).toEqual([
    ['early', 10],
    ['early too', 10],
    ['late', 20],
  ])
  expect(clock.pending).toBe(0)
})

test('a timer scheduled by a timer fires in the same advance when it falls due', () => {
  const clock = new FakeClock(0)
  const fired: number[] = []
  const again = (): void => {
    fired.push(clock.now())
    if (fired.length < 5) clock.schedule(again, 10)
  }
  clock.schedule(again, 10)
  clock.advance(35)
  expect(fired).toEqual([10, 20, 30])
  expect(clock.pending).toBe(1)
})

test('a cancelled timer never fires', () => {
  const clock = new FakeClock(0)
  let fired = 0
  const cancel = clock.schedule(() => fired++, 1)
  cancel()
  cancel()
  clock.advance(10)
  expect([fired, clock.pending]).toEqual([0, 0])
})
