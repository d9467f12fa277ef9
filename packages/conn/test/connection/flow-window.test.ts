import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ReceiveWindow, SendWindow, WindowBudget } from '../../src/connection/flow-window.js'
import { RoundTrip } from '../../src/connection/round-trip.js'

const MiB = 1024 * 1024

function receiveWindow(initialSize: number, maximumSize = initialSize, clock = () => 0, roundTrip = new RoundTrip()) {
  const budget = new WindowBudget(initialSize * 4 + maximumSize)
  return new ReceiveWindow({ initialSize, maximumSize, budget, roundTrip, clock })
}

describe('send window', () => {
  test('adds up to 2^32 - 1 and not one more [D3]', () => {
    const around = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 2, 2 ** 32 - 1]
    fc.assert(
      fc.property(fc.constantFrom(...around), fc.constantFrom(...around), (initial, added) => {
        const window = new SendWindow(initial, new RoundTrip(), () => 0)
        if (initial + added > 2 ** 32 - 1) {
          expect(() => window.add(added)).toThrow(expect.objectContaining({ code: 'ERR_SSH_CHANNEL_WINDOW_OVERFLOW' }))
          expect(window.remaining).toBe(initial)
        } else {
          window.add(added)
          expect(window.remaining).toBe(initial + added)
        }
      }),
    )
  })

  test.each([
    ['is the limit when it ran out and is given back a round trip later', 100, 120, true, true],
    ['is not when a queue on the way, or the peer, held the bytes up', 100, 151, true, false],
    ['is not when it did not run out', 100, 120, false, false],
    ['is not when the way is so short that no window matters', 0.5, 0.6, true, false],
    ['is not when bytes come back so soon that only opening the channel took long', 4, 2.5, true, false],
    ['is not, as far as anybody knows, before a round trip was measured', Number.POSITIVE_INFINITY, 100, true, false],
  ])('%s', (_, roundTripMs, elapsedMs, ranOut, expected) => {
    let now = 0
    const roundTrip = new RoundTrip()
    roundTrip.sample(roundTripMs)
    const window = new SendWindow(2 * MiB, roundTrip, () => now)
    window.take(MiB / 2)
    now += elapsedMs / 2
    window.take(MiB / 2)
    if (ranOut) window.markShort()
    now += elapsedMs / 2
    window.add(MiB / 2 - 1)
    expect(window.isLimit).toBe(false)
    window.add(1)
    expect(window.isLimit).toBe(expected)
  })

  test.each([
    ['is taken for the limit as soon as all of it left at once', 2 * MiB, 24, true],
    ['is not, as long as nobody knows, when it left slowly', 2 * MiB, 26, false],
    ['is not when it is so small that it may be in the buffers of a slow link', MiB / 2, 0, false],
  ])('%s', (_, size, elapsedMs, expected) => {
    let now = 0
    const roundTrip = new RoundTrip()
    roundTrip.sample(100)
    const window = new SendWindow(0, roundTrip, () => now)
    window.add(size)
    window.take(200)
    now += 1000
    window.take(size / 2)
    now += elapsedMs
    window.take(size / 2 - 200)
    window.markShort()
    expect(window.isLimit).toBe(expected)
  })

  test('does not count what it is opened with as given back', () => {
    let now = 0
    const roundTrip = new RoundTrip()
    roundTrip.sample(100)
    const window = new SendWindow(0, roundTrip, () => now)
    window.add(2 * MiB)
    window.take(MiB / 2)
    now += 50
    window.take(MiB / 2)
    window.markShort()
    now += 40
    window.add(1)
    expect(window.isLimit).toBe(false)
    now += 60
    window.add(MiB / 2)
    expect(window.isLimit).toBe(true)
  })

  test('is the limit no longer when bytes are held up later', () => {
    let now = 0
    const roundTrip = new RoundTrip()
    roundTrip.sample(100)
    const window = new SendWindow(MiB, roundTrip, () => now)
    for (const elapsedMs of [100, 400]) {
      window.take(MiB)
      window.markShort()
      now += elapsedMs
      window.add(MiB)
      expect(window.isLimit).toBe(elapsedMs === 100)
    }
  })
})

describe('receive window', () => {
  test('refuses one byte more than was granted [D2]', () => {
    const window = receiveWindow(MiB)
    window.receive(MiB - 1)
    expect(() => window.receive(2)).toThrow(expect.objectContaining({ code: 'ERR_SSH_CHANNEL_WINDOW_OVERRUN' }))
  })

  test('grants nothing to a consumer that gives nothing back', () => {
    const window = receiveWindow(MiB)
    expect(window.receive(MiB)).toBe(0)
    expect(window.held).toBe(MiB)
  })

  test('returns credit in portions, not byte by byte', () => {
    const window = receiveWindow(MiB)
    window.receive(MiB)
    expect(window.release(MiB / 2 - 1)).toBe(0)
    expect(window.release(1)).toBe(MiB / 2)
  })

  test('never has more on the way than its size, whatever is received and released', () => {
    const steps = fc.array(fc.record({ received: fc.nat(200_000), released: fc.nat(200_000) }), { maxLength: 100 })
    fc.assert(
      fc.property(steps, fc.constantFrom(100_000, 2 ** 31, 2 ** 32 - 1), (list, size) => {
        const window = receiveWindow(size)
        let remaining = window.size
        let held = 0
        for (const { received, released } of list) {
          const arriving = Math.min(received, remaining)
          remaining += window.receive(arriving) - arriving
          held += arriving
          const given = Math.min(released, held)
          remaining += window.release(given)
          held -= given
          expect(window.held).toBe(held)
          expect(remaining + held).toBeLessThanOrEqual(window.size)
        }
      }),
    )
  })

  test('doubles when new credit is used a round trip after it was granted', () => {
    let now = 0
    const roundTrip = new RoundTrip()
    roundTrip.sample(100)
    const window = receiveWindow(2 * MiB, 8 * MiB, () => now, roundTrip)
    window.receive(2 * MiB)
    now += 200
    expect(window.release(2 * MiB)).toBe(2 * MiB)
    now += 100
    expect(window.receive(1)).toBe(2 * MiB)
    expect(window.size).toBe(4 * MiB)
  })

  test('stays as it is when credit is used long after it was granted', () => {
    let now = 0
    const roundTrip = new RoundTrip()
    roundTrip.sample(10)
    const window = receiveWindow(2 * MiB, 8 * MiB, () => now, roundTrip)
    window.receive(2 * MiB)
    now += 20
    window.release(2 * MiB)
    now += 21
    expect(window.receive(1)).toBe(0)
    expect(window.size).toBe(2 * MiB)
  })

  test.each([
    ['for a rate that would use it up within a round trip', 15, 16 * MiB],
    ['to a power of two above what the rate asks for', 60, 4 * MiB],
    ['not at all for a rate that does not', 100, 2 * MiB],
    ['no further than to 32 times what came, though it came at once', 0, 32 * MiB],
  ])('grows as soon as the first portion is used up: %s', (_, elapsedMs, size) => {
    let now = 0
    const roundTrip = new RoundTrip()
    roundTrip.sample(100)
    const window = receiveWindow(2 * MiB, 256 * MiB, () => now, roundTrip)
    window.receive(MiB)
    now += elapsedMs
    const granted = window.release(MiB)
    expect(window.size).toBe(size)
    expect(granted).toBe(MiB + size - 2 * MiB)
    // The peer stood still until it heard of the growth: no sign that more is needed.
    now += 100
    expect(window.receive(MiB + 1)).toBe(elapsedMs === 100 ? 2 * MiB : 0)
  })

  test.each([
    ['the round trip is not known', Number.POSITIVE_INFINITY, MiB],
    ['the round trip is too short to need it', 0.5, MiB],
    ['the consumer holds most of what came', 100, 2 * MiB],
  ])('does not grow for a rate when %s', (_, roundTripMs, received) => {
    const roundTrip = new RoundTrip()
    roundTrip.sample(roundTripMs)
    const window = receiveWindow(2 * MiB, 256 * MiB, () => 0, roundTrip)
    window.receive(received)
    expect(window.release(MiB)).toBe(MiB)
    expect(window.size).toBe(2 * MiB)
  })

  test('stays as it is while the consumer holds what came before', () => {
    let now = 0
    const roundTrip = new RoundTrip()
    roundTrip.sample(100)
    const window = receiveWindow(2 * MiB, 8 * MiB, () => now, roundTrip)
    window.receive(2 * MiB)
    window.release(MiB)
    now += 100
    expect(window.receive(1)).toBe(0)
    expect(window.size).toBe(2 * MiB)
  })
})

describe('window budget', () => {
  test('gives many channels less and less, and never so little that nothing moves', () => {
    const budget = new WindowBudget(64 * MiB)
    const sizes = Array.from({ length: 1000 }, () => budget.reserve(2 * MiB))
    expect(sizes.slice(0, 20).every((size) => size === 2 * MiB)).toBe(true)
    expect(Math.min(...sizes)).toBe(64 * 1024)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(64 * MiB + 1000 * 64 * 1024)
  })

  test('lets windows grow only into what is free, and takes back what a closed channel had', () => {
    const budget = new WindowBudget(10 * MiB)
    expect(budget.reserve(2 * MiB)).toBe(2 * MiB)
    expect(budget.grow(6 * MiB)).toBe(6 * MiB)
    expect(budget.grow(6 * MiB)).toBe(2 * MiB)
    expect(budget.grow(1)).toBe(0)
    budget.giveBack(4 * MiB)
    expect(budget.grow(6 * MiB)).toBe(4 * MiB)
  })
})
