import { join } from 'node:path'
import { expect, test } from 'vitest'
import { codeBlocks } from '../../scripts/docs/code-blocks.js'
import { errorsPage } from '../../scripts/docs/errors.js'
import { paragraph, table } from '../../scripts/docs/markdown.js'
import { optionsPage } from '../../scripts/docs/options.js'
import { readSources } from '../../scripts/docs/source-files.js'

const path = 'packages/conn/src/transport/example.ts'
const base = {
  path: 'packages/wire/src/errors.ts',
  source: '/** The base. */\nexport class SshError extends Error {}\n',
}
const row = (page: string, code: string) => page.split('\n').find((line) => line.includes(`\`${code}\``))

test('the errors page has a row for each code, with its class, its message and the room it comes from', () => {
  const source = `
/** A pot broke. More of it. */
export class PotError extends SshError {}
const text = \`The pot holds \${size} \` + 'litres'
throw new PotError('ERR_SSH_POT_FULL', text)
throw new PotError('ERR_SSH_POT_BROKEN', \`A \${kind} pot is in pieces\`)
`
  const page = errorsPage([base, { path, source }])
  expect(row(page, 'PotError')).toBe('| `PotError` | `SshError` | A pot broke. More of it. |')
  expect(row(page, 'ERR_SSH_POT_FULL')).toContain('| `PotError` | The pot holds … litres | conn/transport |')
  expect(row(page, 'ERR_SSH_POT_BROKEN')).toContain('| A … pot is in pieces |')
})

test('codes in comments and comparisons are no errors of their own', () => {
  const source = "// throws 'ERR_SSH_POT_LOST'\nif (error.code === 'ERR_SSH_POT_FOUND') return\n"
  expect(errorsPage([base, { path, source }])).not.toContain('ERR_SSH_POT')
})

test('what a doc comment says of a code goes before its messages', () => {
  const source = `
/** Two kinds. */
export class PotError extends SshError {}
type PotErrorCode =
  /** It leaks. */
  | 'ERR_SSH_POT_LEAK'
throw new PotError('ERR_SSH_POT_LEAK', 'water on the floor')
`
  expect(row(errorsPage([base, { path, source }]), 'ERR_SSH_POT_LEAK')).toContain('| `PotError` | It leaks. |')
})

test('a code block keeps the line numbers of its page and gets the imports of blocks before it', () => {
  const page = [
    '# Title',
    '```ts',
    "import { run, type Sh } from 'sdk'",
    '```',
    'text',
    '```ts run',
    'await run()',
    '```',
  ].join('\n')
  const [first, second] = codeBlocks('a.md', page)
  expect(first).toMatchObject({ line: 3, isRunnable: false })
  expect(second).toMatchObject({ line: 7, isRunnable: true })
  expect(second?.program.split('\n').slice(0, 7)).toEqual([
    "import { run } from 'sdk'",
    '',
    '',
    '',
    '',
    '',
    'await run()',
  ])
})

test('cells and comments stay on one line', () => {
  expect(table(['a'], [['x | y\n z']])).toBe('| a |\n| --- |\n| x \\| y z |')
  expect(paragraph('\n * Sees {@link run}\n * twice. ')).toBe('Sees `run` twice.')
})

test('an option is told in the words beside its own schema, also where another one has an option of its name', () => {
  const page = optionsPage(readSources(join(import.meta.dirname, '../../../..')))
  const words = (section: string, name: string) => {
    const [, text = ''] = page.split(`\n## ${section}\n`)
    const [, , words = ''] =
      text
        .split('\n## ')[0]
        ?.split('\n')
        .find((line) => line.startsWith(`| \`${name}\` |`))
        ?.split(' | ') ?? []
    return words
  }
  expect(words('`createProcess`', 'signal')).toMatch(/^Gives up starting\..* goes on, and `kill` or `close` end it\./)
  expect(words('`createProcess`', 'stdin')).toContain("Default `'pipe'`")
  expect(words('`connect`', 'signal')).toBe('Gives up connecting. |')
  expect(words('`wait` of a process', 'signal')).toBe('Gives up waiting; the process goes on. |')
})
