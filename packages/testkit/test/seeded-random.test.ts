import { expect, test } from 'vitest'
import { seededRandom } from '../src/seeded-random.js'

test('the same seed gives the same bytes, in whatever portions they are taken', () => {
  const whole = seededRandom('seed').bytes(1000)
  const random = seededRandom('seed')
  const parts = [1, 15, 16, 17, 951].map((length) => random.bytes(length))
  expect(Buffer.concat(parts).equals(whole)).toBe(true)
  expect(Buffer.from(seededRandom('other').bytes(1000)).equals(whole)).toBe(false)
})

test('integers stay below their bound and reach every value', () => {
  const random = seededRandom(1)
  const seen = new Set(Array.from({ length: 1000 }, () => random.integer(10)))
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(() => random.integer(0)).toThrow(RangeError)
  expect(() => random.integer(2 ** 33)).toThrow(RangeError)
})

test('picks only what is there', () => {
  expect(['a', 'b']).toContain(seededRandom(1).pick(['a', 'b']))
  expect(() => seededRandom(1).pick([])).toThrow(RangeError)
})
