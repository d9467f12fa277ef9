import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { clientGrammar, clientKeywords } from '../../src/config/ssh-config-keywords.js'

const guide = readFileSync(join(import.meta.dirname, '../../../sdk/docs/guide/ssh-config.md'), 'utf8')
const [, followed = '', passedOver = '', refused = ''] =
  /## What is followed(.*)## What is read and passed over(.*)## What is refused(.*)/s.exec(guide) ?? []

/** Keywords in the first column of a table. */
function keywordsIn(section: string): string[] {
  const cells = [...section.matchAll(/^\| ([^|]*) \|/gm)].flatMap(([, cell = '']) => cell.split(', '))
  return cells.filter((cell) => cell !== 'keyword' && cell !== '---')
}

test('the guide to ssh_config says of every keyword once what becomes of it', () => {
  const rows = Object.values(clientKeywords)
  const errors = rows.filter(({ becomes }) => becomes.startsWith('an error')).map(({ name }) => name)
  const others = rows.map(({ name }) => name).filter((name) => !errors.includes(name))
  const documented = [...keywordsIn(followed), ...keywordsIn(passedOver)]
  expect(documented.sort()).toEqual(['Host', 'Match', 'Include', ...others].sort())
  expect(errors.filter((name) => !refused.includes(name))).toEqual([])
})

test('no keyword that is ignored is said to be followed', () => {
  const claimed = keywordsIn(followed)
  const ignored = Object.values(clientKeywords).filter(({ becomes }) => becomes.startsWith('ignored'))
  expect(ignored.map(({ name }) => name).filter((name) => claimed.includes(name))).toEqual([])
})

test('the guide names every criterion of Match', () => {
  expect([...clientGrammar.criteria.keys()].filter((name) => !new RegExp(`\\b${name}\\b`).test(followed))).toEqual([])
})
