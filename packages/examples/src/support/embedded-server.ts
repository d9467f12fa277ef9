/** The server that the demo and the examples talk to: in this process, on a free loopback port, with fresh keys. */

import { spawn } from 'node:child_process'
import { generatePrivateKey, listen, type PrivateKey, type ServerProcess, type SshServer } from '@ssh/sdk'

export interface EmbeddedServer {
  readonly server: SshServer
  /** The key that may log in, under any name. */
  readonly userKey: PrivateKey
  readonly hostKey: PrivateKey
  /** The line that makes a client trust this server. */
  readonly knownHosts: string
}

/** What it asks whoever logs in by keyboard-interactive, and the answer it takes. */
export const challenge = { prompt: 'Secret word: ', answer: 'swordfish' } as const

/** Variables that clients may set: those that OpenSSH's servers are mostly told to accept. */
const acceptedVariables = /^(?:LANG|LC_\w+)$/

/** @param root folder that SFTP is jailed to and commands run in */
export async function startEmbeddedServer(root: string): Promise<EmbeddedServer> {
  const hostKey = await generatePrivateKey('ssh-ed25519', { comment: 'host key of this run' })
  const userKey = await generatePrivateKey('ssh-ed25519', { comment: 'user key of this run' })
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    serverHostKeys: [hostKey],
    authorizedClientKeys: userKey.exportPublicKey(),
    serverFactory: () => ({
      validatePassword: () => false,
      getKbdintChallenge: () => ({ prompts: [{ prompt: challenge.prompt }] }),
      validateKbdintResponse: (_username, [answer]) => answer === challenge.answer,
    }),
    sftpFactory: { root },
    allowScp: true,
    allowTcpForwarding: true,
    allowStreamLocalForwarding: true,
    processFactory: (session) => runShell(session, root),
  })
  return { server, userKey, hostKey, knownHosts: `[127.0.0.1]:${server.port} ${hostKey.exportPublicKey()}` }
}

/** Every command runs as a real child process of this one. */
function runShell(session: ServerProcess, cwd: string): Promise<void> {
  const sent = [...session.env].filter(([name]) => acceptedVariables.test(name))
  const env = { ...process.env, ...Object.fromEntries(sent) }
  const child = spawn('/bin/sh', session.command === undefined ? [] : ['-c', session.command], { cwd, env })
  return session.redirect(child)
}
