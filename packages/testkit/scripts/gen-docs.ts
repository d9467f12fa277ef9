/**
 * Writes the reference pages of packages/sdk/docs from the sources: errors, options, algorithms, messages.
 * With `--check`, fails when one of them is not what it would write.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { algorithmsPage } from './docs/algorithms.js'
import { errorsPage } from './docs/errors.js'
import { messagesPage } from './docs/messages.js'
import { optionsPage } from './docs/options.js'
import { readSources } from './docs/source-files.js'

const root = join(import.meta.dirname, '../../..')
const folder = 'packages/sdk/docs'
const sources = readSources(root)
const pages: Readonly<Record<string, string>> = {
  'errors.md': errorsPage(sources),
  'options.md': optionsPage(sources),
  'algorithms.md': algorithmsPage(),
  'messages.md': messagesPage(),
}

if (process.argv.includes('--check')) {
  const stale = Object.keys(pages).filter((name) => readIfThere(join(root, folder, name)) !== pages[name])
  for (const name of stale) console.error(`${folder}/${name} is not what the sources say: run pnpm run docs`)
  if (stale.length > 0) process.exitCode = 1
  else console.log(`${Object.keys(pages).length} reference pages are up to date`)
} else {
  for (const [name, content] of Object.entries(pages)) writeFileSync(join(root, folder, name), content)
  console.log(`${Object.keys(pages).length} reference pages written to ${folder}`)
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
