import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OptionsError } from '@ssh/conn'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { commandLine, quote, sh } from '../../src/process/quote.js'

/** What a real shell makes of the words of a command line: one per line of base64, so that nothing is lost. */
function wordsInShell(words: string): string[] {
  const script = `for word in ${words}; do printf %s "$word" | base64 | tr -d '\\n'; echo; done`
  const output = execFileSync('sh', ['-c', script], { encoding: 'utf8' })
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => Buffer.from(line, 'base64').toString())
}

const shellText = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...`'"\\$\`!*?[]{}()<>|&;#~=^%-+@:,./ \t\n\r`),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }).filter((text) => !text.includes('\0')),
  ),
})

describe('quote', () => {
  test('leaves plain words alone', () => {
    expect(quote('/usr/bin/gcc-12')).toBe('/usr/bin/gcc-12')
    expect(quote('')).toBe("''")
    expect(quote("it's")).toBe(`'it'\\''s'`)
    expect(quote('A=b')).toBe("'A=b'")
  })

  test('refuses NUL', () => {
    expect(() => quote('a\0b')).toThrow(OptionsError)
  })

  test('a real shell reads every character back unchanged', () => {
    // Bytes 1 to 255 as characters, each alone and all together.
    const characters = Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1))
    const words = [...characters, characters.join(''), `${characters.join('')}\n\n`]
    expect(wordsInShell(words.map(quote).join(' '))).toEqual(words)
  })

  test('a real shell reads every byte back unchanged', () => {
    const bytes = Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1))
    // Quoting works on characters below 128 only, so it may be done on bytes taken for Latin-1.
    const script = Buffer.from(`printf %s ${quote(bytes.toString('latin1'))}`, 'latin1')
    const { stdout } = spawnSync('sh', { input: script, env: { PATH: process.env.PATH, LC_ALL: 'C' } })
    expect(stdout.equals(bytes)).toBe(true)
  })

  test('a real shell reads any list of arguments back unchanged', () => {
    fc.assert(
      fc.property(fc.array(shellText, { minLength: 1, maxLength: 20 }), (words) => {
        // Text with half surrogates has no UTF-8 form, on either side.
        const wellFormed = words.map((text) => Buffer.from(text).toString())
        expect(wordsInShell(wellFormed.map(quote).join(' '))).toEqual(wellFormed)
      }),
      { numRuns: 60 },
    )
  })
})

describe('sh', () => {
  test('quotes values, spreads lists and keeps the text', () => {
    expect(sh`grep -e ${'a b'} ${['x y', 'z']} -m ${3} | wc -l`).toBe("grep -e 'a b' 'x y' z -m 3 | wc -l")
    expect(sh`ls ${[]}`).toBe('ls ')
    expect(sh`printf 'a\n' --dir=${"it's"}`).toBe(`printf 'a\\n' --dir='it'\\''s'`)
  })

  test('quotes a command within a command once more', () => {
    const inner = sh`echo ${'a b'}`
    expect(execFileSync('sh', ['-c', sh`sh -c ${inner}`], { encoding: 'utf8' })).toBe('a b\n')
  })

  test('refuses a value inside quotes, where it would be no longer quoted', () => {
    expect(() => sh`echo "${'$(reboot)'}"`).toThrow(OptionsError)
    expect(() => sh`echo '${'x'}'`).toThrow(OptionsError)
    expect(() => sh`echo "$(echo "${'x'}")"`).toThrow(OptionsError)
  })

  test('accepts a value behind quotes, and within a substitution inside quotes', () => {
    expect(sh`echo "a" 'b' \" ${'c d'}`).toBe(`echo "a" 'b' \\" 'c d'`)
    expect(sh`echo "it's $(cat ${'a b'})" ${'c'}`).toBe(`echo "it's $(cat 'a b')" c`)
  })

  test('refuses what has no one way to be written', () => {
    expect(() => sh`echo ${undefined as never}`).toThrow(OptionsError)
    expect(() => sh`echo ${{} as never}`).toThrow(OptionsError)
    expect(() => sh`echo ${Number.NaN}`).toThrow(OptionsError)
  })

  test('no value can end the quoting that the tag gives it', () => {
    fc.assert(
      fc.property(shellText, (value) => {
        const wellFormed = Buffer.from(value).toString()
        expect(wordsInShell(sh`before ${wellFormed} "$(printf %s ${'in side'})" after`)).toEqual([
          'before',
          wellFormed,
          'in side',
          'after',
        ])
      }),
      { numRuns: 40 },
    )
  })
})

describe('commandLine', () => {
  const run = (command: string) => spawnSync('sh', ['-c', command], { encoding: 'utf8', cwd: directory })
  const directory = mkdtempSync(join(tmpdir(), 'quote-'))
  afterAll(() => rmSync(directory, { recursive: true }))
  for (const name of ['-', '-P', "it's $HOME"]) mkdirSync(join(directory, name))

  test('sends text as it is and quotes a list', () => {
    expect(commandLine('echo $HOME | cat')).toBe('echo $HOME | cat')
    expect(commandLine(['echo', '$HOME'])).toBe("echo '$HOME'")
    expect(() => commandLine([])).toThrow(OptionsError)
    expect(() => commandLine(42 as never)).toThrow('A command is text or a list of arguments, not number')
    expect(() => commandLine(['rm', undefined] as never)).toThrow('not undefined')
  })

  test.each(['-', '-P', "it's $HOME", '/'])('enters the directory %j first', (cwd) => {
    const expected = cwd === '/' ? '/' : join(directory, cwd)
    expect(run(commandLine(['pwd'], cwd)).stdout.trim()).toBe(expected)
    expect(run(commandLine('cd .; pwd; echo "done" # and a comment', cwd)).stdout).toBe(`${expected}\ndone\n`)
  })

  test('runs nothing when the directory cannot be entered', () => {
    for (const command of [['echo', 'ran'], 'true; echo ran', 'true || echo ran', 'echo ran &']) {
      const { status, stdout } = run(commandLine(command, 'no such directory'))
      expect(status).not.toBe(0)
      expect(stdout).toBe('')
    }
  })
})
