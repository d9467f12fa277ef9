import { describe, expect, test } from 'vitest'
import { InFlightBudget, SharedGrowth } from '../../src/client/in-flight-budget.js'

const mebibyte = 1024 * 1024

describe('bytes in flight', () => {
  test('wait their turn, in order', async () => {
    const budget = new InFlightBudget(100)
    const granted: string[] = []
    await budget.acquire(60)
    const big = budget.acquire(90).then(() => granted.push('big'))
    const small = budget.acquire(10).then(() => granted.push('small'))
    expect(budget.tryAcquire(1)).toBe(false)
    budget.release(60)
    await Promise.all([big, small])
    expect(granted).toEqual(['big', 'small'])
    expect(budget.used).toBe(100)
  })

  test('one request always fits, however large', async () => {
    const budget = new InFlightBudget(10)
    expect(budget.tryAcquire(1000)).toBe(true)
    expect(budget.tryAcquire(1)).toBe(false)
  })

  test('an aborted wait takes nothing, and lets the next one in', async () => {
    const budget = new InFlightBudget(100)
    await budget.acquire(50)
    const controller = new AbortController()
    const aborted = budget.acquire(80, controller.signal)
    const next = budget.acquire(20)
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'ABORT_ERR' })
    await next
    expect(budget.used).toBe(70)
  })

  test('R23: grow until twice what a long fat link holds, and no further', () => {
    const budget = new InFlightBudget()
    expect(budget.limit).toBe(2 * mebibyte)
    budget.observeReply(100)
    // A link of 100 ms and 125 MB/s: delivers the window each round trip until the window is no longer what limits it.
    let now = 0
    for (let round = 0; round < 50; round++) {
      const bytes = budget.limit
      const elapsedMs = Math.max(100, bytes / 125_000)
      budget.observeBytes(1, now)
      now += elapsedMs
      budget.observeBytes(bytes, now)
    }
    expect(budget.limit).toBeGreaterThan(12.5e6)
    expect(budget.limit).toBeLessThanOrEqual(32 * mebibyte)
  })

  test('stay small on a fast local link, where more would only be memory', () => {
    const budget = new InFlightBudget()
    budget.observeReply(0.1)
    let now = 0
    for (let round = 0; round < 50; round++) {
      budget.observeBytes(1, now)
      now += 2
      budget.observeBytes(budget.limit, now)
    }
    expect(budget.limit).toBe(2 * mebibyte)
  })

  test('begin with what half a gigabit takes on a long way, until they are measured', () => {
    const budget = new InFlightBudget()
    budget.observeReply(150)
    expect(budget.limit).toBe(8 * mebibyte)
    budget.observeReply(50)
    expect(budget.limit).toBe(3.125 * mebibyte)
    // 1 MB/s: what was begun with is far too much.
    budget.observeBytes(1, 0)
    budget.observeBytes(budget.limit, 3277)
    expect(budget.limit).toBe(2 * mebibyte)
    budget.observeReply(40)
    expect(budget.limit).toBe(2 * mebibyte)
  })

  test('of several channels begin with as much for each', () => {
    const budget = new InFlightBudget()
    budget.raiseTo(10 * mebibyte)
    budget.raiseTo(5 * mebibyte)
    expect(budget.limit).toBe(10 * mebibyte)
  })

  test('of all clients share what goes beyond the first, and give it back', () => {
    const shared = new SharedGrowth(10 * mebibyte)
    const [first, second] = [new InFlightBudget(undefined, shared), new InFlightBudget(undefined, shared)]
    first.raiseTo(10 * mebibyte)
    second.raiseTo(10 * mebibyte)
    expect([first.limit, second.limit, shared.free]).toEqual([10 * mebibyte, 4 * mebibyte, 0])
    first.dispose()
    first.raiseTo(10 * mebibyte)
    second.raiseTo(10 * mebibyte)
    expect([first.limit, second.limit, shared.free]).toEqual([2 * mebibyte, 10 * mebibyte, 2 * mebibyte])
  })

  test('stay what they were fixed at', () => {
    const budget = new InFlightBudget(1000)
    budget.observeReply(100)
    budget.observeBytes(1, 0)
    budget.observeBytes(1e9, 1)
    expect(budget.limit).toBe(1000)
  })
})
