/** Dropbear's server and client. The server reads keys only from its user's home, so it needs a throwaway user. */

import { join } from 'node:path'
import { type ForeignServer, startForeignServer } from './foreign-server.js'
import { makeKey } from './keys.js'
import { findProgram, isRoot, peer } from './peers.js'
import { freePort, mustRun, type ProgramOptions, type ProgramResult, runProgram } from './program.js'
import { temporaryFolder } from './temporary-folder.js'

/** Whether {@link startDropbear} can work here. */
export function canServeDropbear(): boolean {
  return isRoot() && findProgram('useradd') !== undefined
}

/** Starts Dropbear. @param extraArguments for instance `['-s']` to refuse passwords, `['-K', '1']` for keepalives */
export async function startDropbear(extraArguments: readonly string[] = []): Promise<ForeignServer> {
  if (!canServeDropbear()) throw new Error('Dropbear serves in tests only where they run as root and can add users')
  return startForeignServer(async ({ folder, user }) => {
    const clientKey = await makeKey(folder.path, 'client', 'ed25519')
    user.authorize(clientKey.publicLine)
    const hostKeys: string[] = []
    const hostKeyArguments: string[] = []
    for (const type of ['ed25519', 'ecdsa', 'rsa']) {
      const path = join(folder.path, `host_${type}`)
      const said = await mustRun(['dropbearkey', '-t', type, '-f', path])
      const line = said.split('\n').find((text) => /^(ssh|ecdsa)-/.test(text))
      if (line === undefined) throw new Error(`dropbearkey showed no public key:\n${said}`)
      hostKeys.push(line.split(' ', 2).join(' '))
      hostKeyArguments.push('-r', path)
    }
    const port = await freePort()
    const argv = [
      peer('dropbear'),
      ...['-F', '-E', '-m', '-p', `127.0.0.1:${port}`, '-P', join(folder.path, 'pid')],
      ...hostKeyArguments,
      ...extraArguments,
    ]
    return { argv, port, password: user.password, clientKey, hostKeys }
  })
}

export interface DbclientOptions extends ProgramOptions {
  /** Log in with this password instead of the key. */
  readonly password?: string
  readonly extraArguments?: readonly string[]
}

/** Runs Dropbear's client. It trusts the host key (`-y -y`): its own check cannot be handed a file. */
export async function dbclient(
  server: Pick<ForeignServer, 'host' | 'port' | 'username' | 'clientKey'>,
  command: string,
  options: DbclientOptions = {},
): Promise<ProgramResult> {
  using folder = temporaryFolder()
  const login: string[] = []
  if (options.password === undefined) {
    const key = join(folder.path, 'key')
    await mustRun(['dropbearconvert', 'openssh', 'dropbear', server.clientKey.path, key])
    login.push('-i', key)
  }
  const target = [`${server.username}@${server.host}`, command]
  const flags = ['-y', '-y', ...login, '-p', String(server.port), ...(options.extraArguments ?? [])]
  const password = options.password === undefined ? undefined : { DROPBEAR_PASSWORD: options.password }
  const env = { ...options.env, ...password, HOME: folder.path }
  return await runProgram([peer('dbclient'), ...flags, ...target], { ...options, env })
}
