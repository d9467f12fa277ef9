import { describe, expect, test } from 'vitest'
import { OptionsError } from '../src/options.js'
import { parseDuration, parseSize } from '../src/quantities.js'

describe('parseDuration', () => {
  test.each([
    [0, 0],
    [1500, 1500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
    ['1m500ms', 60_500],
    ['1w2d3h', 788_400_000],
    [' 2H ', 7_200_000],
  ])('reads %j as %d milliseconds', (value, milliseconds) => {
    expect(parseDuration(value)).toBe(milliseconds)
  })

  test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '', '30', 's', '-1s', '1x', '1s 2', '999999999999999w'])(
    'refuses %j',
    (value) => {
      expect(() => parseDuration(value)).toThrow(OptionsError)
    },
  )
})

describe('parseSize', () => {
  test.each([
    [4096, 4096],
    ['512', 512],
    ['512b', 512],
    ['64k', 65_536],
    ['2.5m', 2_621_440],
    ['1G', 1_073_741_824],
    ['1t', 1_099_511_627_776],
  ])('reads %j as %d bytes', (value, bytes) => {
    expect(parseSize(value)).toBe(bytes)
  })

  test.each([-1, 0.5, Number.NaN, '', 'k', '-1k', '1kb', '1 k', '9999999t'])('refuses %j', (value) => {
    expect(() => parseSize(value)).toThrow(OptionsError)
  })
})
