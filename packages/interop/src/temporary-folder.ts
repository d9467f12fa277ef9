/** A folder that goes away with everything in it. */

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atExit } from './at-exit.js'

export interface TemporaryFolder {
  readonly path: string
  /** Writes a file and returns its path. Default mode 0600. */
  write(name: string, content: string | Uint8Array, mode?: number): string
  remove(): void
  [Symbol.dispose](): void
}

export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), 'ssh-interop-'))
  // Other users of a server under test must be able to walk through it.
  chmodSync(path, 0o755)
  const erase = (): void => rmSync(path, { recursive: true, force: true })
  const forget = atExit(erase)
  const remove = (): void => {
    forget()
    erase()
  }
  return {
    path,
    write(name, content, mode = 0o600) {
      const file = join(path, name)
      writeFileSync(file, content, { mode })
      return file
    },
    remove,
    [Symbol.dispose]: remove,
  }
}
