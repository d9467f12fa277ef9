/**
 * Set-up of every test file: the home directory is an empty folder of its own, and no variable of the session leads to an
 * agent, a display or a way to ask for passwords. So nothing depends on the keys, known hosts, agent, ssh_config and screen
 * of whoever runs the tests, and nothing of theirs is touched.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** What sshd, ssh-agent and desktops put into the environment of a session. */
const ofTheSession = ['DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY', 'KRB5CCNAME'] as const

for (const name of Object.keys(process.env)) {
  const isOurs = name.startsWith('SSH_INTEROP_')
  if (!isOurs && (name.startsWith('SSH_') || ofTheSession.some((own) => own === name))) delete process.env[name]
}
const home = mkdtempSync(join(tmpdir(), 'ssh-home-'))
process.env.HOME = home
process.env.USERPROFILE = home

afterAll(() => rmSync(home, { recursive: true, force: true }))
