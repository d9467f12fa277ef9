/** The sources of the published packages, for pages that are made from them. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One source file; `path` is from the workspace root, with forward slashes. */
export interface SourceText {
  readonly path: string
  readonly source: string
}

const packages = ['wire', 'crypto', 'streams', 'conn', 'sftp', 'sdk']

/** Every source file, in an order that does not depend on the machine. */
export function readSources(root: string): SourceText[] {
  return packages.flatMap((name) => {
    const folder = `packages/${name}/src`
    return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((entry) => entry.endsWith('.ts') && !entry.endsWith('.d.ts'))
      .map((entry) => `${folder}/${entry.replaceAll('\\', '/')}`)
      .sort()
      .map((path) => ({ path, source: readFileSync(join(root, path), 'utf8') }))
  })
}
