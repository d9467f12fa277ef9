/** Examples in the packages' READMEs that are marked `ts run` do run. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const packages = join(import.meta.dirname, '../..')
const examples = readdirSync(packages).flatMap((name) => {
  const readme = join(packages, name, 'README.md')
  if (!existsSync(readme)) return []
  const blocks = readFileSync(readme, 'utf8').matchAll(/^```ts run\n([\s\S]*?)^```$/gm)
  return [...blocks].map(([, code = ''], index) => ({ name, index: index + 1, code }))
})

test('there are some', () => {
  expect(examples.length).toBeGreaterThan(0)
})

test.each(examples)('example $index of $name', { timeout: 30_000 }, ({ name, code }) => {
  // Inside the package, so that it imports what a file of the package could.
  const folder = mkdtempSync(join(packages, name, '.readme-'))
  try {
    const file = join(folder, 'example.ts')
    writeFileSync(file, code)
    const tsx = join(packages, '../node_modules/tsx/dist/cli.mjs')
    const { status, stderr } = spawnSync(process.execPath, [tsx, '--conditions=@ssh/source', file], {
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
