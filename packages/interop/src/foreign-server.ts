/** What every server under test looks like to a test, whoever wrote it. */

import { chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyFile } from './keys.js'
import { isRoot } from './peers.js'
import { startProgram, untilListening } from './program.js'
import { type SystemUser, systemUser } from './system-user.js'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.js'

export interface ForeignServer {
  readonly host: '127.0.0.1'
  readonly port: number
  readonly username: string
  /** Absent where nobody can log in with a password. */
  readonly password: string | undefined
  /** A key the server lets in. */
  readonly clientKey: KeyFile
  /** The server's host keys as `type base64`. */
  readonly hostKeys: readonly string[]
  /** A folder that the user may write to; it goes away with the server. */
  readonly folder: string
  log(): string
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Lines for a known_hosts file. */
export function knownHostsOf({ host, port, hostKeys }: Pick<ForeignServer, 'host' | 'port' | 'hostKeys'>): string {
  return hostKeys.map((key) => `[${host}]:${port} ${key}\n`).join('')
}

/** What a server is given before it starts. */
export interface ServerSite {
  /** For its configuration and keys; it goes away with the server. */
  readonly folder: TemporaryFolder
  /** Who logs in. */
  readonly user: SystemUser
  /** {@link ForeignServer.folder}. */
  readonly scratch: string
}

/** A server that is ready to be started. */
export interface ServerProgram
  extends Pick<ForeignServer, 'port' | 'password' | 'clientKey' | 'hostKeys'>,
    Partial<Pick<ForeignServer, 'log'>> {
  readonly argv: readonly string[]
}

/**
 * Starts a server for a throwaway user in a temporary folder; stopping it takes both away.
 * @param prepare writes what it needs. `log` of what it returns is shown behind what the server prints
 * @throws Error with its log when it does not come up
 */
export async function startForeignServer(
  prepare: (site: ServerSite) => Promise<ServerProgram>,
): Promise<ForeignServer> {
  const folder = temporaryFolder()
  const user = await systemUser()
  try {
    const scratch = join(folder.path, 'scratch')
    mkdirSync(scratch)
    if (isRoot()) chownSync(scratch, user.uid, user.gid)
    const { argv, log, ...server } = await prepare({ folder, user, scratch })
    const program = startProgram([...argv])
    await untilListening(server.port, program)
    const stop = async (): Promise<void> => {
      await program.stop()
      await user.remove()
      folder.remove()
    }
    return {
      ...server,
      host: '127.0.0.1',
      username: user.name,
      folder: scratch,
      log: () => program.log() + (log?.() ?? ''),
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await user.remove()
    folder.remove()
    throw error
  }
}
