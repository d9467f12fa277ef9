import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OptionsError } from '@ssh/conn'
import { decodeFileName, escapePattern, parseScpCommand, RequestedNames } from '@ssh/sftp'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { type RemoteScp, remoteScpCommand } from '../../src/client/scp-command.js'

const directory = mkdtempSync(join(tmpdir(), 'scp-command-'))
afterAll(() => rmSync(directory, { recursive: true }))

const usual = { role: 'source', isLiteral: false, recurse: false, preserve: false, intoDirectory: false } as const

function command(path: string, options: Partial<RemoteScp> = {}): Buffer {
  return Buffer.from(remoteScpCommand({ ...usual, ...options, path }))
}

/** What a real shell makes of a command: the arguments of its `scp`, as bytes taken for latin1. */
function argumentsInShell(line: Buffer, cwd = directory): string[] {
  const script = Buffer.concat([
    Buffer.from(`scp() { for word; do printf '%s\\0' "$word"; done; }\n`),
    line,
    Buffer.from('\n'),
  ])
  const env = { PATH: process.env.PATH, HOME: '/home/me', LC_ALL: 'C' }
  const { stdout, stderr, status } = spawnSync('sh', [], { input: script, env, cwd })
  expect([stderr.toString(), status]).toEqual(['', 0])
  return stdout.toString('latin1').split('\0').slice(0, -1)
}

describe('the command of a remote scp', () => {
  test.each<[string, Partial<RemoteScp>, string]>([
    ['a', {}, 'scp -f a'],
    ['a', { role: 'sink', recurse: true, preserve: true, intoDirectory: true }, 'scp -r -p -d -t a'],
    ['', {}, 'scp -f .'],
    ['', { role: 'sink' }, 'scp -t .'],
    ['a b', {}, "scp -f 'a b'"],
    ['-x', {}, 'scp -f ./-x'],
    ['-x', { role: 'sink' }, 'scp -t ./-x'],
    ['-x', { isLiteral: true }, 'scp -f ./-x'],
    ['*.txt', {}, 'scp -f ./*.txt'],
    ['-*', {}, 'scp -f ./-*'],
    ['a b*', {}, "scp -f 'a b'*"],
    ['*.txt', { role: 'sink' }, "scp -t '*.txt'"],
    ['*.txt', { isLiteral: true }, "scp -f '*.txt'"],
    ['\\*.txt', {}, "scp -f '*.txt'"],
    ['[a-c]*', {}, 'scp -f ./[a-c]*'],
    ['[$x]', {}, "scp -f ./['$'x]"],
    ['[^a]', {}, 'scp -f ./[!a]'],
    ['[abc', {}, "scp -f '[abc'"],
    ['~', {}, 'scp -f ~'],
    ['~/a b', {}, "scp -f ~/'a b'"],
    ['~me/*', {}, 'scp -f ~me/*'],
    ['~$x/y', {}, "scp -f '~$x/y'"],
    ['~/x', { isLiteral: true }, "scp -f '~/x'"],
    ['~/x', { role: 'sink' }, 'scp -t ~/x'],
    ['{a,b}', {}, "scp -f '{a,b}'"],
  ])('for %s with %j', (path, options, expected) => {
    expect(command(path, options).toString()).toBe(expected)
  })

  test('a path with NUL is refused', () => {
    for (const options of [{}, { isLiteral: true }, { role: 'sink' }] as const) {
      expect(() => command('a\0b', options)).toThrow(OptionsError)
      expect(() => command('*\0b', options)).toThrow(OptionsError)
    }
  })

  describe.skipIf(process.platform === 'win32')('in a real shell', () => {
    const everyByte = Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1))

    test('F12: every byte stays what it is, alone and among all others', () => {
      const names = [...everyByte]
        .map((byte) => Buffer.from([0x78, byte, 0x79]))
        .concat([everyByte, Buffer.from('\n\n')])
      const lines = names.map((bytes) => {
        const name = decodeFileName(bytes)
        return [
          command(name, { isLiteral: true }),
          command(name, { role: 'sink' }),
          command(escapePattern(name)),
          command(`${escapePattern(name)}*none`),
        ]
      })
      const script = Buffer.concat(lines.flat().flatMap((line) => [line, Buffer.from('\n')]))
      const words = argumentsInShell(script)
      const expected = names.flatMap((bytes) => {
        const name = bytes.toString('latin1')
        return ['-f', name, '-t', name, '-f', name, '-f', `${name}*none`]
      })
      // Of bytes at the start, a dash alone needs a way around.
      expect(words).toEqual(expected)
    })

    test('F12: no text becomes more than one argument, or runs anything', () => {
      const unit = fc.oneof(
        fc.constantFrom(...`'"\\$\`!*?[]{}()<>|&;#~=^%-+@:,./ \t\n\r`, 'a', '$(echo x)', '`echo x`', '; echo x; '),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }).filter((text) => !text.includes('\0')),
      )
      fc.assert(
        fc.property(fc.string({ unit, minLength: 1 }), (text) => {
          const name = Buffer.from(text).toString()
          const bytes = Buffer.from(name).toString('latin1')
          const dotted = name.startsWith('-') ? `./${bytes}` : bytes
          expect(argumentsInShell(command(name, { isLiteral: true }))).toEqual(['-f', dotted])
          expect(argumentsInShell(command(escapePattern(name)))).toHaveLength(2)
          // As a pattern it may be spelt in another way where nothing matches, but it stays one word.
          expect(argumentsInShell(command(name))).toHaveLength(2)
        }),
        { numRuns: 40 },
      )
    })

    test('a home directory is the shell’s to know', () => {
      expect(argumentsInShell(command('~/a b'))).toEqual(['-f', '/home/me/a b'])
      expect(argumentsInShell(command("~/x'y", { role: 'sink' }))).toEqual(['-t', "/home/me/x'y"])
    })

    test('patterns find what we would let in, and the other way round', () => {
      const names = ['a', 'b', 'ab', 'a b', "it's", '$x', '[x]', '-dash', '.dot', 'x*y', 'é', 'a;b', 'B', '5']
      const here = join(directory, 'names')
      mkdirSync(here)
      for (const name of names) writeFileSync(join(here, name), '')
      const unit = fc.constantFrom(
        '*',
        '?',
        '[ab]',
        '[!a]',
        '[a-c]',
        '[[:digit:]]',
        '[$;]',
        "[']",
        'a',
        'b',
        ' ',
        '-',
        '.',
        "'",
        ';',
        '\\*',
        '[',
      )
      fc.assert(
        fc.property(fc.string({ unit, minLength: 1, maxLength: 4 }), (pattern) => {
          const [, ...found] = argumentsInShell(command(pattern), here)
          const requested = (name: string): boolean => {
            try {
              RequestedNames.of(pattern).admit({ type: 'file', permissions: 0, size: 0, name })
              return true
            } catch {
              return false
            }
          }
          const shellFound = found.map((path) => Buffer.from(path, 'latin1').toString().replace(/^\.\//, ''))
          const isMatch = shellFound.some((name) => names.includes(name))
          if (isMatch)
            expect([pattern, names.filter(requested).filter(ascii).sort()]).toEqual([
              pattern,
              shellFound.filter(ascii).sort(),
            ])
        }),
        { numRuns: 80 },
      )
    })
  })

  test('our server reads it back', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }).filter((text) => !text.includes('\0') && !/\p{Surrogate}/u.test(text)),
        (name) => {
          const dotted = name.startsWith('-') ? `./${name}` : name
          expect(parseScpCommand(command(name, { isLiteral: true, role: 'sink' }))?.paths).toEqual([dotted])
          expect(parseScpCommand(command(name, { isLiteral: true }))?.paths).toEqual([escapePattern(dotted)])
        },
      ),
    )
  })
})

/** A shell in the C locale counts bytes where we count characters. */
function ascii(name: string): boolean {
  return Buffer.byteLength(name) === name.length
}

test('the shell of this test is one', () => {
  if (process.platform !== 'win32') expect(execFileSync('sh', ['-c', 'echo ok']).toString()).toBe('ok\n')
})
