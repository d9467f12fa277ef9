/**
 * Set-up of every test file: the home directory is an empty folder of its own, so that nothing depends on the keys, known
 * hosts and ssh_config of whoever runs the tests, and nothing of theirs is touched.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const home = mkdtempSync(join(tmpdir(), 'ssh-home-'))
process.env.HOME = home
process.env.USERPROFILE = home

afterAll(() => rmSync(home, { recursive: true, force: true }))
