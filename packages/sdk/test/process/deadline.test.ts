import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Deadline } from '../../src/process/deadline.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('fires when time is up, and says so', () => {
  const deadline = new Deadline(100, undefined)
  vi.advanceTimersByTime(99)
  expect(deadline.signal.aborted).toBe(false)
  vi.advanceTimersByTime(1)
  expect([deadline.signal.aborted, deadline.hasExpired]).toEqual([true, true])
})

test('fires with the reason of the caller', () => {
  const caller = new AbortController()
  const deadline = new Deadline(100, caller.signal)
  caller.abort('enough')
  expect([deadline.signal.reason, deadline.hasExpired]).toEqual(['enough', false])
  expect(new Deadline(undefined, AbortSignal.abort('before')).signal.reason).toBe('before')
  deadline.clear()
})

test('leaves no timer and no listener behind', () => {
  const caller = new AbortController()
  const deadline = new Deadline(100, caller.signal)
  deadline.clear()
  expect(vi.getTimerCount()).toBe(0)
  caller.abort()
  expect(deadline.signal.aborted).toBe(false)
})

test('takes 0 for no limit, and does not fire at once for one longer than a timer can be', () => {
  const none = new Deadline(0, undefined)
  const long = new Deadline(2 ** 40, undefined)
  vi.advanceTimersByTime(1_000_000)
  expect([none.signal.aborted, long.signal.aborted]).toEqual([false, false])
  long.clear()
})
