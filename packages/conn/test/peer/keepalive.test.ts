import { describe, expect, test } from 'vitest'
import { Keepalive, type KeepaliveLimits } from '../../src/peer/keepalive.js'

/** A keepalive, its clock, and what it said when. */
function keepalive(limits: KeepaliveLimits) {
  let now = 0
  const subject = new Keepalive(limits, now)
  const said: string[] = []
  const check = () => {
    const what = subject.check(now)
    if (what !== 'wait') said.push(`${what} at ${now}`)
    return what
  }
  return {
    subject,
    said,
    check,
    /** Time passes, and every deadline on the way is kept to the millisecond. */
    advance(ms: number) {
      const end = now + ms
      for (;;) {
        const { nextDeadline } = subject
        if (nextDeadline === undefined || nextDeadline > end) break
        now = Math.max(now, nextDeadline)
        if (check() === 'lost') return
      }
      now = end
    },
    /** Time passes, and nobody looks. */
    sleep(ms: number) {
      now += ms
    },
    heard() {
      subject.heard(now)
    },
  }
}

describe('a peer that vanished is noticed', () => {
  test.each([
    [15_000, 3, 46_000],
    [15_000, 1, 16_000],
    [60_000, 5, 301_000],
    // Who asks more than once a second does not wait longer for the last answer than for the others.
    [100, 4, 500],
  ])('asked every %i ms, %i times: %i ms after it was last heard (R4)', (intervalMs, countMax, lostAt) => {
    const { advance, said } = keepalive({ intervalMs, countMax })
    advance(10 * lostAt)
    const questions = Array.from({ length: countMax }, (_, index) => `ask at ${(index + 1) * intervalMs}`)
    expect(said).toEqual([...questions, `lost at ${lostAt}`])
  })

  test('a peer that is known to answer slowly has as long as that, twice, but no longer than the interval', () => {
    const { advance, heard, said } = keepalive({ intervalMs: 15_000, countMax: 2 })
    advance(15_000)
    advance(3000)
    heard()
    advance(100_000)
    expect(said).toEqual(['ask at 15000', 'ask at 33000', 'ask at 48000', 'lost at 54000'])
    const slow = keepalive({ intervalMs: 1000, countMax: 1 })
    slow.advance(1900)
    slow.heard()
    slow.advance(10_000)
    expect(slow.said).toEqual(['ask at 1000', 'ask at 2900', 'lost at 3900'])
  })
})

describe('a process that slept does not blame the peer', () => {
  test('an answer that lies unread is waited for once more', () => {
    const { advance, sleep, check, heard, said, subject } = keepalive({ intervalMs: 15_000, countMax: 1 })
    advance(15_000)
    sleep(20_000)
    expect(check()).toBe('wait')
    heard()
    expect(subject.unanswered).toBe(0)
    expect(said).toEqual(['ask at 15000'])
  })

  test('and not for ever', () => {
    const { advance, sleep, check, said } = keepalive({ intervalMs: 15_000, countMax: 1 })
    advance(15_000)
    sleep(20_000)
    expect(check()).toBe('wait')
    sleep(20_000)
    expect(check()).toBe('lost')
    expect(said).toEqual(['ask at 15000', 'lost at 55000'])
  })

  test('time that was excused counts for nothing, and says nothing of how fast the peer is', () => {
    const { advance, sleep, subject, said } = keepalive({ intervalMs: 10_000, countMax: 1 })
    advance(10_000)
    sleep(9000)
    subject.excuse(19_000)
    advance(100_000)
    expect(said).toEqual(['ask at 10000', 'ask at 29000', 'lost at 30000'])
  })
})

test('an interval of 0 asks nobody', () => {
  const { subject, advance, said } = keepalive({ intervalMs: 0, countMax: 3 })
  expect(subject.nextDeadline).toBeUndefined()
  advance(1_000_000)
  expect(said).toEqual([])
})
