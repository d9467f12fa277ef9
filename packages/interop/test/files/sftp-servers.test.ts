/** Our SFTP client on the servers that are programs. The libraries' servers are in their own files. */

import { spawn } from 'node:child_process'
import { SftpClient } from '@ssh/sdk'
import { describe } from 'vitest'
import { StdioChannel } from '../../../sftp/src/bin/stdio-channel.js'
import {
  canServeDropbear,
  connectTo,
  type ForeignServer,
  lacks,
  peer,
  startDropbear,
  startProftpd,
  startSshd,
  temporaryFolder,
} from '../../src/index.js'
import { describeClientFiles, extras, type FileServer } from './our-client.js'

/** Sessions on one connection. */
async function overSsh(server: ForeignServer): Promise<FileServer> {
  const conn = await connectTo(server)
  const stop = async (): Promise<void> => {
    await conn.close()
    await server.stop()
  }
  return { start: () => conn.startSftpClient(), folder: server.folder, stop }
}

/** Each session is a program of its own on two pipes. @param refused extended requests it does not know */
async function onStdio(refused: readonly string[] = []): Promise<FileServer> {
  const folder = temporaryFolder()
  const start = async (): Promise<SftpClient> => {
    const flags = refused.length === 0 ? [] : ['-P', refused.join()]
    const child = spawn(peer('sftp-server'), flags, { stdio: ['pipe', 'pipe', 'inherit'] })
    return SftpClient.start(new StdioChannel(child.stdout, child.stdin))
  }
  return { start, folder: folder.path, stop: async () => folder.remove() }
}

/** What sftp-server got after the draft: without it, it is a server of twenty years ago. */
const additions = [
  ...['posix-rename', 'statvfs', 'fstatvfs', 'hardlink', 'fsync', 'lsetstat', 'limits', 'expand-path', 'copy-data'],
  ...['home-directory', 'users-groups-by-id'],
]

describe.skipIf(lacks('sftp-server'))("OpenSSH's sftp-server on pipes", () => {
  describeClientFiles(() => onStdio())
})

describe.skipIf(lacks('sftp-server'))('sftp-server without any extension', () => {
  describeClientFiles(() => onStdio(additions), {
    lacks: extras,
  })
})

describe.skipIf(lacks('sshd', 'sftp-server', 'ssh-keygen'))('sshd', () => {
  describeClientFiles(async () => overSsh(await startSshd()))
})

describe.skipIf(lacks('dropbear', 'sftp-server', 'ssh-keygen') || !canServeDropbear())('Dropbear', () => {
  describeClientFiles(async () => overSsh(await startDropbear()))
})

describe.skipIf(lacks('proftpd', 'ssh-keygen'))('ProFTPD', () => {
  describeClientFiles(async () => overSsh(await startProftpd()), {
    lacks: ['lsetstat', 'limits', 'copyData', 'expandPath', 'usersGroupsById'],
    resolvesLinks: true,
    followsInLstat: true,
    breaksOverHomes: true,
  })
})
