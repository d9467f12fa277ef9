/** What every server under test looks like to a test, whoever wrote it. */

import type { KeyFile } from './keys.js'

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
