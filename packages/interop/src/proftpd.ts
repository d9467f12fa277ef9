/**
 * ProFTPD's mod_sftp on a free port, with its own configuration, keys, users and log: the server that speaks SFTP versions
 * up to 6 and hashes files for its clients. It serves as root, for a throwaway user, and as whoever runs the tests.
 */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ForeignServer, startForeignServer } from './foreign-server.js'
import { keyTypes, makeKey, withoutComment } from './keys.js'
import { peer, proftpdModules } from './peers.js'
import { freePort, mustRun } from './program.js'

export interface ProftpdOptions {
  /** Further lines of its configuration: `['SFTPOptions …', 'SFTPClientMatch ".*" sftpProtocolVersion 3']`. */
  readonly config?: readonly string[]
}

/** Starts ProFTPD. Users log in with the key only. @throws Error with its log when it does not come up */
export async function startProftpd({ config = [] }: ProftpdOptions = {}): Promise<ForeignServer> {
  return startForeignServer(async ({ folder, user, scratch }) => {
    const clientKey = await makeKey(folder.path, 'client', 'ed25519')
    // It reads keys of RFC 4716 only.
    const exported = await mustRun([peer('ssh-keygen'), '-e', '-m', 'RFC4716', '-f', `${clientKey.path}.pub`])
    const authorizedKeys = folder.write('authorized_keys', exported, 0o644)
    const hostKeys = await Promise.all(keyTypes.map((type) => makeKey(folder.path, `host_${type}`, type)))
    const { uid, gid } = user
    const users = folder.write('users', `${user.name}:*:${uid}:${gid}::${scratch}:/bin/sh\n`, 0o600)
    const groups = folder.write('groups', `testers:*:${gid}:${user.name}\n`, 0o600)
    const port = await freePort()
    const at = (name: string): string => join(folder.path, name)
    const sftpLog = at('sftp.log')
    const file = folder.write(
      'proftpd.conf',
      `${[
        `ModulePath ${proftpdModules()}`,
        'LoadModule mod_sftp.c',
        'ServerType standalone',
        'DefaultAddress 127.0.0.1',
        'SocketBindTight on',
        `Port ${port}`,
        'UseIPv6 off',
        'UseReverseDNS off',
        'WtmpLog off',
        // Each connection is served as the user who logs in, which only root can arrange.
        `User ${user.name}`,
        `Group ${(await mustRun(['id', '-gn', user.name])).trim()}`,
        `PidFile ${at('pid')}`,
        `ScoreboardFile ${at('scoreboard')}`,
        'DelayTable none',
        'DelayEngine off',
        'AuthOrder mod_auth_file.c',
        `AuthUserFile ${users}`,
        `AuthGroupFile ${groups}`,
        'RequireValidShell off',
        'UseFtpUsers off',
        'MaxInstances none',
        'AllowOverwrite on',
        'AllowStoreRestart on',
        'AllowRetrieveRestart on',
        'Umask 022',
        'SFTPEngine on',
        `SFTPLog ${sftpLog}`,
        ...hostKeys.map(({ path }) => `SFTPHostKey ${path}`),
        'SFTPAuthMethods publickey',
        `SFTPAuthorizedUserKeys file:${authorizedKeys}`,
        ...config,
      ].join('\n')}\n`,
    )
    return {
      argv: [peer('proftpd'), '--nodaemon', '--config', file],
      port,
      password: undefined,
      clientKey,
      hostKeys: hostKeys.map(({ publicLine }) => withoutComment(publicLine)),
      log: () => (existsSync(sftpLog) ? readFileSync(sftpLog, 'utf8') : ''),
    }
  })
}
