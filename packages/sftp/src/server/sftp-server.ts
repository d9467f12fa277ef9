/** The local file system as a handler. With jail.ts, the only file of the server that touches it. */

import * as fs from 'node:fs'
import * as fsp from 'node:fs/promises'
import { promisify } from 'node:util'
import { SftpError } from '../errors.js'
import { linkTarget, localNames } from '../local-names.js'
import { toLocalPath, toNamePath } from '../local-path.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import type { SftpStatVfs } from '../protocol/extensions.js'
import { openFlags } from '../protocol/open-flags.js'
import type { SftpDirEntry, SftpHandler } from './handler.js'
import { Jail } from './jail.js'
import { longName } from './long-name.js'

const openFile = promisify(fs.open)
const closeFile = promisify(fs.close)
const statFile = promisify(fs.fstat)
const chmodFile = promisify(fs.fchmod)
const chownFile = promisify(fs.fchown)
const truncateFile = promisify(fs.ftruncate)
const touchFile = promisify(fs.futimes)
const syncFile = promisify(fs.fsync)

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = fs.constants

/** Names looked at side by side while a directory is listed. */
const namesAtOnce = 32

export interface SftpServerOptions {
  /** Directory that is `/` to the client; nothing outside it can be reached. Default: the whole file system. */
  readonly root?: string
  /** Where relative paths start, as the client sees it. Default: `/` in a root, else the process's working directory. */
  readonly startDirectory?: string
  /** Bits of a mode that a client may set. Default 0777: not set-user-ID and its kin. */
  readonly modeMask?: number
}

/** A file that {@link SftpServer} has open. */
export interface ServerFile {
  readonly fd: number
  /** Whether the system places writes at the end. */
  readonly appends: boolean
}

/**
 * Serves files of this machine, with the rights of this process. Override any method to serve them differently; most
 * overrides call `super`.
 *
 * In a `root`, every path is resolved part by part inside it, and nothing the client is told names the real root. What
 * a local user, or a second client, swaps during a call is outside that promise on systems that cannot open relative to
 * a directory, as Node cannot; what is opened is looked at again where the system tells what it is (Linux).
 *
 * @example
 * class Upload extends SftpServer {
 *   override remove(): never {
 *     throw new SftpError('EACCES', 'Uploads stay')
 *   }
 * }
 * serveSftp(channel, new Upload({ root: '/srv/upload' }))
 */
export class SftpServer implements SftpHandler<ServerFile> {
  readonly #jail: Jail | undefined
  readonly #startDirectory: string
  readonly #modeMask: number

  /** @throws Error of `fs` when `root` is not there */
  constructor(options: SftpServerOptions = {}) {
    const { root, modeMask = 0o777 } = options
    this.#jail = root === undefined ? undefined : new Jail(toSlashes(fs.realpathSync.native(root)))
    this.#startDirectory = options.startDirectory ?? (root === undefined ? toSlashes(process.cwd()) : '/')
    this.#modeMask = modeMask
  }

  /** Where a client's path is on this machine. */
  async mapPath(path: string, followLast: boolean): Promise<string> {
    const absolute = path.startsWith('/') ? path : `${this.#startDirectory}/${path}`
    return this.#jail === undefined ? absolute : this.#jail.resolve(absolute, followLast)
  }

  /** What a canonical path on this machine is to the client. */
  reverseMapPath(localPath: string): string {
    return this.#jail === undefined ? localPath : this.#jail.toVirtual(localPath)
  }

  /** The owner's name in listings. */
  formatUser(uid: number): string {
    return String(uid)
  }

  /** The group's name in listings. */
  formatGroup(gid: number): string {
    return String(gid)
  }

  async open(path: string, flags: number, attrs: SftpAttrs): Promise<ServerFile> {
    // With O_EXCL a link at the end is something that exists.
    const local = await this.#map(path, (flags & openFlags.exclusive) === 0)
    const mode = (attrs.permissions ?? 0o666) & this.#modeMask
    const isTruncated = (flags & openFlags.truncate) !== 0
    // In a jail links have been followed, and nothing is cut off before it is known to be inside.
    const extra = this.#jail === undefined ? (isTruncated ? O_TRUNC : 0) : O_NOFOLLOW
    const fd = await openFile(local, systemFlags(flags) | extra, mode)
    if (this.#jail !== undefined) await this.#checkOpened(this.#jail, fd, isTruncated)
    return { fd, appends: (flags & openFlags.append) !== 0 }
  }

  async close({ fd }: ServerFile): Promise<void> {
    await closeFile(fd)
  }

  read({ fd }: ServerFile, into: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(fd, into, 0, into.length, position, (error, count) => (error ? reject(error) : resolve(count)))
    })
  }

  async write(file: ServerFile, data: Uint8Array, position: number): Promise<void> {
    let written = 0
    while (written < data.length) {
      const rest = data.subarray(written)
      written += await writeSome(file.fd, rest, file.appends ? null : position + written)
    }
  }

  async fstat({ fd }: ServerFile): Promise<SftpAttrs> {
    return toAttrs(await statFile(fd))
  }

  async fsetstat({ fd }: ServerFile, attrs: SftpAttrs): Promise<void> {
    const { size, permissions, uid, gid, atime, mtime } = attrs
    if (size !== undefined) await truncateFile(fd, size)
    if (permissions !== undefined) await chmodFile(fd, permissions & this.#modeMask)
    if (atime !== undefined && mtime !== undefined) await touchFile(fd, atime, mtime)
    if (uid !== undefined && gid !== undefined) await chownFile(fd, uid, gid)
  }

  async fsync({ fd }: ServerFile): Promise<void> {
    await syncFile(fd)
  }

  async fstatvfs({ fd }: ServerFile): Promise<SftpStatVfs> {
    // Node has no fstatfs; where /proc has the open file under a name, that name will do.
    if (process.platform !== 'linux') throw new SftpError('ENOTSUP', 'No fstatvfs on this system')
    return toStatVfs(await fsp.statfs(`/proc/self/fd/${fd}`))
  }

  async stat(path: string): Promise<SftpAttrs> {
    return toAttrs(await fsp.stat(await this.#map(path, true)))
  }

  async lstat(path: string): Promise<SftpAttrs> {
    return toAttrs(await fsp.lstat(await this.#map(path, false)))
  }

  async *scandir(path: string): AsyncGenerator<SftpDirEntry> {
    const local = await this.mapPath(path, true)
    const names = localNames(local, namesAtOnce)
    // The first name shows whether there is such a directory.
    let next = await names.next()
    const now = Date.now()
    const entry = async (fileName: string, stats: Promise<fs.Stats>): Promise<SftpDirEntry | undefined> => {
      // Removed since it was listed: then it is not there.
      const attrs = await stats.then(toAttrs, () => undefined)
      return attrs && { fileName, attrs, longName: this.#longName(fileName, attrs, now) }
    }
    try {
      const parent = await this.mapPath(`${path}/..`, true)
      const dots = [entry('.', fsp.lstat(toLocalPath(local))), entry('..', fsp.lstat(toLocalPath(parent)))]
      let pending: Promise<SftpDirEntry | undefined>[] = dots
      for (; ; next = await names.next()) {
        if (next.done !== true) {
          const fileName = next.value
          pending.push(entry(fileName, fsp.lstat(toLocalPath(`${local}/${fileName}`))))
          if (pending.length < namesAtOnce) continue
        }
        for (const found of await Promise.all(pending)) if (found !== undefined) yield found
        if (next.done === true) return
        pending = []
      }
    } finally {
      await names.return(undefined)
    }
  }

  async realpath(path: string): Promise<string> {
    const local = await this.mapPath(path, true)
    if (this.#jail !== undefined) return this.reverseMapPath(local)
    return this.reverseMapPath(toSlashes(await canonical(local)))
  }

  async readlink(path: string): Promise<string> {
    const target = await linkTarget(await this.mapPath(path, false))
    return this.#jail === undefined ? toSlashes(target) : this.#jail.virtualTarget(toSlashes(target))
  }

  async setstat(path: string, attrs: SftpAttrs): Promise<void> {
    const local = await this.#map(path, true)
    const { size, permissions, uid, gid, atime, mtime } = attrs
    if (size !== undefined) await fsp.truncate(local, size)
    if (permissions !== undefined) await fsp.chmod(local, permissions & this.#modeMask)
    if (atime !== undefined && mtime !== undefined) await fsp.utimes(local, atime, mtime)
    if (uid !== undefined && gid !== undefined) await fsp.chown(local, uid, gid)
  }

  async lsetstat(path: string, attrs: SftpAttrs): Promise<void> {
    const local = await this.#map(path, false)
    if (!(await fsp.lstat(local)).isSymbolicLink()) return this.setstat(path, attrs)
    const { size, permissions, uid, gid, atime, mtime } = attrs
    // Links have neither; to say it was done would be a lie.
    if (size !== undefined || permissions !== undefined) throw new SftpError('ENOTSUP', 'A link has no size or mode')
    if (atime !== undefined && mtime !== undefined) await fsp.lutimes(local, atime, mtime)
    if (uid !== undefined && gid !== undefined) await fsp.lchown(local, uid, gid)
  }

  async mkdir(path: string, { permissions }: SftpAttrs): Promise<void> {
    const mode = (permissions ?? 0o777) & this.#modeMask
    await fsp.mkdir(await this.#mapEntry(path), mode)
  }

  async rmdir(path: string): Promise<void> {
    await fsp.rmdir(await this.#mapEntry(path))
  }

  async remove(path: string): Promise<void> {
    await fsp.unlink(await this.#mapEntry(path))
  }

  async rename(oldPath: string, newPath: string): Promise<void> {
    const [from, to] = [await this.#mapEntry(oldPath), await this.#mapEntry(newPath)]
    if ((await fsp.lstat(from)).isFile()) {
      // A second name, then one less: the only way that cannot replace a file that appears meanwhile.
      const error = await fsp.link(from, to).catch((failure: NodeJS.ErrnoException) => failure)
      if (error === undefined) return fsp.unlink(from)
      if (error.code === 'EEXIST') throw error
    }
    if (await isThere(to)) throw new SftpError('EEXIST', 'The new name is taken', { path: newPath })
    await fsp.rename(from, to)
  }

  async posixRename(oldPath: string, newPath: string): Promise<void> {
    await fsp.rename(await this.#mapEntry(oldPath), await this.#mapEntry(newPath))
  }

  async symlink(targetPath: string, linkPath: string): Promise<void> {
    const target = this.#jail === undefined ? targetPath : this.#jail.localTarget(targetPath)
    await fsp.symlink(toLocalPath(target), await this.#mapEntry(linkPath))
  }

  async link(oldPath: string, newPath: string): Promise<void> {
    await fsp.link(await this.#mapEntry(oldPath), await this.#mapEntry(newPath))
  }

  async statvfs(path: string): Promise<SftpStatVfs> {
    return toStatVfs(await fsp.statfs(await this.#map(path, true)))
  }

  async #map(path: string, followLast: boolean): Promise<string | Buffer> {
    return toLocalPath(await this.mapPath(path, followLast))
  }

  /** A path that is made, moved or removed: never the root, which is the administrator's. */
  async #mapEntry(path: string): Promise<string | Buffer> {
    const local = await this.mapPath(path, false)
    if (this.#jail?.isRoot(local)) throw new SftpError('EACCES', 'The root stays as it is', { path })
    return toLocalPath(local)
  }

  #longName(fileName: string, attrs: SftpAttrs, now: number): string {
    return longName(fileName, attrs, now, {
      user: (uid) => this.formatUser(uid),
      group: (gid) => this.formatGroup(gid),
    })
  }

  /** Somebody may have swapped a directory for a link since the path was resolved: what is open must be inside. */
  async #checkOpened(jail: Jail, fd: number, isTruncated: boolean): Promise<void> {
    try {
      const opened = await openedPath(fd)
      if (opened !== undefined && !jail.contains(opened)) throw new SftpError('ENOENT', 'The path changed meanwhile')
      if (isTruncated) await truncateFile(fd, 0)
    } catch (error) {
      await closeFile(fd)
      throw error
    }
  }
}

/** The path that Linux knows an open file by; undefined elsewhere. */
async function openedPath(fd: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined
  return linkTarget(`/proc/self/fd/${fd}`)
}

function systemFlags(flags: number): number {
  const canRead = (flags & openFlags.read) !== 0
  const canWrite = (flags & (openFlags.write | openFlags.append)) !== 0
  let system = canRead && canWrite ? O_RDWR : canWrite ? O_WRONLY : O_RDONLY
  if (flags & openFlags.append) system |= O_APPEND
  if (flags & openFlags.create) system |= O_CREAT
  if (flags & openFlags.exclusive) system |= O_EXCL
  // Opening a named pipe that nobody writes to would wait for ever.
  return system | O_NONBLOCK
}

function writeSome(fd: number, data: Uint8Array, position: number | null): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, data, 0, data.length, position, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

/** As realpath(3), but the last part need not exist. */
async function canonical(path: string): Promise<string> {
  try {
    return toNamePath(await fsp.realpath(toLocalPath(path), 'buffer'))
  } catch (error) {
    const trimmed = path.replace(/\/+$/, '')
    const slash = trimmed.lastIndexOf('/')
    const name = trimmed.slice(slash + 1)
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || slash < 0 || name === '..' || name === '.') throw error
    const parent = toNamePath(await fsp.realpath(toLocalPath(trimmed.slice(0, slash) || '/'), 'buffer'))
    return parent === '/' ? `/${name}` : `${parent}/${name}`
  }
}

async function isThere(path: string | Buffer): Promise<boolean> {
  return fsp.lstat(path).then(
    () => true,
    () => false,
  )
}

/** Backslashes of Windows as the slashes of SFTP; elsewhere a backslash is part of a name. */
function toSlashes(path: string): string {
  return process.platform === 'win32' ? path.replaceAll('\\', '/') : path
}

function toAttrs(stats: fs.Stats): SftpAttrs {
  return {
    size: stats.size,
    uid: stats.uid,
    gid: stats.gid,
    permissions: stats.mode,
    atime: seconds(stats.atimeMs),
    mtime: seconds(stats.mtimeMs),
  }
}

/** Whole seconds in 32 bits, as version 3 has them. */
function seconds(timeMs: number): number {
  return Math.min(Math.max(Math.floor(timeMs / 1000), 0), 0xffffffff)
}

function toStatVfs({ bsize, blocks, bfree, bavail, files, ffree }: fs.StatsFs): SftpStatVfs {
  return {
    bsize,
    frsize: bsize,
    blocks,
    bfree,
    bavail,
    files,
    ffree,
    favail: ffree,
    fsid: 0,
    flag: 0,
    namemax: 255,
  }
}
