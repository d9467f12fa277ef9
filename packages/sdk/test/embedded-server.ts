/** A server in this process on a free port, and what a client needs to log in to it. Both go away with the test. */

import { generatePrivateKey, type PrivateKey } from '@ssh/crypto'
import { onTestFinished } from 'vitest'
import {
  type ClientOptions,
  connect,
  type ListenOptions,
  listen,
  type SshClientConnection,
  type SshServer,
} from '../src/index.js'

export const hostKey: PrivateKey = await generatePrivateKey('ssh-ed25519', { comment: 'host' })
export const userKey: PrivateKey = await generatePrivateKey('ssh-ed25519', { comment: 'user' })

/** The line of authorized_keys that lets the user in. */
export const userLine = userKey.exportPublicKey()

export interface EmbeddedServer {
  readonly server: SshServer
  readonly destination: { readonly host: string; readonly port: number; readonly username: string }
  /** Text of a known_hosts file with the server's key in it. */
  readonly knownHosts: string
  /** Logs in as the user whose key is authorized. */
  connect(options?: ClientOptions): Promise<SshClientConnection>
}

/** Options of a server that lets the user in by key and has no other home than this test. */
export function serverOptions(options: Partial<ListenOptions> = {}): ListenOptions {
  return { host: '127.0.0.1', port: 0, serverHostKeys: hostKey, authorizedClientKeys: userLine, ...options }
}

/** Options of a client that trusts the server and has the user's key, and looks at no file of whoever runs the test. */
export function clientOptions(options: ClientOptions = {}): ClientOptions {
  return { config: null, clientKeys: userKey, hostKeyFingerprint: hostKey.getFingerprint(), ...options }
}

export async function embedded(options: Partial<ListenOptions> = {}): Promise<EmbeddedServer> {
  const server = await listen(serverOptions(options))
  onTestFinished(() => server.close())
  const destination = { host: '127.0.0.1', port: server.port, username: 'tester' }
  return {
    server,
    destination,
    knownHosts: `[127.0.0.1]:${server.port} ${hostKey.exportPublicKey()}`,
    async connect(more) {
      const conn = await connect(destination, clientOptions(more))
      onTestFinished(() => conn.close())
      return conn
    },
  }
}

/** Answers every command with what it was asked to run; `exit 3` exits so. */
export const parrot: NonNullable<ListenOptions['processFactory']> = (process) => {
  const { command = '' } = process
  process.stdout.write(command)
  process.exit(Number(/^exit (\d+)$/.exec(command)?.[1] ?? 0))
}
