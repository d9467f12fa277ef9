import { describe, expect, test } from 'vitest'
import { SocksWaiting } from '../../src/forwarding/socks-waiting.js'

/** Programs that begin requests, and timers that the test rings. */
function proxy(timeoutMs?: number) {
  const timers = new Map<() => void, number>()
  const waiting = new SocksWaiting((callback, delayMs) => {
    timers.set(callback, delayMs)
    return () => void timers.delete(callback)
  }, timeoutMs)
  const dropped: string[] = []
  const begin = (name: string) => waiting.begin((error) => void dropped.push(`${name}: ${error.message}`))
  const ring = () => {
    for (const callback of timers.keys()) callback()
  }
  return { timers, dropped, begin, ring }
}

describe('programs that begin a SOCKS request', () => {
  test('have half a minute, unless told otherwise, or any time they like', () => {
    const usual = proxy()
    usual.begin('a')
    expect([...usual.timers.values()]).toEqual([30_000])
    usual.ring()
    expect(usual.dropped).toEqual(['a: A program did not finish its request to the SOCKS proxy within 30000 ms'])
    const patient = proxy(0)
    patient.begin('a')
    expect(patient.timers.size).toBe(0)
  })

  test('leave nothing behind when they have finished it', () => {
    const { timers, dropped, begin } = proxy()
    for (let count = 0; count < 1000; count++) begin(`${count}`)()
    expect([timers.size, dropped]).toEqual([0, []])
  })

  test('are so many at most: the one that waits longest goes, whoever comes next is served', () => {
    const { dropped, begin } = proxy()
    const finish = begin('first')
    for (let count = 0; count < 255; count++) begin(`${count}`)
    expect(dropped).toEqual([])
    finish()
    begin('next')
    expect(dropped).toEqual([])
    begin('one more')
    begin('two more')
    expect(dropped.map((text) => text.split(':')[0])).toEqual(['0', '1'])
  })
})
