import { processorTimeMs } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { maximumConfigLength, splitConfigLines, splitWords } from '../../src/config/config-line.js'
import { ConfigParseError } from '../../src/errors.js'

const read = (text: string) => splitConfigLines(text, 'file').map(({ keyword, words }) => [keyword, ...words])

describe('lines of a configuration', () => {
  test.each<[string, string[][]]>([
    ['', []],
    ['# a\n   # b\n\n\t\n', []],
    ['Port 22', [['Port', '22']]],
    ['  Port\t22  \r\n', [['Port', '22']]],
    ['Port 22\f', [['Port', '22']]],
    ['Port=22', [['Port', '22']]],
    ['Port = 22', [['Port', '22']]],
    ['Port =22', [['Port', '22']]],
    ['Port == 22', [['Port', '=', '22']]],
    ['"Port" 22', [['Port', '22']]],
    ['"Port" = 22', [['Port', '=', '22']]],
    ['User "a b" c', [['User', 'a b', 'c']]],
    ["User 'a b'", [['User', 'a b']]],
    ['User a"b c"d', [['User', 'ab cd']]],
    ['User ""', [['User', '']]],
    ['User a # b', [['User', 'a']]],
    ['User a#b', [['User', 'a#b']]],
    ['User "a # b"', [['User', 'a # b']]],
    ['User a\\ b "c\\"d" \\x \\\\', [['User', 'a b', 'c"d', '\\x', '\\']]],
  ])('%j is %j', (text, lines) => {
    expect(read(text)).toEqual(lines)
  })

  test('know the rest of the line as it is, for commands', () => {
    const [line] = splitConfigLines('ProxyCommand = nc "%h" # %p')
    expect(line).toMatchObject({ keyword: 'ProxyCommand', rest: 'nc "%h" # %p' })
  })

  test('are counted from 1, comments and all', () => {
    expect(splitConfigLines('\n# x\nPort 1\nUser a').map(({ line }) => line)).toEqual([3, 4])
  })

  test.each<[string, string]>([
    ['User "a', 'line 2: a quote is not closed'],
    ["User 'a", 'line 2: a quote is not closed'],
    ['"User a', 'line 2: a quote is not closed'],
    ['Port', 'line 2: there is nothing behind "Port"'],
    ['= 22', 'where a keyword should be'],
    ['User a\0b', 'it holds a NUL'],
    [`User ${'x'.repeat(70_000)}`, 'at most 65536'],
  ])('%j is refused, saying where', (text, why) => {
    const action = () => splitConfigLines(`Port 1\n${text}\nPort 2`, '/some/file')
    expect(action).toThrow(ConfigParseError)
    expect(action).toThrow(why)
    expect(action).toThrow(expect.objectContaining({ details: { file: '/some/file', line: 2 } }))
  })

  test('in a text without end are refused', () => {
    expect(() => splitConfigLines('#\n'.repeat(maximumConfigLength))).toThrow('at most 1048576')
  })

  test('words of an unclosed quote are none', () => {
    expect(splitWords('a "b')).toBeUndefined()
    expect(splitWords('a b # "c')).toEqual(['a', 'b'])
  })
})

test('a line full of blanks takes as long as any other of its length', async () => {
  const text = `User a${' '.repeat(60_000)}b\n`.repeat(17)
  // A search for blanks at the end that begins at each of them took half a minute.
  const spent = await processorTimeMs(() => {
    expect(splitConfigLines(text).map(({ words }) => words.length)).toEqual(new Array(17).fill(2))
  })
  expect(spent).toBeLessThan(5000)
})

test('a byte order mark is refused: the first keyword would be another one', () => {
  expect(() => splitConfigLines('\ufeffHost alpha', 'f')).toThrow('f, line 1: it begins with a byte order mark')
})
