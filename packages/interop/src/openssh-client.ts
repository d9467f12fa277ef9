/** OpenSSH's ssh, sftp and scp, cut off from the user's configuration, agent and known hosts. */

import { type ForeignServer, knownHostsOf } from './foreign-server.js'
import { peer } from './peers.js'
import { type ProgramOptions, type ProgramResult, type RunningProgram, runProgram, startProgram } from './program.js'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.js'

/** What a client needs to know of a server, whoever wrote it. */
export interface LoginTarget extends Pick<ForeignServer, 'host' | 'port' | 'username' | 'hostKeys'> {
  readonly clientKey?: ForeignServer['clientKey'] | undefined
  readonly password?: string | undefined
}

export interface OpensshOptions extends ProgramOptions {
  /** ssh_config options: `{ Ciphers: 'aes128-ctr', RekeyLimit: '64K' }`. They win over those here. */
  readonly config?: Readonly<Record<string, string | number>>
  /** Log in with the password instead of the key. */
  readonly usePassword?: boolean
  /** Arguments before the destination, for instance `['-tt']`, `['-L', …]`, `['-vvv']`. */
  readonly extraArguments?: readonly string[]
}

/** Runs `ssh`. @param command none asks for a shell */
export async function ssh(target: LoginTarget, command?: string, options: OpensshOptions = {}): Promise<ProgramResult> {
  const destination = [`${target.username}@${target.host}`, ...(command === undefined ? [] : ['--', command])]
  return await withSshLogin(target, options, (login, env) =>
    runProgram([peer('ssh'), '-p', String(target.port), ...login, ...destination], { ...options, env }),
  )
}

/**
 * Starts `ssh -N` in the background, for what it forwards: it ends when something cannot be.
 * @param forwards `-L`, `-R`, `-D` and what belongs to them
 */
export function startSsh(
  target: LoginTarget,
  forwards: readonly string[],
  options: Pick<OpensshOptions, 'config' | 'usePassword' | 'extraArguments'> = {},
): RunningProgram {
  const folder = temporaryFolder()
  const config = { ExitOnForwardFailure: 'yes', ...options.config }
  const { login, env } = prepareLogin(target, { ...options, config }, folder)
  const destination = `${target.username}@${target.host}`
  const program = startProgram([peer('ssh'), '-N', '-p', String(target.port), ...login, ...forwards, destination], {
    env,
  })
  const stop = async (): Promise<void> => {
    await program.stop()
    folder.remove()
  }
  return { ...program, stop, [Symbol.asyncDispose]: stop }
}

/** Runs `sftp` with a batch of its commands, one per line. */
export async function sftp(
  target: LoginTarget,
  batch: readonly string[],
  options: OpensshOptions = {},
): Promise<ProgramResult> {
  const destination = `${target.username}@${target.host}`
  return await withSshLogin(target, options, (login, env, folder) => {
    const file = folder.write('batch', `${batch.join('\n')}\n`)
    return runProgram([peer('sftp'), '-P', String(target.port), ...login, '-b', file, destination], { ...options, env })
  })
}

/**
 * Runs `scp`.
 * @param paths sources, then the target; `remote(path)` of the callback names a path on the server
 */
export async function scp(
  target: LoginTarget,
  paths: (remote: (path: string) => string) => readonly string[],
  options: OpensshOptions = {},
): Promise<ProgramResult> {
  const remote = (path: string): string => `${target.username}@${target.host}:${path}`
  return await withSshLogin(target, options, (login, env) =>
    runProgram([peer('scp'), '-P', String(target.port), ...login, ...paths(remote)], { ...options, env }),
  )
}

/**
 * For programs that run `ssh` themselves: what they are to hand it. Files that it names are gone afterwards.
 * @param run gets arguments of ssh, variables that it needs, and a folder
 */
export async function withSshLogin<R>(
  target: LoginTarget,
  options: OpensshOptions,
  run: (login: string[], env: Record<string, string>, folder: TemporaryFolder) => Promise<R>,
): Promise<R> {
  using folder = temporaryFolder()
  const { login, env } = prepareLogin(target, options, folder)
  return await run(login, env, folder)
}

interface Login {
  readonly login: string[]
  readonly env: Record<string, string>
}

function prepareLogin(target: LoginTarget, options: OpensshOptions, folder: TemporaryFolder): Login {
  const env: Record<string, string> = { ...options.env, SSH_AUTH_SOCK: '' }
  const settings: Record<string, string | number> = {
    UserKnownHostsFile: folder.write('known_hosts', knownHostsOf(target)),
    GlobalKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'yes',
    UpdateHostKeys: 'no',
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
    ConnectTimeout: 20,
  }
  if (options.usePassword === true) {
    if (target.password === undefined) throw new Error('This server takes no password')
    env.SSH_ASKPASS = folder.write('askpass', '#!/bin/sh\nprintf "%s\\n" "$SSH_TEST_PASSWORD"\n', 0o700)
    env.SSH_ASKPASS_REQUIRE = 'force'
    env.SSH_TEST_PASSWORD = target.password
    settings.PreferredAuthentications = 'password,keyboard-interactive'
    settings.NumberOfPasswordPrompts = 1
  } else {
    settings.BatchMode = 'yes'
    settings.PreferredAuthentications = 'publickey'
    if (target.clientKey !== undefined) settings.IdentityFile = target.clientKey.path
  }
  const optionsOf = Object.entries({ ...settings, ...options.config }).flatMap(([key, value]) => [
    '-o',
    `${key}=${value}`,
  ])
  return { login: ['-F', 'none', ...optionsOf, ...(options.extraArguments ?? [])], env }
}
