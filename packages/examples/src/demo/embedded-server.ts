/** The server of the demo: in this process, on a free loopback port, with fresh keys. */

import { spawn } from 'node:child_process'
import { generatePrivateKey, listen, type PrivateKey, type SshServer } from '@ssh/sdk'

export interface EmbeddedServer {
  readonly server: SshServer
  /** The key that may log in. */
  readonly userKey: PrivateKey
  /** The line that makes a client trust this server. */
  readonly knownHosts: string
}

/** @param root folder that SFTP is jailed to and commands run in */
export async function startEmbeddedServer(root: string): Promise<EmbeddedServer> {
  const hostKey = await generatePrivateKey('ssh-ed25519', { comment: 'demo host key' })
  const userKey = await generatePrivateKey('ssh-ed25519', { comment: 'demo user key' })
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    serverHostKeys: [hostKey],
    authorizedClientKeys: userKey.exportPublicKey(),
    sftpFactory: { root },
    // Every command runs as a real child process of this one.
    processFactory: (session) => {
      const child = spawn(session.command ?? 'sh', { shell: true, cwd: root })
      return session.redirect(child)
    },
  })
  return { server, userKey, knownHosts: `[127.0.0.1]:${server.port} ${hostKey.exportPublicKey()}\n` }
}
