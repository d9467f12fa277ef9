/** The local file system as a handler. With the room `local`, the only file of the server that touches it. */

import * as fs from 'node:fs'
import * as fsp from 'node:fs/promises'
import { userInfo } from 'node:os'
import { promisify } from 'node:util'
import { SftpError } from '../errors.js'
import { linkTarget, localNames } from '../local-names.js'
import { toLocalPath } from '../local-path.js'
import { timesToSet } from '../local-times.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import type { DataPlaces } from '../protocol/data-ranges.js'
import type { SftpStatVfs } from '../protocol/extensions.js'
import { openFlags } from '../protocol/open-flags.js'
import type { SftpDirEntry, SftpHandler } from './handler.js'
import { DataFinder } from './local/data-finder.js'
import { DescriptorJail } from './local/descriptor-jail.js'
import { closePlace, hasPlaces, openPlaceAt, pathOf } from './local/descriptors.js'
import { fileAttrs } from './local/file-attrs.js'
import { fileSystemAt } from './local/file-system.js'
import type { LocalPath, LocalTree } from './local/local-tree.js'
import { PathJail } from './local/path-jail.js'
import { WholeTree } from './local/whole-tree.js'
import { longName } from './long-name.js'

const closeFile = promisify(fs.close)
const statFile = promisify(fs.fstat)
const chmodFile = promisify(fs.fchmod)
const chownFile = promisify(fs.fchown)
const truncateFile = promisify(fs.ftruncate)
const touchFile = promisify(fs.futimes)
const syncFile = promisify(fs.fsync)

const { O_APPEND, O_CREAT, O_EXCL, O_NOCTTY = 0, O_NONBLOCK = 0, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = fs.constants

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
 * In a `root`, every path is resolved part by part inside it, and nothing the client is told names the real root. On
 * Linux each part is opened in the one before it and every call starts from there, so links that somebody swaps in
 * meanwhile lead nowhere. Where that cannot be done (no Linux, no /proc, a runtime without open(2)'s flags) a path is
 * looked at and then used: what a local user, or a second client, swaps between the two is outside the promise there.
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
  /** An override of `write` that keeps its bytes must make this false, or copy them. */
  readonly releasesData: boolean = true
  readonly #tree: LocalTree
  readonly #isJail: boolean
  readonly #hasOwnStart: boolean
  readonly #startDirectory: string
  readonly #modeMask: number
  readonly #dataFinder = new DataFinder<ServerFile>()

  /** @throws Error of `fs` when `root` is not there */
  constructor(options: SftpServerOptions = {}) {
    const { root, modeMask = 0o777 } = options
    this.#tree = root === undefined ? new WholeTree() : jailIn(toSlashes(fs.realpathSync.native(root)))
    this.#isJail = root !== undefined
    this.#hasOwnStart = root !== undefined || options.startDirectory !== undefined
    this.#startDirectory = options.startDirectory ?? (root === undefined ? toSlashes(process.cwd()) : '/')
    this.#modeMask = modeMask
  }

  /**
   * Where a client's path is on this machine. Every operation asks an override; with a `root` it must answer with a
   * path inside it, and is taken at its word as far as that.
   */
  async mapPath(path: string, followLast: boolean): Promise<string> {
    return this.#tree.resolve(this.#absolute(path), followLast)
  }

  /** What a canonical path on this machine is to the client. */
  reverseMapPath(localPath: string): string {
    return this.#tree.toVirtual(localPath)
  }

  /** The owner's name in listings, and from version 4 on wherever owners are told. */
  formatUser(uid: number): string {
    return String(uid)
  }

  /** The group's name in listings, and from version 4 on wherever groups are told. */
  formatGroup(gid: number): string {
    return String(gid)
  }

  /**
   * The number of the user that a client names as owner, from version 4 on; undefined: there is none. An override of
   * {@link SftpServer.formatUser} needs one of this, or owners it tells of cannot be set. A number that is no name is
   * taken as it is.
   */
  parseUser(_name: string): number | undefined {
    return undefined
  }

  /** As {@link SftpServer.parseUser}, of a group. */
  parseGroup(_name: string): number | undefined {
    return undefined
  }

  async open(path: string, flags: number, attrs: SftpAttrs): Promise<ServerFile> {
    // With O_EXCL a link at the end is something that exists.
    const followsLast = (flags & openFlags.exclusive) === 0
    const at = await this.#at(path, followsLast)
    const mode = (attrs.permissions ?? 0o666) & this.#modeMask
    const fd = await this.#tree.open(at, systemFlags(flags), mode, followsLast)
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

  async fstat({ fd }: ServerFile, wanted?: number): Promise<SftpAttrs> {
    return fileAttrs(await statFile(fd, { bigint: wanted !== undefined }), wanted)
  }

  async fsetstat({ fd }: ServerFile, attrs: SftpAttrs): Promise<void> {
    const { size, permissions, uid, gid } = attrs
    const times = timesToSet(attrs)
    if (size !== undefined) await truncateFile(fd, size)
    if (permissions !== undefined) await chmodFile(fd, permissions & this.#modeMask)
    if (times !== undefined) await touchFile(fd, ...times)
    if (uid !== undefined && gid !== undefined) await chownFile(fd, uid, gid)
  }

  async fsync({ fd }: ServerFile): Promise<void> {
    await syncFile(fd)
  }

  /** Answers that all is data where `read` is overridden: only what this machine's file system says can be told. */
  async dataRanges(file: ServerFile, offset: number, length: number): Promise<DataPlaces> {
    if (this.read !== SftpServer.prototype.read) return { ranges: [{ offset, length }], atEnd: true }
    const { size } = await statFile(file.fd)
    return this.#dataFinder.find(file, (into, position) => this.read(file, into, position), offset, length, size)
  }

  async fstatvfs({ fd }: ServerFile): Promise<SftpStatVfs> {
    // Node has no fstatfs; where /proc has the open file under a name, that name will do.
    if (process.platform !== 'linux') throw new SftpError('ENOTSUP', 'No fstatvfs on this system')
    return fileSystemAt(pathOf(fd), fd)
  }

  async stat(path: string, wanted?: number): Promise<SftpAttrs> {
    return fileAttrs(await this.#tree.stat(await this.#at(path, true), wanted !== undefined), wanted)
  }

  async lstat(path: string, wanted?: number): Promise<SftpAttrs> {
    const at = await this.#at(path, false)
    const isExact = wanted !== undefined
    return fileAttrs(await this.#tree.withEntry(at, ({ path: local }) => fsp.lstat(local, { bigint: isExact })), wanted)
  }

  async *scandir(path: string, wanted?: number): AsyncGenerator<SftpDirEntry> {
    const isExact = wanted !== undefined
    const at = await this.#at(path, true)
    const directory = await this.#tree.openDirectory(at)
    const names = localNames(directory.path, namesAtOnce)
    const now = Date.now()
    const entry = async (
      fileName: string,
      stats: Promise<fs.Stats | fs.BigIntStats>,
    ): Promise<SftpDirEntry | undefined> => {
      // Removed since it was listed: then it is not there.
      const attrs = await stats.then(
        (found) => fileAttrs(found, wanted),
        () => undefined,
      )
      return attrs && { fileName, attrs, longName: this.#longName(fileName, attrs, now) }
    }
    const entryOf = (name: string) => entry(name, fsp.lstat(directory.entry(name), { bigint: isExact }))
    let pending: Promise<SftpDirEntry | undefined>[] = []
    try {
      // The first name shows whether it can be listed.
      let next = await names.next()
      const parent = this.#at(`${path}/..`, true).then((above) => this.#tree.stat(above, isExact))
      pending = [entryOf('.'), entry('..', parent)]
      for (; ; next = await names.next()) {
        if (next.done !== true) {
          pending.push(entryOf(next.value))
          if (pending.length < namesAtOnce) continue
        }
        for (const found of await Promise.all(pending)) if (found !== undefined) yield found
        if (next.done === true) return
        pending = []
      }
    } finally {
      // Whatever looks into the directory does so before another may get its descriptor.
      await Promise.allSettled(pending)
      directory.close()
      await names.return(undefined)
    }
  }

  async realpath(path: string): Promise<string> {
    return this.reverseMapPath(toSlashes(await this.#tree.canonical(await this.#at(path, true))))
  }

  async readlink(path: string): Promise<string> {
    const at = await this.#at(path, false)
    const target = await this.#tree.withEntry(at, ({ path: local }) => linkTarget(local))
    return this.#tree.virtualTarget(toSlashes(target))
  }

  async setstat(path: string, attrs: SftpAttrs): Promise<void> {
    await this.#tree.withTarget(await this.#at(path, true), (local) => this.#setAttrs(local, attrs))
  }

  async lsetstat(path: string, attrs: SftpAttrs): Promise<void> {
    const at = await this.#at(path, false)
    const isLink = await this.#tree.withEntry(at, async ({ path: local }) => {
      if (!(await fsp.lstat(local)).isSymbolicLink()) return false
      const { size, permissions, uid, gid } = attrs
      const times = timesToSet(attrs)
      // Links have neither; to say it was done would be a lie.
      if (size !== undefined || permissions !== undefined) throw new SftpError('ENOTSUP', 'A link has no size or mode')
      if (times !== undefined) await fsp.lutimes(local, ...times)
      if (uid !== undefined && gid !== undefined) await fsp.lchown(local, uid, gid)
      return true
    })
    if (!isLink) await this.#tree.withTarget(at, (local) => this.#setAttrs(local, attrs))
  }

  async mkdir(path: string, { permissions }: SftpAttrs): Promise<void> {
    const mode = (permissions ?? 0o777) & this.#modeMask
    await this.#change(path, (local) => fsp.mkdir(local, mode))
  }

  async rmdir(path: string): Promise<void> {
    await this.#change(path, (local) => fsp.rmdir(local))
  }

  async remove(path: string): Promise<void> {
    await this.#change(path, (local) => fsp.unlink(local))
  }

  async rename(oldPath: string, newPath: string): Promise<void> {
    await this.#changeBoth(oldPath, newPath, async (from, to) => {
      if ((await fsp.lstat(from)).isFile()) {
        // A second name, then one less: the only way that cannot replace a file that appears meanwhile.
        const error = await fsp.link(from, to).catch((failure: NodeJS.ErrnoException) => failure)
        if (error === undefined) return fsp.unlink(from)
        if (error.code === 'EEXIST') throw error
      }
      if (await isThere(to)) throw new SftpError('EEXIST', 'The new name is taken', { path: newPath })
      await fsp.rename(from, to)
    })
  }

  async posixRename(oldPath: string, newPath: string): Promise<void> {
    await this.#changeBoth(oldPath, newPath, (from, to) => fsp.rename(from, to))
  }

  async symlink(targetPath: string, linkPath: string): Promise<void> {
    const target = toLocalPath(this.#tree.localTarget(targetPath))
    await this.#change(linkPath, (local) => fsp.symlink(target, local))
  }

  async link(oldPath: string, newPath: string): Promise<void> {
    await this.#changeBoth(oldPath, newPath, (from, to) => fsp.link(from, to))
  }

  async statvfs(path: string): Promise<SftpStatVfs> {
    return this.#tree.withTarget(await this.#at(path, true), async (local) => {
      if (!hasPlaces()) return fileSystemAt(local, undefined)
      const place = await openPlaceAt(local)
      try {
        return await fileSystemAt(local, place)
      } finally {
        closePlace(place)
      }
    })
  }

  /** Whether two open files are one, whatever names they were opened by. */
  async isSameFile(first: ServerFile, second: ServerFile): Promise<boolean> {
    const [one, other] = await Promise.all([first, second].map(({ fd }) => statFile(fd, { bigint: true })))
    return one !== undefined && one.dev === other?.dev && one.ino === other.ino
  }

  /**
   * The home directory of a user, as the client sees it. That of the client, by the empty name, is where relative paths
   * start if `root` or `startDirectory` were given, else that of whoever runs this process, who is the only user known by
   * name, and only without a `root`.
   */
  homeDirectory(username: string): string | undefined {
    if (username === '' && this.#hasOwnStart) return this.#startDirectory
    const own = this.#isJail ? undefined : processUser()
    return own !== undefined && (username === '' || username === own.username) ? toSlashes(own.homedir) : undefined
  }

  /** The channel is over: closes what was open between calls. Another channel may use this object all the same. */
  end(): void {
    this.#tree.end()
  }

  #absolute(path: string): string {
    return path.startsWith('/') ? path : `${this.#startDirectory}/${path}`
  }

  /** The path to walk, absolute as the client sees it. */
  async #at(path: string, followLast: boolean): Promise<string> {
    if (this.mapPath === SftpServer.prototype.mapPath) return this.#absolute(path)
    return this.#tree.toVirtual(toSlashes(await this.mapPath(path, followLast)))
  }

  /** Makes, moves or removes what a path names: never the root, which is the administrator's. */
  async #change<R>(path: string, task: (local: LocalPath) => Promise<R>): Promise<R> {
    return this.#tree.withEntry(await this.#at(path, false), (entry) => {
      if (entry.isRoot) throw new SftpError('EACCES', 'The root stays as it is', { path })
      return task(entry.path)
    })
  }

  #changeBoth<R>(oldPath: string, newPath: string, task: (from: LocalPath, to: LocalPath) => Promise<R>): Promise<R> {
    return this.#change(oldPath, (from) => this.#change(newPath, (to) => task(from, to)))
  }

  async #setAttrs(local: LocalPath, attrs: SftpAttrs): Promise<void> {
    const { size, permissions, uid, gid } = attrs
    const times = timesToSet(attrs)
    if (size !== undefined) await fsp.truncate(local, size)
    if (permissions !== undefined) await fsp.chmod(local, permissions & this.#modeMask)
    if (times !== undefined) await fsp.utimes(local, ...times)
    if (uid !== undefined && gid !== undefined) await fsp.chown(local, uid, gid)
  }

  #longName(fileName: string, attrs: SftpAttrs, now: number): string {
    return longName(fileName, attrs, now, {
      user: (uid) => this.formatUser(uid),
      group: (gid) => this.formatGroup(gid),
    })
  }
}

function jailIn(root: string): LocalTree {
  return hasPlaces() ? new DescriptorJail(root) : new PathJail(root)
}

/** Undefined where the system knows no name for the user. */
function processUser(): { username: string; homedir: string } | undefined {
  try {
    return userInfo()
  } catch {
    return undefined
  }
}

function systemFlags(flags: number): number {
  const canRead = (flags & openFlags.read) !== 0
  const canWrite = (flags & (openFlags.write | openFlags.append)) !== 0
  let system = canRead && canWrite ? O_RDWR : canWrite ? O_WRONLY : O_RDONLY
  if (flags & openFlags.append) system |= O_APPEND
  if (flags & openFlags.create) system |= O_CREAT
  if (flags & openFlags.exclusive) system |= O_EXCL
  if (flags & openFlags.truncate) system |= O_TRUNC
  // Opening a named pipe that nobody writes to would wait for ever; a terminal is a file here, and controls nobody.
  return system | O_NONBLOCK | O_NOCTTY
}

function writeSome(fd: number, data: Uint8Array, position: number | null): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, data, 0, data.length, position, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

async function isThere(path: LocalPath): Promise<boolean> {
  return fsp.lstat(path).then(
    () => true,
    () => false,
  )
}

/** Backslashes of Windows as the slashes of SFTP; elsewhere a backslash is part of a name. */
function toSlashes(path: string): string {
  return process.platform === 'win32' ? path.replaceAll('\\', '/') : path
}
