/** rclone's sftp backend, which is Go's SSH and pkg/sftp, set by its environment alone. */

import { knownHostsOf } from './foreign-server.js'
import type { LoginTarget } from './openssh-client.js'
import { peer } from './peers.js'
import { type ProgramOptions, type ProgramResult, runProgram } from './program.js'
import { temporaryFolder } from './temporary-folder.js'

export interface RcloneOptions extends ProgramOptions {
  /** Options of the backend: `{ shell_type: 'unix', chunk_size: '255k' }`. */
  readonly backend?: Readonly<Record<string, string | number | boolean>>
}

/** Runs rclone. @param args in which `there:PATH` is a path on the server */
export async function rclone(
  target: LoginTarget,
  args: readonly string[],
  options: RcloneOptions = {},
): Promise<ProgramResult> {
  using folder = temporaryFolder()
  const backend = {
    type: 'sftp',
    host: target.host,
    port: target.port,
    user: target.username,
    known_hosts_file: folder.write('known_hosts', knownHostsOf(target)),
    ...(target.clientKey !== undefined && { key_file: target.clientKey.path }),
    ...options.backend,
  }
  const settings = Object.entries(backend).map(([name, value]) => [
    `RCLONE_CONFIG_THERE_${name.toUpperCase()}`,
    `${value}`,
  ])
  const env = { ...options.env, ...Object.fromEntries(settings), HOME: folder.path, RCLONE_CONFIG: '/dev/null' }
  return await runProgram([peer('rclone'), '--retries', '1', '--low-level-retries', '1', ...args], { ...options, env })
}
