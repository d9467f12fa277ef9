import { processorTimeMs } from '@ssh/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { matchesPattern, matchList } from '../../src/config/patterns.js'

describe('matchesPattern', () => {
  it.each([
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['*', 'anything at all', true],
    ['?', '', false],
    ['?', 'a', true],
    ['*.example.com', 'www.example.com', true],
    ['*.example.com', 'example.com', false],
    ['192.168.0.?', '192.168.0.7', true],
    ['192.168.0.?', '192.168.0.77', false],
    ['a*b*c', 'aXbXbc', true],
    ['a*b*c', 'aXcXb', false],
    ['Host', 'host', false],
    ['a.c', 'abc', false],
    ['**a**', 'a', true],
  ])('%j on %j is %j', (pattern, text, expected) => {
    expect(matchesPattern(pattern, text)).toBe(expected)
  })

  it('agrees with a regular expression made from the pattern', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
    const texts = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 })
    fc.assert(
      fc.property(letters, texts, (pattern, text) => {
        const expression = new RegExp(`^${pattern.replace(/\*/g, '.*').replace(/\?/g, '.')}$`)
        expect(matchesPattern(pattern, text)).toBe(expression.test(text))
      }),
    )
  })

  it('decides about a hundred stars against a long text at once', async () => {
    const decide = () => expect(matchesPattern(`${'*a'.repeat(100)}b`, 'a'.repeat(10_000))).toBe(false)
    expect(await processorTimeMs(decide)).toBeLessThan(3000)
  })
})

describe('matchList', () => {
  const fits = (text: string) => (item: string) => matchesPattern(item, text)

  it('needs one item that fits', () => {
    expect(matchList('a,b', fits('b'))).toBe('matched')
    expect(matchList('a,b', fits('c'))).toBe('unmatched')
  })

  it('lets a negation outweigh every other item, wherever it stands', () => {
    expect(matchList('!b,*', fits('b'))).toBe('negated')
    expect(matchList('*,!b', fits('b'))).toBe('negated')
    expect(matchList('!b', fits('a'))).toBe('unmatched')
  })
})
