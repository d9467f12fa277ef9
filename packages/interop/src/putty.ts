/** PuTTY's plink, psftp and pscp, in batch mode, told which host key to expect. */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { LoginTarget } from './openssh-client.js'
import { peer } from './peers.js'
import {
  mustRun,
  type ProgramOptions,
  type ProgramResult,
  type RunningProgram,
  runProgram,
  startProgram,
} from './program.js'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.js'

export interface PuttyOptions extends ProgramOptions {
  /** Log in with the password instead of the key. */
  readonly usePassword?: boolean
  readonly extraArguments?: readonly string[]
}

/** Runs a command through plink. */
export async function plink(target: LoginTarget, command: string, options: PuttyOptions = {}): Promise<ProgramResult> {
  return await withLogin(target, options, (login, programOptions) =>
    runProgram([peer('plink'), '-ssh', '-no-antispoof', ...login, target.host, command], programOptions),
  )
}

/** Starts `plink -N` in the background, for what it forwards: `-L`, `-R` and `-D`. */
export async function startPlink(target: LoginTarget, forwards: readonly string[]): Promise<RunningProgram> {
  const folder = temporaryFolder()
  const login = await prepareLogin(target, {}, folder)
  const argv = [peer('plink'), '-ssh', '-N', '-v', '-no-antispoof', ...login, ...forwards, target.host]
  const program = startProgram(argv, { env: { HOME: folder.path } })
  const stop = async (): Promise<void> => {
    await program.stop()
    folder.remove()
  }
  return { ...program, stop, [Symbol.asyncDispose]: stop }
}

/** Runs psftp with a batch of its commands, one per line. */
export async function psftp(
  target: LoginTarget,
  batch: readonly string[],
  options: PuttyOptions = {},
): Promise<ProgramResult> {
  return await withLogin(target, options, (login, programOptions, folder) => {
    const file = folder.write('batch', `${batch.join('\n')}\n`)
    return runProgram([peer('psftp'), ...login, '-b', file, target.host], programOptions)
  })
}

/**
 * Runs pscp.
 * @param paths sources, then the target; `remote(path)` of the callback names a path on the server
 */
export async function pscp(
  target: LoginTarget,
  paths: (remote: (path: string) => string) => readonly string[],
  options: PuttyOptions = {},
): Promise<ProgramResult> {
  const remote = (path: string): string => `${target.host}:${path}`
  return await withLogin(target, options, (login, programOptions) =>
    runProgram([peer('pscp'), ...login, ...paths(remote)], programOptions),
  )
}

async function withLogin(
  target: LoginTarget,
  options: PuttyOptions,
  run: (login: string[], options: ProgramOptions, folder: TemporaryFolder) => Promise<ProgramResult>,
): Promise<ProgramResult> {
  using folder = temporaryFolder()
  const login = await prepareLogin(target, options, folder)
  // PuTTY keeps settings and host keys below HOME.
  return await run(login, { ...options, env: { ...options.env, HOME: folder.path } }, folder)
}

async function prepareLogin(target: LoginTarget, options: PuttyOptions, folder: TemporaryFolder): Promise<string[]> {
  const login = ['-batch', '-noagent', '-P', String(target.port), '-l', target.username]
  for (const key of target.hostKeys) login.push('-hostkey', fingerprint(key))
  if (options.usePassword === true) {
    if (target.password === undefined) throw new Error('This server takes no password')
    login.push('-pwfile', folder.write('password', `${target.password}\n`))
  } else if (target.clientKey !== undefined) {
    const key = join(folder.path, 'key.ppk')
    await mustRun([peer('puttygen'), target.clientKey.path, '-O', 'private', '-o', key])
    login.push('-i', key)
  }
  login.push(...(options.extraArguments ?? []))
  return login
}

function fingerprint(hostKey: string): string {
  const blob = Buffer.from(hostKey.split(' ')[1] ?? '', 'base64')
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}
