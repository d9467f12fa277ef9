/**
 * Which foreign programs are here. On a user's machine an absent one skips its tests by name; where
 * SSH_INTEROP_REQUIRED is 1 (continuous integration) its absence is a failure.
 */

import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where what is built for tests goes. */
export const peerCache: string = join(import.meta.dirname, '../../../node_modules/.cache/ssh-interop')

const programs = {
  sshd: { path: () => findProgram('sshd'), package: 'openssh-server' },
  ssh: { path: () => findProgram('ssh'), package: 'openssh-client' },
  'ssh-keygen': { path: () => findProgram('ssh-keygen'), package: 'openssh-client' },
  'ssh-keyscan': { path: () => findProgram('ssh-keyscan'), package: 'openssh-client' },
  'ssh-agent': { path: () => findProgram('ssh-agent'), package: 'openssh-client' },
  'ssh-add': { path: () => findProgram('ssh-add'), package: 'openssh-client' },
  sftp: { path: () => findProgram('sftp'), package: 'openssh-client' },
  scp: { path: () => findProgram('scp'), package: 'openssh-client' },
  'sftp-server': {
    path: () => findProgram('sftp-server', '/usr/lib/openssh', '/usr/lib', '/usr/libexec', '/usr/libexec/openssh'),
    package: 'openssh-sftp-server',
  },
  dropbear: { path: () => findProgram('dropbear'), package: 'dropbear-bin' },
  dbclient: { path: () => findProgram('dbclient'), package: 'dropbear-bin' },
  plink: { path: () => findProgram('plink'), package: 'putty-tools' },
  psftp: { path: () => findProgram('psftp'), package: 'putty-tools' },
  pscp: { path: () => findProgram('pscp'), package: 'putty-tools' },
  puttygen: { path: () => findProgram('puttygen'), package: 'putty-tools' },
  proftpd: {
    path: () => (proftpdModules() === undefined ? undefined : findProgram('proftpd')),
    package: 'proftpd-core and proftpd-mod-crypto',
  },
  lftp: { path: () => findProgram('lftp'), package: 'lftp' },
  rclone: { path: () => findProgram('rclone'), package: 'rclone' },
  curl: { path: () => findProgram('curl'), package: 'curl' },
  script: { path: () => findProgram('script'), package: 'bsdutils' },
  tmux: { path: () => findProgram('tmux'), package: 'tmux' },
  nc: { path: () => findProgram('nc'), package: 'netcat-openbsd' },
  xauth: { path: () => findProgram('xauth'), package: 'xauth' },
  xdpyinfo: { path: () => findProgram('xdpyinfo'), package: 'x11-utils' },
  Xvfb: { path: () => findProgram('Xvfb'), package: 'xvfb' },
} as const

/** A program that tests may need. */
export type PeerName = keyof typeof programs

/** Path of a program, or undefined when it is not here. @throws Error when it must be here and is not */
export function findPeer(name: PeerName): string | undefined {
  const path = programs[name].path()
  if (path === undefined && arePeersRequired()) {
    throw new Error(`${name} is required (SSH_INTEROP_REQUIRED=1) and not installed: ${programs[name].package}`)
  }
  return path
}

/** Path of a program. @throws Error when it is not here */
export function peer(name: PeerName): string {
  const path = findPeer(name)
  if (path === undefined) throw new Error(`${name} is not installed: ${programs[name].package}`)
  return path
}

/** The folder that has ProFTPD's mod_sftp, which is a package of its own. */
export function proftpdModules(): string | undefined {
  const folders = ['/usr/lib/proftpd', '/usr/libexec/proftpd', '/usr/lib64/proftpd']
  return folders.find((folder) => existsSync(join(folder, 'mod_sftp.so')))
}

/** Whether any of these is absent: `describe.skipIf(lacks('dropbear'))('dropbear …', …)`. */
export function lacks(...names: readonly PeerName[]): boolean {
  return names.some((name) => findPeer(name) === undefined)
}

/** Whether tests run as root, which throwaway users need. @throws Error when they must and do not */
export function isRoot(): boolean {
  const answer = process.getuid?.() === 0
  if (!answer && arePeersRequired()) throw new Error('Root is required (SSH_INTEROP_REQUIRED=1)')
  return answer
}

/** Whether an absent peer is a failure. */
export function arePeersRequired(): boolean {
  return process.env.SSH_INTEROP_REQUIRED === '1'
}

/** Path of an executable. @param folders where to look before PATH */
export function findProgram(name: string, ...folders: readonly string[]): string | undefined {
  const searched = [...folders, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return searched.map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
