import { describe, expect, test } from 'vitest'
import { hasWildcard, matchesGlob, unescapeGlob } from '../../src/config/glob-pattern.js'

describe('wildcards of Include', () => {
  test.each<[string, string]>([
    ['*', 'a'],
    ['*.conf', 'x.conf'],
    ['a?c', 'abc'],
    ['[ab]c', 'bc'],
    ['[a-c]', 'b'],
    ['[!a]', 'b'],
    ['[^a]', 'b'],
    ['[]]', ']'],
    ['[a', '[a'],
    ['\\*', '*'],
    ['.*', '.hidden'],
    ['a*b*c', 'a1b2b3c'],
  ])('%j fits %j', (pattern, name) => {
    expect(matchesGlob(pattern, name)).toBe(true)
  })

  test.each<[string, string]>([
    ['*.conf', 'x.conf~'],
    ['*', '.hidden'],
    ['?', 'ab'],
    ['[!a]', 'a'],
    ['\\*', 'a'],
    ['a', 'A'],
  ])('%j does not fit %j', (pattern, name) => {
    expect(matchesGlob(pattern, name)).toBe(false)
  })

  test('a hundred of them take no time', () => {
    expect(matchesGlob(`${'*a'.repeat(100)}b`, 'a'.repeat(255))).toBe(false)
  })

  test('are told from names, in which a backslash hides them', () => {
    expect(hasWildcard('plain')).toBe(false)
    expect(unescapeGlob('a\\*b')).toBe('a*b')
  })
})
