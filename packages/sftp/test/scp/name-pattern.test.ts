import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { escapePattern, expandBraces, isPattern, NamePattern, unescapePattern } from '../../src/scp/name-pattern.js'

const matches = (pattern: string, name: string) => new NamePattern(pattern).matches(name)

describe('NamePattern', () => {
  test.each<[pattern: string, yes: string[], no: string[]]>([
    ['*', ['a', 'a b', 'é'], ['.a', '.']],
    ['.*', ['.a', '.'], ['a']],
    ['*.log', ['a.log', 'a.b.log'], ['.log', 'a.logs']],
    ['a?c', ['abc', 'a😀c'], ['ac', 'abbc']],
    ['[abc]x', ['ax', 'cx'], ['dx', 'x']],
    ['[!abc]x', ['dx'], ['ax', '.x']],
    ['[^abc]x', ['dx'], ['ax']],
    ['[a-c]', ['b'], ['d', '-']],
    ['[a-]', ['a', '-'], ['b']],
    ['[]x]', [']', 'x'], ['y']],
    ['[[:digit:]_]', ['5', '_'], ['a']],
    ['[', ['['], ['a']],
    ['[a', ['[a'], ['a']],
    ['a\\*b', ['a*b'], ['axb', 'a\\*b']],
    ['\\', ['\\'], ['']],
    ['[\\]]', [']'], ['\\']],
    ['a**b', ['ab', 'axxb'], ['a']],
    ['{a,b}', ['{a,b}'], ['a']],
  ])('%s', (pattern, yes, no) => {
    for (const name of yes) expect([name, matches(pattern, name)]).toEqual([name, true])
    for (const name of no) expect([name, matches(pattern, name)]).toEqual([name, false])
  })

  test('an escaped name is matched by itself and by nothing else', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (name, other) => {
        const pattern = new NamePattern(escapePattern(name))
        expect(pattern.isMagic).toBe(false)
        expect(pattern.literal).toBe(name)
        expect(pattern.matches(name)).toBe(true)
        expect(pattern.matches(other)).toBe(name === other)
        expect(unescapePattern(escapePattern(name))).toBe(name)
      }),
    )
  })

  test('a pattern made to be slow is not', () => {
    const start = process.cpuUsage()
    expect(matches(`${'*a'.repeat(200)}*b`, 'a'.repeat(8000))).toBe(false)
    expect(matches(`${'*'.repeat(8000)}b`, 'a'.repeat(8000))).toBe(false)
    const { user, system } = process.cpuUsage(start)
    expect((user + system) / 1000).toBeLessThan(2000)
  })

  test.skipIf(process.platform === 'win32')('says what a shell says', () => {
    const unit = fc.constantFrom('a', 'b', '.', '-', '*', '?', '[', ']', '!', '\\')
    const pairs: [string, string][] = fc.sample(
      fc.tuple(
        fc.string({ unit, minLength: 1, maxLength: 6 }),
        fc.string({ unit: fc.constantFrom('a', 'b', '.', '-', '!'), minLength: 1, maxLength: 4 }),
      ),
      { numRuns: 400, seed: 7 },
    )
    // `case` knows nothing of leading dots; and shells differ in what a backslash at the end or a range without order is.
    const fair = pairs.filter(
      ([pattern, name]) => !name.startsWith('.') && !/\\$|\[|\]/.test(pattern.replace(/\[!?[ab]+\]/g, '')),
    )
    const script = 'while [ $# -gt 0 ]; do case $2 in $1) echo 1;; *) echo 0;; esac; shift 2; done'
    const said = execFileSync('sh', ['-c', script, 'sh', ...fair.flat()], { encoding: 'utf8' })
      .trim()
      .split('\n')
    expect(fair.length).toBeGreaterThan(100)
    expect(fair.map(([pattern, name]) => [pattern, name, matches(pattern, name)])).toEqual(
      fair.map(([pattern, name], index) => [pattern, name, said[index] === '1']),
    )
  })
})

test('a path holds a pattern where a shell would see one', () => {
  expect(['a*', 'd?/x', 'x[1]', 'a\\*', 'a[', 'plain/path', '{a,b}'].map(isPattern)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ])
})

test('braces are written out, unless a backslash stands before them', () => {
  expect(expandBraces('d/{a,b}.txt')).toEqual(['d/a.txt', 'd/b.txt'])
  expect(expandBraces(escapePattern('{a,b}')).map(unescapePattern)).toEqual(['{a,b}'])
})
