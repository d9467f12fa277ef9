/** Runs the tools of others, in a folder of its own that goes away with the suite. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe } from 'vitest'

export interface ForeignTool {
  /** Runs the tool; @returns its standard output; throws with its standard error when it fails */
  run(...argv: string[]): string
  /** As `run`, with something on standard input. */
  runWith(input: string, ...argv: string[]): string
  path(name: string): string
  read(name: string): string
  readBytes(name: string): Buffer
  /** Writes a file that only its owner can read, as ssh-keygen wants it. */
  write(name: string, content: string | Uint8Array): string
}

/** Runs `suite` with a tool, or skips it, saying so, where the tool is not installed. */
export function describeTool(command: string, probe: string[], suite: (tool: ForeignTool) => void): void {
  if (!isInstalled(command, probe)) {
    describe.skip(`${command} (not installed, skipped)`, () => {})
    return
  }
  describe(command, () => {
    const folder = mkdtempSync(join(tmpdir(), 'foreign-'))
    afterAll(() => rmSync(folder, { recursive: true }))
    const path = (name: string): string => join(folder, name)
    const runWith = (input: string, ...argv: string[]): string =>
      execFileSync(command, argv, { cwd: folder, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'], input })
    suite({
      path,
      run: (...argv) => runWith('', ...argv),
      runWith,
      readBytes: (name) => readFileSync(path(name)),
      read: (name) => readFileSync(path(name), 'utf8'),
      write(name, content) {
        writeFileSync(path(name), content, { mode: 0o600 })
        return path(name)
      },
    })
  })
}

function isInstalled(command: string, probe: string[]): boolean {
  try {
    execFileSync(command, probe, { stdio: 'ignore' })
    return true
  } catch (error) {
    // Some tools know no harmless call that ends well; all that counts is that there is one to call.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}
