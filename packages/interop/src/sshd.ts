/** OpenSSH's server on a free port, with its own configuration, host keys and log. */

import { mkdirSync } from 'node:fs'
import { type ForeignServer, startForeignServer } from './foreign-server.js'
import { type KeyFileOptions, type KeySpec, type KeyType, keyTypes, makeKey, withoutComment } from './keys.js'
import { isRoot, peer } from './peers.js'
import { freePort, runProgram } from './program.js'
import { temporaryFolder } from './temporary-folder.js'

export interface SshdOptions {
  /** Lines of sshd_config: `{ Ciphers: 'aes128-ctr', RekeyLimit: '64K' }`. They win over the defaults here. */
  readonly config?: Readonly<Record<string, string | number>>
  /** Types of host keys. Default: one of each. */
  readonly hostKeyTypes?: readonly KeySpec[]
  /** Type and size of the key that is let in. Default ed25519. */
  readonly clientKey?: KeyFileOptions & { readonly type?: KeyType }
  /** Further lines of authorized_keys, for instance a certificate authority or a forced command. */
  readonly authorizedKeys?: readonly string[]
  /** Gives `folder` a file system of this size, for instance `1m`; only the server sees it. See {@link canMount}. */
  readonly diskSize?: string
}

/** Whether {@link SshdOptions.diskSize} can work here. */
export async function canMount(): Promise<boolean> {
  if (!isRoot()) return false
  using folder = temporaryFolder()
  const { status } = await runProgram(onDisk('1m', folder.path, ['true'])).catch(() => ({ status: null }))
  return status === 0
}

/** Runs a program in a mount namespace of its own, where a folder is a small file system. */
function onDisk(size: string, folder: string, argv: readonly string[]): string[] {
  const script = 'mount -t tmpfs -o "size=$0,mode=0777" tmpfs "$1" && shift && exec "$@"'
  return ['unshare', '--mount', 'sh', '-c', script, size, folder, ...argv]
}

/** Starts sshd. @throws Error with its log when it does not come up */
export async function startSshd(options: SshdOptions = {}): Promise<ForeignServer> {
  return startForeignServer(async ({ folder, user, scratch }) => {
    const hostKeys = await Promise.all(
      (options.hostKeyTypes ?? keyTypes).map((spec, index) => makeKey(folder.path, `host_${index}`, spec)),
    )
    const { type = 'ed25519', ...keyOptions } = options.clientKey ?? {}
    const clientKey = await makeKey(folder.path, 'client', type, keyOptions)
    const authorizedKeys = [clientKey.publicLine, ...(options.authorizedKeys ?? [])].join('\n')
    const authorizedKeysFile = folder.write('authorized_keys', `${authorizedKeys}\n`, 0o644)
    // Where the unprivileged half of sshd is locked in. A package makes it at boot, and a container never boots.
    if (isRoot()) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
    const port = await freePort()
    const settings: Record<string, string | number> = {
      ListenAddress: `127.0.0.1:${port}`,
      PidFile: 'none',
      LogLevel: 'DEBUG1',
      AuthorizedKeysFile: authorizedKeysFile,
      // The key file lies below /tmp, which anybody may write to.
      StrictModes: 'no',
      UsePAM: 'no',
      PasswordAuthentication: user.password === undefined ? 'no' : 'yes',
      KbdInteractiveAuthentication: 'no',
      Subsystem: `sftp ${peer('sftp-server')}`,
      AcceptEnv: '*',
      GatewayPorts: 'clientspecified',
      AllowStreamLocalForwarding: 'yes',
      MaxStartups: '200',
      MaxSessions: '100',
      ...(await withoutPenalties()),
      ...options.config,
    }
    const lines = Object.entries(settings).map(([keyword, value]) => `${keyword} ${value}\n`)
    const hostKeyLines = hostKeys.map(({ path }) => `HostKey ${path}\n`)
    const config = folder.write('sshd_config', [...hostKeyLines, ...lines].join(''))
    const argv = [peer('sshd'), '-D', '-e', '-f', config]
    return {
      argv: options.diskSize === undefined ? argv : onDisk(options.diskSize, scratch, argv),
      port,
      password: user.password,
      clientKey,
      hostKeys: hostKeys.map(({ publicLine }) => withoutComment(publicLine)),
    }
  })
}

/** OpenSSH since 9.8 shuts out addresses that fail to log in, as tests do on purpose; before, it knows no such word. */
async function withoutPenalties(): Promise<Record<string, string>> {
  const { stderr } = await runProgram([peer('ssh'), '-V'])
  const [, major, minor] = /OpenSSH_(\d+)\.(\d+)/.exec(stderr) ?? []
  return Number(major) * 100 + Number(minor) >= 908 ? { PerSourcePenalties: 'no' } : {}
}
