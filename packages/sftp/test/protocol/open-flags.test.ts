import { expect, test } from 'vitest'
import { type OpenFlags, openFlags, parseOpenFlags } from '../../src/protocol/open-flags.js'

const { read, write, append, create, truncate, exclusive } = openFlags

test.each<[OpenFlags, number]>([
  ['r', read],
  ['r+', read | write],
  ['w', write | create | truncate],
  ['wx', write | create | truncate | exclusive],
  ['x', write | create | truncate | exclusive],
  ['a', write | create | append],
  ['a+', read | write | create | append],
  [read | exclusive, read | exclusive],
])('%s opens with the bits of fs.open', (flags, bits) => {
  expect(parseOpenFlags(flags)).toBe(bits)
})

test.each([['rw'], ['__proto__'], [0x40], [-1], [1.5]])('%s is refused by name', (flags) => {
  expect(() => parseOpenFlags(flags as OpenFlags)).toThrow(/Unknown open flags/)
})
