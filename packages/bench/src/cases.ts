/** The cases, and which peers can take part in each. */

import type { CaseName, PeerName } from './job.js'

export interface BenchCase {
  readonly name: CaseName
  readonly title: string
  /** `MB` is a million bytes. */
  readonly unit: 'MB/s' | 'files/s' | 'connects/s' | 'commands/s' | 'hosts/s' | 'ms'
  readonly peers: readonly PeerName[]
  /** Through the proxy that adds a round trip of 100 ms and passes 1 Gbit/s. */
  readonly isLongWay: boolean
  /** Whether the peer under test is the server, and OpenSSH's client drives it. */
  readonly isServer: boolean
  readonly size: number
  readonly count: number
  /** The same for `--quick`. */
  readonly quick: { readonly size: number; readonly count: number }
}

const MiB = 1024 * 1024
const bulk = { unit: 'MB/s', count: 1, size: 1024 * MiB, quick: { size: 64 * MiB, count: 1 } } as const
const bulkFarAway = { ...bulk, size: 256 * MiB, quick: { size: 16 * MiB, count: 1 } } as const
const everybody = { peers: ['ours', 'openssh', 'ssh2'], isLongWay: false, isServer: false } as const
const smallFiles = { unit: 'files/s', size: 4096, count: 5000, quick: { size: 4096, count: 500 } } as const
// ssh2 has no SCP.
const scp = { ...bulk, ...everybody, peers: ['ours', 'openssh'] } as const
const farAway = { ...everybody, isLongWay: true } as const

export const cases: readonly BenchCase[] = [
  { name: 'exec-down', title: 'exec, bytes down', ...bulk, ...everybody },
  { name: 'exec-up', title: 'exec, bytes up', ...bulk, ...everybody },
  { name: 'sftp-get', title: 'SFTP get', ...bulk, ...everybody },
  { name: 'sftp-put', title: 'SFTP put', ...bulk, ...everybody },
  { name: 'small-files', title: 'SFTP get, files of 4 KiB', ...smallFiles, ...everybody },
  { name: 'small-files-put', title: 'SFTP put, files of 4 KiB', ...smallFiles, ...everybody },
  { name: 'scp-get', title: 'SCP from there', ...scp },
  { name: 'scp-put', title: 'SCP to there', ...scp },
  {
    name: 'connect',
    title: 'connect, log in, run `true`, one after another',
    unit: 'connects/s',
    ...everybody,
    size: 0,
    count: 40,
    quick: { size: 0, count: 5 },
  },
  {
    name: 'exec-8',
    title: 'run `true` on one connection, 8 at a time',
    unit: 'commands/s',
    ...everybody,
    // OpenSSH's client has no way to say this without a control socket and a process for each command.
    peers: ['ours', 'ssh2'],
    size: 0,
    count: 2000,
    quick: { size: 0, count: 100 },
  },
  {
    name: 'many-hosts',
    title: 'a command on 200 hosts, 16 at a time',
    unit: 'hosts/s',
    ...everybody,
    // The others have no such call. The hosts are eight servers of this SDK in one process beside.
    peers: ['ours'],
    size: 0,
    count: 200,
    quick: { size: 0, count: 20 },
  },
  { name: 'rtt-exec-down', title: 'exec, bytes down, 100 ms away', ...bulkFarAway, ...farAway },
  { name: 'rtt-sftp-get', title: 'SFTP get, 100 ms away', ...bulkFarAway, ...farAway },
  { name: 'rtt-sftp-put', title: 'SFTP put, 100 ms away', ...bulkFarAway, ...farAway },
  {
    name: 'rtt-connect',
    title: 'connect, log in, run `true`, 100 ms away',
    unit: 'ms',
    ...farAway,
    size: 0,
    count: 5,
    quick: { size: 0, count: 2 },
  },
  {
    name: 'server-sftp-get',
    title: 'as a server: OpenSSH gets through SFTP',
    ...bulk,
    ...everybody,
    peers: ['ours', 'openssh'],
    isServer: true,
  },
  {
    name: 'server-sftp-put',
    title: 'as a server: OpenSSH puts through SFTP',
    ...bulk,
    ...everybody,
    peers: ['ours', 'openssh'],
    isServer: true,
  },
]
