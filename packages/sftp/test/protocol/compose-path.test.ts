import fc from 'fast-check'
import { expect, test } from 'vitest'
import { composePaths } from '../../src/protocol/compose-path.js'

test.each<[string, string[], string]>([
  ['a', [], 'a'],
  ['a', ['b', 'c'], 'a/b/c'],
  ['a/', ['b'], 'a/b'],
  ['a', ['/b', 'c'], '/b/c'],
  ['', ['b'], 'b'],
  ['', ['', 'b'], 'b'],
  ['a', ['', 'b'], 'a/b'],
  ['/', ['..', 'b/', 'c'], '/../b/c'],
])('%s, then %j, is %s', (path, nexts, whole) => {
  expect(composePaths(path, nexts)).toBe(whole)
})

test('many paths at once are what they are one after the other', () => {
  const part = fc.string({ unit: fc.constantFrom('a', '/', '.'), maxLength: 3 })
  fc.assert(
    fc.property(part, fc.array(part, { maxLength: 6 }), (path, nexts) => {
      const oneByOne = nexts.reduce((whole, next) => composePaths(whole, [next]), path)
      expect(composePaths(path, nexts)).toBe(oneByOne)
    }),
  )
})
