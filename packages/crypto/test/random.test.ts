import { describe, expect, it } from 'vitest'
import { systemRandom } from '../src/index.js'

describe('systemRandom', () => {
  it('gives as many bytes as asked for, and other ones each time', () => {
    expect(systemRandom.bytes(0)).toHaveLength(0)
    const draws = Array.from({ length: 100 }, () => Buffer.from(systemRandom.bytes(16)).toString('hex'))
    expect(new Set(draws).size).toBe(100)
  })
})
