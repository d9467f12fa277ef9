/** The SDK's own server, as foreign clients need it: keys that ssh-keygen made, a shell, a folder of files. */

import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type ListenOptions, listen, type ServerProcess, type SshServer } from '@ssh/sdk'
import { type KeyFile, type KeySpec, keyTypes, makeKey, withoutComment } from './keys.js'
import { temporaryFolder } from './temporary-folder.js'

export interface SdkServer {
  readonly host: '127.0.0.1'
  readonly port: number
  readonly username: string
  readonly password: string
  /** A key that is let in. */
  readonly clientKey: KeyFile
  /** As `type base64`. */
  readonly hostKeys: readonly string[]
  /** A folder for files; it goes away with the server. */
  readonly folder: string
  readonly server: SshServer
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface SdkServerOptions extends Partial<ListenOptions> {
  /** Types of host keys. Default: one of each. */
  readonly hostKeyTypes?: readonly KeySpec[]
  /** Further lines of authorized_keys. */
  readonly moreAuthorizedKeys?: readonly string[]
}

/** Listens on a free port; `tester` gets in with the key or the password. @param options win over what is set here */
export async function startSdkServer(options: SdkServerOptions = {}): Promise<SdkServer> {
  const { hostKeyTypes = keyTypes, moreAuthorizedKeys = [], ...listenOptions } = options
  const folder = temporaryFolder()
  try {
    const username = 'tester'
    const password = 'open sesame'
    const clientKey = await makeKey(folder.path, 'client', 'ed25519')
    const hostKeys = await Promise.all(hostKeyTypes.map((spec, index) => makeKey(folder.path, `host_${index}`, spec)))
    const scratch = join(folder.path, 'scratch')
    mkdirSync(scratch)
    const server = await listen({
      host: '127.0.0.1',
      port: 0,
      serverHostKeys: hostKeys.map(({ path }) => path),
      authorizedClientKeys: `${[clientKey.publicLine, ...moreAuthorizedKeys].join('\n')}\n`,
      serverFactory: () => ({
        validatePassword: (user, given) => user === username && given === password,
      }),
      processFactory: runInShell,
      sftpFactory: true,
      ...listenOptions,
    })
    const stop = async (): Promise<void> => {
      await server.close()
      folder.remove()
    }
    return {
      host: '127.0.0.1',
      port: server.port,
      username,
      password,
      clientKey,
      hostKeys: hostKeys.map(({ publicLine }) => withoutComment(publicLine)),
      folder: scratch,
      server,
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    folder.remove()
    throw error
  }
}

/** Gives a command, or what is typed, to a shell of this machine. Variables the client set come along. */
export function runInShell(process: ServerProcess): Promise<void> {
  const args = process.command === undefined ? [] : ['-c', process.command]
  const env = { ...globalThis.process.env, ...Object.fromEntries(process.env) }
  return process.redirect(spawn('/bin/sh', args, { env }))
}
