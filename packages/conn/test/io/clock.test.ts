import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Alarm } from '../../src/io/clock.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function alarm(deadline: () => number | undefined) {
  const rings: number[] = []
  const made = new Alarm(
    () => Date.now(),
    deadline,
    () => void rings.push(Date.now()),
  )
  return { alarm: made, rings }
}

test('rings at the deadline, not before', () => {
  const at = Date.now() + 1000
  let deadline: number | undefined = at
  const { alarm: clock, rings } = alarm(() => deadline)
  clock.update()
  vi.advanceTimersByTime(999)
  expect(rings).toEqual([])
  vi.advanceTimersByTime(1)
  expect(rings[0]).toBe(at)
  deadline = undefined
  clock.stop()
})

test('follows a deadline that moves in either direction', () => {
  const start = Date.now()
  let deadline = start + 1000
  const { alarm: clock, rings } = alarm(() => deadline)
  clock.update()
  deadline = start + 5000
  clock.update()
  vi.advanceTimersByTime(4999)
  expect(rings).toEqual([])
  deadline = start + 60_000
  vi.advanceTimersByTime(1)
  expect(rings).toEqual([])
  deadline = start + 6000
  clock.update()
  vi.advanceTimersByTime(1000)
  expect(rings).toEqual([start + 6000])
  clock.stop()
})

test('waits for deadlines further away than a timer can count', () => {
  const deadline = Date.now() + 2 ** 33
  const { alarm: clock, rings } = alarm(() => deadline)
  clock.update()
  vi.advanceTimersByTime(2 ** 31)
  expect(rings).toEqual([])
  clock.stop()
})

test('never rings once stopped, and leaves no timer', () => {
  const deadline = Date.now() + 10
  const { alarm: clock, rings } = alarm(() => deadline)
  clock.update()
  clock.stop()
  clock.update()
  expect(vi.getTimerCount()).toBe(0)
  vi.advanceTimersByTime(100)
  expect(rings).toEqual([])
})
