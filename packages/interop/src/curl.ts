/** curl with libssh2, for sftp:// and scp:// addresses. */

import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { knownHostsOf } from './foreign-server.js'
import type { LoginTarget } from './openssh-client.js'
import { arePeersRequired, findPeer, peer } from './peers.js'
import { type ProgramOptions, type ProgramResult, runProgram } from './program.js'
import { temporaryFolder } from './temporary-folder.js'

/** Whether curl is here and can speak SFTP and SCP: it need not have been built with that. @throws Error when it must */
export function canCurl(): boolean {
  const path = findPeer('curl')
  if (path === undefined) return false
  const answer = /^Protocols:.* scp .*sftp/m.test(execFileSync(path, ['--version'], { encoding: 'utf8' }))
  if (!answer && arePeersRequired()) throw new Error('A curl with SFTP is required (SSH_INTEROP_REQUIRED=1)')
  return answer
}

/**
 * Runs curl.
 * @param args in which `url(path)` of the callback is the address of a path on the server
 * @param scheme default `sftp`
 */
export async function curl(
  target: LoginTarget,
  args: (url: (path: string) => string) => readonly string[],
  options: ProgramOptions & { readonly scheme?: 'sftp' | 'scp' } = {},
): Promise<ProgramResult> {
  using folder = temporaryFolder()
  // It reads no other file of known hosts.
  mkdirSync(join(folder.path, '.ssh'))
  folder.write('.ssh/known_hosts', knownHostsOf(target))
  const key =
    target.clientKey === undefined ? [] : ['--key', target.clientKey.path, '--pubkey', `${target.clientKey.path}.pub`]
  const encoded = (path: string) => path.split('/').map(encodeURIComponent).join('/')
  const url = (path: string): string => `${options.scheme ?? 'sftp'}://${target.host}:${target.port}${encoded(path)}`
  const argv = [
    peer('curl'),
    '--silent',
    '--show-error',
    '--globoff',
    '--user',
    `${target.username}:`,
    ...key,
    ...args(url),
  ]
  return await runProgram(argv, { ...options, env: { ...options.env, HOME: folder.path } })
}
