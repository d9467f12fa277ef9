/** lftp over OpenSSH's ssh, with commands from a file; the first that fails ends it. */

import { type LoginTarget, withSshLogin } from './openssh-client.js'
import { peer } from './peers.js'
import { type ProgramOptions, type ProgramResult, runProgram } from './program.js'

export interface LftpOptions extends ProgramOptions {
  /** Its variables: `{ 'sftp:protocol-version': 3 }`. They win over those here. */
  readonly settings?: Readonly<Record<string, string | number>>
}

/** Runs lftp with some of its commands, one per line. */
export async function lftp(
  target: LoginTarget,
  commands: readonly string[],
  options: LftpOptions = {},
): Promise<ProgramResult> {
  return await withSshLogin(target, {}, (login, env, folder) => {
    const settings = {
      'cmd:fail-exit': 'yes',
      'net:max-retries': 1,
      'net:timeout': '30s',
      'sftp:connect-program': `"${[peer('ssh'), '-a', '-x', ...login].join(' ')}"`,
      ...options.settings,
    }
    const script = folder.write(
      'script',
      `${[
        ...Object.entries(settings).map(([name, value]) => `set ${name} ${value}`),
        // With a password that nobody asks for, it does not ask for one either.
        `open -u ${target.username},none -p ${target.port} sftp://${target.host}`,
        ...commands,
      ].join('\n')}\n`,
    )
    return runProgram([peer('lftp'), '-f', script], { ...options, env: { ...options.env, ...env, HOME: folder.path } })
  })
}
