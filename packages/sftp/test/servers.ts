/** The servers that the client is tested against, and how each is reached. */

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type MemoryChannelOptions, memoryChannelPair } from '@ssh/testkit'
import { onTestFinished } from 'vitest'
import { StdioChannel } from '../src/bin/stdio-channel.js'
import type { SftpClientOptions } from '../src/client/options.js'
import { SftpClient } from '../src/client/sftp-client.js'
import type { SftpHandler } from '../src/server/handler.js'
import { MemoryHandler } from '../src/server/memory-handler.js'
import { type ServeSftpOptions, type SftpServerSession, serveSftp } from '../src/server/serve-sftp.js'
import { SftpServer } from '../src/server/sftp-server.js'
import { temporaryDirectory } from './temporary-directory.js'

export const opensshServer = '/usr/lib/openssh/sftp-server'
export const hasOpenssh = existsSync(opensshServer)

/** A client whose current directory is empty. */
export interface Served {
  readonly client: SftpClient
  /** That directory, as the client names it. */
  readonly cwd: string
}

/** A client of a handler, over a memory channel. */
export async function serve<F>(
  handler: SftpHandler<F>,
  options: ServeSftpOptions & { client?: SftpClientOptions; channel?: MemoryChannelOptions } = {},
): Promise<{ client: SftpClient; session: SftpServerSession }> {
  const [near, far] = memoryChannelPair(options.channel)
  const { client: clientOptions, channel: _channel, ...serverOptions } = options
  const session = serveSftp(far, handler, serverOptions)
  const client = await SftpClient.start(near, clientOptions)
  onTestFinished(async () => {
    await client.close()
    await session.closed
  })
  return { client, session }
}

/** A client of OpenSSH's sftp-server, in a directory of its own. */
export async function startOpenssh(): Promise<Served & { directory: string }> {
  const directory = temporaryDirectory()
  const child = spawn(opensshServer, ['-d', directory], { stdio: ['pipe', 'pipe', 'inherit'] })
  const client = await SftpClient.start(new StdioChannel(child.stdout, child.stdin))
  onTestFinished(() => client.close())
  return { client, cwd: directory, directory }
}

/** Every server the same tests run against: name, whether it is here, and a client of it. */
export const servers: readonly { name: string; isHere: boolean; isSlow?: boolean; start: () => Promise<Served> }[] = [
  {
    name: 'the memory handler',
    isHere: true,
    start: async () => ({ client: (await serve(new MemoryHandler())).client, cwd: '/' }),
  },
  {
    name: 'a directory of this machine',
    isHere: true,
    start: async () => ({ client: (await serve(new SftpServer({ root: temporaryDirectory() }))).client, cwd: '/' }),
  },
  ...([4, 5, 6] as const).map((sftpVersion) => ({
    name: `a directory of this machine, in version ${sftpVersion}`,
    isHere: true,
    start: async () => {
      const options = { sftpVersion, client: { sftpVersion } }
      return { client: (await serve(new SftpServer({ root: temporaryDirectory() }), options)).client, cwd: '/' }
    },
  })),
  {
    name: 'the memory handler, in version 6',
    isHere: true,
    start: async () => ({
      client: (await serve(new MemoryHandler(), { sftpVersion: 6, client: { sftpVersion: 6 } })).client,
      cwd: '/',
    }),
  },
  {
    name: 'a directory of this machine, in single bytes',
    isHere: true,
    isSlow: true,
    start: async () => {
      const channel = { chunkSize: 1 }
      return { client: (await serve(new SftpServer({ root: temporaryDirectory() }), { channel })).client, cwd: '/' }
    },
  },
  { name: 'OpenSSH sftp-server', isHere: hasOpenssh, start: startOpenssh },
]
