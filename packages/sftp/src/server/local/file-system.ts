/** What a file system says of itself: statfs(2) as Node has it, and what Linux tells of the mount beside it. */

import * as fsp from 'node:fs/promises'
import type { SftpStatVfs } from '../../protocol/extensions.js'

/** `flag` of statvfs, as the protocol has it (OpenSSH PROTOCOL §4.4). */
const readOnlyFlag = 1
const noSetUserIdFlag = 2

/** Longest names of file systems, by `f_type`, where it is not 255: FUSE and VFAT. */
const longestNames = new Map([
  [0x65735546, 1024],
  [0x4d44, 1530],
])

/**
 * @param path where to look
 * @param fd something that is open there, where descriptors show their mount
 * @throws Error of `fs`
 */
export async function fileSystemAt(path: string | Buffer, fd: number | undefined): Promise<SftpStatVfs> {
  const { type, bsize, blocks, bfree, bavail, files, ffree } = await fsp.statfs(path)
  const flag = fd === undefined ? 0 : await mountFlags(fd)
  const namemax = longestNames.get(type) ?? 255
  return { bsize, frsize: bsize, blocks, bfree, bavail, files, ffree, favail: ffree, fsid: 0, flag, namemax }
}

/** Node does not tell them; Linux writes them down per mount (proc_pid_mountinfo(5)). 0 where nobody knows. */
async function mountFlags(fd: number): Promise<number> {
  try {
    const about = await fsp.readFile(`/proc/self/fdinfo/${fd}`, 'latin1')
    const mount = /^mnt_id:\s*(\d+)$/m.exec(about)?.[1]
    if (mount === undefined) return 0
    const mounts = await fsp.readFile('/proc/self/mountinfo', 'latin1')
    // Mount, its parent, device, root, where it is, its options.
    const line = mounts.split('\n').find((one) => one.startsWith(`${mount} `))
    const options = (line?.split(' ')[5] ?? '').split(',')
    return (options.includes('ro') ? readOnlyFlag : 0) | (options.includes('nosuid') ? noSetUserIdFlag : 0)
  } catch {
    return 0
  }
}
