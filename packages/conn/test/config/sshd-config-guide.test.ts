import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { serverKeywords } from '../../src/config/sshd-config-keywords.js'

const guide = readFileSync(join(import.meta.dirname, '../../../sdk/docs/guide/sshd-config.md'), 'utf8')
const [, tables = '', refused = ''] = /## What is followed(.*)## What is refused(.*)/s.exec(guide) ?? []

/** Keywords in the first column of a table. */
function keywordsIn(section: string): string[] {
  const cells = [...section.matchAll(/^\| ([^|]*) \|/gm)].flatMap(([, cell = '']) => cell.split(', '))
  return cells.filter((cell) => cell !== 'keyword' && cell !== '---')
}

test('the guide to sshd_config says of every keyword what becomes of it, once in a table or that it is refused', () => {
  const names = Object.values(serverKeywords).map(({ name }) => name)
  const documented = keywordsIn(tables)
  expect(documented.filter((name, index) => !names.includes(name) || documented.indexOf(name) !== index)).toEqual([])
  expect(names.filter((name) => !documented.includes(name) && !refused.includes(name))).toEqual([])
})
