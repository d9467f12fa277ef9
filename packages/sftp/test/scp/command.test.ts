import { describe, expect, test } from 'vitest'
import { parseScpCommand } from '../../src/scp/command.js'

const plain = { recurse: false, preserve: false, intoDirectory: false }

describe('parseScpCommand', () => {
  test.each([
    ['scp -t x', { role: 'sink', paths: ['x'], ...plain }],
    ['scp -f x', { role: 'source', paths: ['x'], ...plain }],
    [
      'scp -v -r -p -d -t -- /a/b',
      { role: 'sink', paths: ['/a/b'], recurse: true, preserve: true, intoDirectory: true },
    ],
    ['scp -rpt .', { role: 'sink', paths: ['.'], recurse: true, preserve: true, intoDirectory: false }],
    ['scp -q -f a b', { role: 'source', paths: ['a', 'b'], ...plain }],
    ["scp -t 'a b'", { role: 'sink', paths: ['a b'], ...plain }],
    [`scp -t "it's"`, { role: 'sink', paths: ["it's"], ...plain }],
    [`scp -t 'it'\\''s'`, { role: 'sink', paths: ["it's"], ...plain }],
    ['scp -t a\\ b', { role: 'sink', paths: ['a b'], ...plain }],
    ['scp -t "a\\"b\\$c\\x"', { role: 'sink', paths: ['a"b$c\\x'], ...plain }],
    ['scp -t ~', { role: 'sink', paths: ['.'], ...plain }],
    ['scp -f ~/x', { role: 'source', paths: ['./x'], ...plain }],
    ["scp -f '~/x'", { role: 'source', paths: ['~/x'], ...plain }],
    ['scp -f *.txt', { role: 'source', paths: ['*.txt'], ...plain }],
    ["scp -f '*.txt'", { role: 'source', paths: ['\\*.txt'], ...plain }],
    ['scp -f \\*.txt', { role: 'source', paths: ['\\*.txt'], ...plain }],
    ["scp -t '*'", { role: 'sink', paths: ['*'], ...plain }],
    ["scp -t '$(reboot)'", { role: 'sink', paths: ['$(reboot)'], ...plain }],
    ["scp -t 'a\nb'", { role: 'sink', paths: ['a\nb'], ...plain }],
    ['scp -t -- -x', { role: 'sink', paths: ['-x'], ...plain }],
    ['scp -t -', { role: 'sink', paths: ['-'], ...plain }],
    ['scp -t a#b', { role: 'sink', paths: ['a#b'], ...plain }],
  ])('%s', (command, expected) => {
    expect(parseScpCommand(command)).toEqual(expected)
    expect(parseScpCommand(Buffer.from(command))).toEqual(expected)
  })

  test.each([
    'scp',
    'scp a b',
    'scpx -t a',
    '/usr/bin/scp -t a',
    'scp -t',
    'scp -f',
    "scp -t ''",
    'scp -t a b',
    'scp -t -f a',
    'scp -r a',
    'scp -S prog -t a',
    'scp -o x -t a',
    'scp -t a; reboot',
    'scp -t a && reboot',
    'scp -t a | cat',
    'scp -t a > b',
    'scp -t $HOME',
    'scp -t `id`',
    'scp -t "$(id)"',
    'scp -t "`id`"',
    'scp -t a\nreboot',
    'scp -t (a)',
    'scp -t a &',
    'scp -t #a',
    "scp -t 'a",
    'scp -t "a',
    'scp -t a\\',
    'scp -t a\0b',
    'echo scp -t a',
    ' scp -t a',
  ])('%j is another command', (command) => {
    expect(parseScpCommand(command)).toBeUndefined()
  })

  test('bytes that are not UTF-8 come through', () => {
    expect(parseScpCommand(Buffer.from("scp -t '\xff'", 'latin1'))?.paths).toEqual(['\udcff'])
  })

  test('a command without end is not looked at', () => {
    expect(parseScpCommand(`scp -t ${'x'.repeat(200_000)}`)).toBeUndefined()
  })
})
