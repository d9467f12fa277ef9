/** A user of this machine for one run: a throwaway one with a password when root, else whoever runs the tests. */

import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, chmodSync, chownSync, mkdirSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { atExit } from './at-exit.js'
import { isRoot } from './peers.js'
import { mustRun, type ProgramOptions, runProgram } from './program.js'
import { temporaryFolder } from './temporary-folder.js'

export interface SystemUser {
  readonly name: string
  /** Absent for whoever runs the tests: nobody knows that password. */
  readonly password: string | undefined
  readonly home: string
  readonly uid: number
  readonly gid: number
  /** Adds a line to the user's own authorized_keys. @throws Error unless it is a throwaway user */
  authorize(publicLine: string): void
  remove(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A user that can log in. */
export async function systemUser(): Promise<SystemUser> {
  return isRoot() ? await throwawayUser() : currentUser()
}

async function throwawayUser(): Promise<SystemUser> {
  const folder = temporaryFolder()
  const name = `sshtest${randomBytes(4).toString('hex')}`
  const password = randomBytes(12).toString('base64url')
  const home = join(folder.path, 'home')
  await changeUsers(['useradd', '--create-home', '--home-dir', home, '--shell', '/bin/sh', name])
  await changeUsers(['chpasswd'], { input: `${name}:${password}\n` })
  const uid = Number(await mustRun(['id', '-u', name]))
  const gid = Number(await mustRun(['id', '-g', name]))
  const forget = atExit(() => void spawnSync('userdel', ['--force', name]))
  const remove = async (): Promise<void> => {
    forget()
    await changeUsers(['userdel', '--force', name])
    folder.remove()
  }
  return {
    name,
    password,
    home,
    uid,
    gid,
    authorize(publicLine) {
      const ssh = join(home, '.ssh')
      mkdirSync(ssh, { recursive: true })
      const file = join(ssh, 'authorized_keys')
      appendFileSync(file, `${publicLine}\n`)
      chmodSync(ssh, 0o700)
      chmodSync(file, 0o600)
      for (const path of [ssh, file]) chownSync(path, uid, gid)
    },
    remove,
    [Symbol.asyncDispose]: remove,
  }
}

/** Runs a program that changes the list of users. They refuse while another test file is changing it. */
async function changeUsers(argv: readonly string[], options: ProgramOptions = {}): Promise<void> {
  for (let attempts = 1; ; attempts++) {
    const { status, stderr } = await runProgram(argv, options)
    if (status === 0) return
    if (!/lock/.test(stderr) || attempts === 100) throw new Error(`${argv.join(' ')} ended with ${status}:\n${stderr}`)
    await setTimeout(100)
  }
}

function currentUser(): SystemUser {
  const { username, homedir, uid, gid } = userInfo()
  const remove = async (): Promise<void> => {}
  return {
    name: username,
    password: undefined,
    home: homedir,
    uid,
    gid,
    authorize() {
      throw new Error('The authorized_keys of whoever runs the tests stays as it is')
    },
    remove,
    [Symbol.asyncDispose]: remove,
  }
}
