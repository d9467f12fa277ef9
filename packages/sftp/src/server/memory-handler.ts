/** A tree of files in memory: an example of a handler, and a server for tests. */

import { SftpError } from '../errors.js'
import { fileTypes, type SftpAttrs } from '../protocol/attrs.js'
import { lockFlags } from '../protocol/lock-flags.js'
import { openFlags } from '../protocol/open-flags.js'
import type { SftpDirEntry, SftpHandler } from './handler.js'
import { RangeLocks } from './range-locks.js'

interface NodeBase {
  /** Permission bits, without the type. */
  mode: number
  uid: number
  gid: number
  atime: number
  atimeNs: number
  mtime: number
  mtimeNs: number
  readonly createTime: number
  readonly createTimeNs: number
}
interface FileNode extends NodeBase {
  readonly type: 'file'
  readonly locks: RangeLocks<MemoryFile>
  /** Capacity may exceed the size. */
  content: Uint8Array
  size: number
}
interface DirectoryNode extends NodeBase {
  readonly type: 'directory'
  readonly children: Map<string, Node>
}
interface LinkNode extends NodeBase {
  readonly type: 'symlink'
  readonly target: string
}
type Node = FileNode | DirectoryNode | LinkNode

/** A file that {@link MemoryHandler} has open. */
export interface MemoryFile {
  readonly node: FileNode
  readonly flags: number
}

/** Links in one path at most. */
const maximumLinks = 40

export interface MemoryHandlerOptions {
  /** Bytes one file may hold, so that a client cannot ask for all of memory. Default 256 MiB. */
  readonly maximumFileSize?: number
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
}

/** Serves a tree that lives as long as this object; several channels may share it. */
export class MemoryHandler implements SftpHandler<MemoryFile> {
  readonly #root: DirectoryNode
  readonly #maximumFileSize: number
  readonly #now: () => number

  constructor(options: MemoryHandlerOptions = {}) {
    this.#maximumFileSize = options.maximumFileSize ?? 256 * 1024 * 1024
    this.#now = options.now ?? Date.now
    this.#root = { type: 'directory', children: new Map(), ...this.#newBase(0o755) }
  }

  open(path: string, flags: number, attrs: SftpAttrs): MemoryFile {
    const isExclusive = (flags & openFlags.create) !== 0 && (flags & openFlags.exclusive) !== 0
    const { parent, name, node } = this.#find(path, !isExclusive)
    if (node !== undefined && isExclusive) throw failure('EEXIST', path)
    const file = node ?? this.#create(parent, name, path, flags, attrs)
    if (file.type !== 'file') throw failure('EISDIR', path)
    if (flags & openFlags.truncate) this.#resize(file, 0, undefined)
    return { node: file, flags }
  }

  close(file: MemoryFile): void {
    file.node.locks.release(file)
  }

  read(file: MemoryFile, into: Uint8Array, position: number): number {
    const { node, flags } = file
    if (!(flags & openFlags.read)) throw failure('EBADF')
    node.locks.assertFree(file, position, position + into.length, lockFlags.read)
    const piece = node.content.subarray(position, Math.min(node.size, position + into.length))
    into.set(piece)
    return piece.length
  }

  write(file: MemoryFile, data: Uint8Array, position: number): void {
    const { node, flags } = file
    if (!(flags & (openFlags.write | openFlags.append))) throw failure('EBADF')
    // As write(2): nothing makes no file longer.
    if (data.length === 0) return
    const start = flags & openFlags.append ? node.size : position
    node.locks.assertFree(file, start, start + data.length, lockFlags.write)
    this.#resize(node, Math.max(node.size, start + data.length), file)
    node.content.set(data, start)
  }

  fstat({ node }: MemoryFile): SftpAttrs {
    return attrsOf(node)
  }

  fsetstat(file: MemoryFile, attrs: SftpAttrs): void {
    this.#setAttrs(file.node, attrs, file)
  }

  lock(file: MemoryFile, offset: number, length: number, flags: number): void {
    file.node.locks.lock(file, offset, length, flags)
  }

  unlock(file: MemoryFile, offset: number, length: number): void {
    file.node.locks.unlock(file, offset, length)
  }

  fsync(): void {}

  stat(path: string): SftpAttrs {
    return attrsOf(this.#existing(path, true))
  }

  lstat(path: string): SftpAttrs {
    return attrsOf(this.#existing(path, false))
  }

  *scandir(path: string): Iterable<SftpDirEntry> {
    const node = this.#existing(path, true)
    if (node.type !== 'directory') throw failure('ENOTDIR', path)
    for (const [fileName, child] of node.children) yield { fileName, attrs: attrsOf(child) }
  }

  realpath(path: string): string {
    return this.#find(path, true).path
  }

  readlink(path: string): string {
    const node = this.#existing(path, false)
    if (node.type !== 'symlink') throw failure('EINVAL', path)
    return node.target
  }

  setstat(path: string, attrs: SftpAttrs): void {
    this.#setAttrs(this.#existing(path, true), attrs, undefined)
  }

  lsetstat(path: string, attrs: SftpAttrs): void {
    this.#setAttrs(this.#existing(path, false), attrs, undefined)
  }

  mkdir(path: string, { permissions = 0o777 }: SftpAttrs): void {
    this.#add(path, { type: 'directory', children: new Map(), ...this.#newBase(permissions & 0o777) })
  }

  rmdir(path: string): void {
    const { parent, name, node } = this.#find(path, false)
    if (node === undefined) throw failure('ENOENT', path)
    if (node.type !== 'directory') throw failure('ENOTDIR', path)
    if (node.children.size > 0) throw failure('ENOTEMPTY', path)
    if (node === this.#root) throw failure('EACCES', path)
    parent.children.delete(name)
  }

  remove(path: string): void {
    const { parent, name, node } = this.#find(path, false)
    if (node === undefined) throw failure('ENOENT', path)
    if (node.type === 'directory') throw failure('EISDIR', path)
    assertRemovable(node)
    parent.children.delete(name)
  }

  rename(oldPath: string, newPath: string): void {
    if (this.#find(newPath, false).node !== undefined) throw failure('EEXIST', newPath)
    this.posixRename(oldPath, newPath)
  }

  posixRename(oldPath: string, newPath: string): void {
    const from = this.#find(oldPath, false)
    const to = this.#find(newPath, false)
    if (from.node === undefined) throw failure('ENOENT', oldPath)
    if (from.node === to.node) return
    // A directory cannot move into itself.
    if (from.node === this.#root || to.path.startsWith(`${from.path}/`)) throw failure('EINVAL', newPath)
    if (to.node?.type === 'directory' && to.node.children.size > 0) throw failure('ENOTEMPTY', newPath)
    if (to.node !== undefined && (to.node.type === 'directory') !== (from.node.type === 'directory')) {
      throw failure(to.node.type === 'directory' ? 'EISDIR' : 'ENOTDIR', newPath)
    }
    if (to.node !== undefined) assertRemovable(to.node)
    from.parent.children.delete(from.name)
    to.parent.children.set(to.name, from.node)
  }

  symlink(targetPath: string, linkPath: string): void {
    this.#add(linkPath, { type: 'symlink', target: targetPath, ...this.#newBase(0o777) })
  }

  link(oldPath: string, newPath: string): void {
    const node = this.#existing(oldPath, false)
    if (node.type === 'directory') throw failure('EPERM', oldPath)
    this.#add(newPath, node)
  }

  isSameFile(first: MemoryFile, second: MemoryFile): boolean {
    return first.node === second.node
  }

  #create(parent: DirectoryNode, name: string, path: string, flags: number, attrs: SftpAttrs): FileNode {
    if (!(flags & openFlags.create)) throw failure('ENOENT', path)
    const mode = (attrs.permissions ?? 0o644) & 0o777
    const node: FileNode = {
      type: 'file',
      content: new Uint8Array(0),
      size: 0,
      locks: new RangeLocks(),
      ...this.#newBase(mode),
    }
    parent.children.set(name, node)
    return node
  }

  #add(path: string, node: Node): void {
    const { parent, name, node: taken } = this.#find(path, false)
    if (taken !== undefined) throw failure('EEXIST', path)
    parent.children.set(name, node)
  }

  #existing(path: string, followLast: boolean): Node {
    const { node } = this.#find(path, followLast)
    if (node === undefined) throw failure('ENOENT', path)
    return node
  }

  /** Walks a path. Its last part need not exist, everything before it must. */
  #find(
    path: string,
    followLast: boolean,
  ): { parent: DirectoryNode; name: string; node: Node | undefined; path: string } {
    const parts = split(path)
    const walked: { name: string; node: DirectoryNode }[] = []
    const here = (): DirectoryNode => walked.at(-1)?.node ?? this.#root
    const place = (name: string): string => `/${[...walked.map((step) => step.name), name].join('/')}`
    let links = 0
    for (let name = parts.pop(); name !== undefined; name = parts.pop()) {
      const isLast = parts.length === 0
      if (name === '..') {
        walked.pop()
        continue
      }
      const parent = here()
      const node = parent.children.get(name)
      if (node?.type === 'symlink' && (!isLast || followLast)) {
        if (++links > maximumLinks) throw failure('ELOOP', path)
        if (node.target.startsWith('/')) walked.length = 0
        parts.push(...split(node.target))
      } else if (node?.type === 'directory' && !isLast) {
        walked.push({ name, node })
      } else if (isLast) {
        return { parent, name, node, path: place(name) }
      } else {
        throw failure(node === undefined ? 'ENOENT' : 'ENOTDIR', path)
      }
    }
    const last = walked.pop()
    if (last === undefined) return { parent: this.#root, name: '', node: this.#root, path: '/' }
    return { parent: here(), name: last.name, node: last.node, path: place(last.name) }
  }

  /** @param file how the caller has it open, if it has */
  #setAttrs(node: Node, attrs: SftpAttrs, file: MemoryFile | undefined): void {
    const { size, uid, gid, permissions, atime, atimeNs = 0, mtime, mtimeNs = 0 } = attrs
    if (size !== undefined) {
      if (node.type !== 'file') throw failure('EISDIR')
      this.#resize(node, size, file)
    }
    if (permissions !== undefined) node.mode = permissions & 0o777
    if (uid !== undefined && gid !== undefined) Object.assign(node, { uid, gid })
    if (atime !== undefined && mtime !== undefined) Object.assign(node, { atime, atimeNs, mtime, mtimeNs })
  }

  #resize(node: FileNode, size: number, file: MemoryFile | undefined): void {
    if (size > this.#maximumFileSize) throw failure('EFBIG')
    // Bytes that go away are written too.
    if (size < node.size) node.locks.assertFree(file, size, Number.POSITIVE_INFINITY, lockFlags.write)
    if (size > node.content.length) {
      const grown = new Uint8Array(Math.min(this.#maximumFileSize, Math.max(size, node.content.length * 2)))
      grown.set(node.content.subarray(0, node.size))
      node.content = grown
    } else if (size < node.size) {
      node.content.fill(0, size, node.size)
    }
    node.size = size
    const { seconds, nanoseconds } = this.#time()
    node.mtime = seconds
    node.mtimeNs = nanoseconds
  }

  #newBase(mode: number): NodeBase {
    const { seconds, nanoseconds } = this.#time()
    return {
      mode,
      uid: 0,
      gid: 0,
      atime: seconds,
      atimeNs: nanoseconds,
      mtime: seconds,
      mtimeNs: nanoseconds,
      createTime: seconds,
      createTimeNs: nanoseconds,
    }
  }

  #time(): { seconds: number; nanoseconds: number } {
    const now = this.#now()
    const seconds = Math.floor(now / 1000)
    return { seconds, nanoseconds: Math.floor((now - seconds * 1000) * 1_000_000) }
  }
}

function attrsOf(node: Node): SftpAttrs {
  const size = node.type === 'file' ? node.size : node.type === 'symlink' ? Buffer.byteLength(node.target) : 0
  const { mode, uid, gid, atime, atimeNs, mtime, mtimeNs, createTime, createTimeNs } = node
  const times = { atime, atimeNs, mtime, mtimeNs, createTime, createTimeNs }
  return { size, uid, gid, permissions: fileTypes[node.type] | mode, ...times }
}

/** @throws SftpError `ERR_SFTP_LOCK_CONFLICT` when a lock keeps a file where it is */
function assertRemovable(node: Node): void {
  if (node.type === 'file') node.locks.assertFree(undefined, 0, Number.POSITIVE_INFINITY, lockFlags.delete)
}

/** The parts that mean something, last first. */
function split(path: string): string[] {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .reverse()
}

function failure(code: string, path?: string): SftpError {
  return new SftpError(code, code, path === undefined ? {} : { path })
}
