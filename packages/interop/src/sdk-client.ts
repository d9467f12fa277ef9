/** The SDK's own client, told about a server under test. */

import { type ClientOptions, connect, type SshClientConnection } from '@ssh/sdk'
import { knownHostsOf } from './foreign-server.js'
import type { LoginTarget } from './openssh-client.js'

/** Connects with the server's client key, trusting exactly its host keys. @param options win over these */
export function connectTo(server: LoginTarget, options: ClientOptions = {}): Promise<SshClientConnection> {
  const { host, port, username, clientKey } = server
  const login = { config: null, clientKeys: clientKey?.path ?? null, knownHosts: knownHostsOf(server) }
  return connect({ host, port, username }, { ...login, ...options })
}
