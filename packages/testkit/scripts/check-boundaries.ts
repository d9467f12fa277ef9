/** Fails when a file imports what its room may not know. `pnpm run check:boundaries`. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findViolations, type SourceFile } from './boundaries/check-imports.js'
import { boundaries } from './boundaries/table.js'

const root = join(import.meta.dirname, '../../..')

function sourceFiles(): SourceFile[] {
  const files: SourceFile[] = []
  for (const name of readdirSync(join(root, 'packages'))) {
    const folder = join(root, 'packages', name, 'src')
    if (!existsSync(folder)) continue
    for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (!entry.endsWith('.ts')) continue
      const path = ['packages', name, 'src', ...entry.split(/[\\/]/)].join('/')
      files.push({ path, source: readFileSync(join(root, path), 'utf8') })
    }
  }
  return files
}

const files = sourceFiles()
const violations = findViolations(files, boundaries)
for (const { path, line, text } of violations) console.error(`${path}:${line}  ${text}`)
if (violations.length > 0) {
  console.error(
    `\n${violations.length} imports cross a wall. The walls are packages/testkit/scripts/boundaries/table.ts.`,
  )
  process.exitCode = 1
} else {
  console.log(`${files.length} files import only what their rooms may know`)
}
