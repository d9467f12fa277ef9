import { expect, test } from 'vitest'
import { lastPart } from '../../src/protocol/last-part.js'

test.each([
  ['/a/b', '/a/', 'b'],
  ['/a', '/', 'a'],
  ['a', '', 'a'],
  ['a/b//', 'a/', 'b'],
  ['/a/.', '/', 'a'],
  ['/./a/././', '/./', 'a'],
  ['/a/..', '/a/', '..'],
  ['..', '', '..'],
  ['/.a', '/', '.a'],
  ['a.', '', 'a.'],
  ['/a/b.', '/a/', 'b.'],
  ['/a/...', '/a/', '...'],
])('the last part of %s', (path, parent, name) => {
  expect(lastPart(path)).toEqual({ parent, name })
})

test.each(['/', '//', '.', './', './.', '/.', ''])('%s has none', (path) => {
  expect(lastPart(path)).toEqual({ parent: path, name: '' })
})
