/**
 * Which foreign programs are here. On a user's machine an absent one skips its tests by name; where
 * SSH_INTEROP_REQUIRED is 1 (continuous integration) its absence is a failure.
 */

import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where `prepare-peers.ts` puts what it builds. */
export const peerCache: string = join(import.meta.dirname, '../../../node_modules/.cache/ssh-interop')

const programs = {
  sshd: { path: () => find('sshd'), package: 'openssh-server' },
  ssh: { path: () => find('ssh'), package: 'openssh-client' },
  'ssh-keygen': { path: () => find('ssh-keygen'), package: 'openssh-client' },
  'ssh-agent': { path: () => find('ssh-agent'), package: 'openssh-client' },
  sftp: { path: () => find('sftp'), package: 'openssh-client' },
  scp: { path: () => find('scp'), package: 'openssh-client' },
  'sftp-server': {
    path: () => find('sftp-server', '/usr/lib/openssh', '/usr/lib', '/usr/libexec', '/usr/libexec/openssh'),
    package: 'openssh-sftp-server',
  },
  dropbear: { path: () => find('dropbear'), package: 'dropbear-bin' },
  dbclient: { path: () => find('dbclient'), package: 'dropbear-bin' },
  plink: { path: () => find('plink'), package: 'putty-tools' },
  psftp: { path: () => find('psftp'), package: 'putty-tools' },
  puttygen: { path: () => find('puttygen'), package: 'putty-tools' },
  python: { path: () => built('venv/bin/python'), package: '`pnpm interop:prepare`' },
  go: { path: () => built('go-peer'), package: '`pnpm interop:prepare`' },
} as const

/** A program that tests may need. */
export type PeerName = keyof typeof programs

/** Path of a program, or undefined when it is not here. @throws Error when it must be here and is not */
export function findPeer(name: PeerName): string | undefined {
  const path = programs[name].path()
  if (path === undefined && process.env.SSH_INTEROP_REQUIRED === '1') {
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

/** Whether any of these is absent: `describe.skipIf(lacks('dropbear'))('dropbear …', …)`. */
export function lacks(...names: readonly PeerName[]): boolean {
  return names.some((name) => findPeer(name) === undefined)
}

/** Whether tests run as root, which throwaway users need. @throws Error when they must and do not */
export function isRoot(): boolean {
  const answer = process.getuid?.() === 0
  if (!answer && process.env.SSH_INTEROP_REQUIRED === '1') throw new Error('Root is required (SSH_INTEROP_REQUIRED=1)')
  return answer
}

function find(name: string, ...folders: readonly string[]): string | undefined {
  const searched = [...folders, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return searched.map((folder) => join(folder, name)).find(isExecutable)
}

function built(path: string): string | undefined {
  const file = join(peerCache, path)
  return existsSync(file) ? file : undefined
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
