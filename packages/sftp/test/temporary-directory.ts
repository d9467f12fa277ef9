/** A directory that is gone after the test. */

import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export function temporaryDirectory(parent = tmpdir()): string {
  const path = realpathSync(mkdtempSync(join(parent, 'sftp-test-')))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}
