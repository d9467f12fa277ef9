import type { Readable, Writable } from 'node:stream'
import type { ByteChannel } from '@ssh/wire'
import type { SftpAttrs } from '../protocol/attrs.js'
import type { SftpStatVfs } from '../protocol/extensions.js'
import type { OpenFlags } from '../protocol/open-flags.js'
import type {
  SftpCallOptions,
  SftpClientOptions,
  SftpFileOptions,
  SftpGlobOptions,
  SftpLinkOptions,
  SftpMakedirsOptions,
  SftpMkdirOptions,
  SftpReadFileOptions,
  SftpReadStreamOptions,
  SftpRmtreeOptions,
  SftpTransferOptions,
  SftpWriteFileOptions,
  SftpWriteStreamOptions,
} from './options.js'
import type { SftpFile } from './sftp-file.js'
import type { SftpDirent, SftpStats } from './stats.js'

export type Paths = string | readonly string[]
export type SftpGlob = AsyncIterable<string> & PromiseLike<string[]>

/** What `limits()` answers: the server's own numbers, or the defaults of the protocol; Infinity where it has no limit. */
export interface SftpLimits {
  readonly maxPacketLength: number
  readonly maxReadLength: number
  readonly maxWriteLength: number
  readonly maxOpenHandles: number
}

/** The SFTP client. Signatures first; bodies follow. */
export declare class SftpClient {
  static start(channel: ByteChannel, options?: SftpClientOptions): Promise<SftpClient>
  readonly version: number
  readonly extensions: ReadonlyMap<string, string>
  readonly closed: Promise<void>
  get(remotePaths: Paths, local?: string | Writable, options?: SftpTransferOptions): Promise<void>
  put(
    local: Paths | Uint8Array | Readable | AsyncIterable<Uint8Array>,
    remotePath?: string,
    options?: SftpTransferOptions,
  ): Promise<void>
  mget(remotePatterns: Paths, localPath?: string, options?: SftpTransferOptions): Promise<void>
  mput(localPatterns: Paths, remotePath?: string, options?: SftpTransferOptions): Promise<void>
  open(path: string, flags?: OpenFlags, attrs?: SftpAttrs, options?: SftpFileOptions): Promise<SftpFile>
  readFile(path: string, options: SftpReadFileOptions & { encoding: BufferEncoding }): Promise<string>
  readFile(path: string, options?: SftpReadFileOptions): Promise<Buffer>
  writeFile(path: string, data: string | Uint8Array, options?: SftpWriteFileOptions): Promise<void>
  appendFile(path: string, data: string | Uint8Array, options?: SftpWriteFileOptions): Promise<void>
  createReadStream(path: string, options?: SftpReadStreamOptions): Readable
  createWriteStream(path: string, options?: SftpWriteStreamOptions): Writable
  stat(path: string, options?: SftpCallOptions): Promise<SftpStats>
  lstat(path: string, options?: SftpCallOptions): Promise<SftpStats>
  setstat(path: string, attrs: SftpAttrs, options?: SftpLinkOptions): Promise<void>
  statvfs(path: string, options?: SftpCallOptions): Promise<SftpStatVfs>
  truncate(path: string, size?: number, options?: SftpCallOptions): Promise<void>
  chown(path: string, uid: number, gid: number, options?: SftpLinkOptions): Promise<void>
  chmod(path: string, mode: number, options?: SftpLinkOptions): Promise<void>
  utime(path: string, atime?: number | Date, mtime?: number | Date, options?: SftpLinkOptions): Promise<void>
  exists(path: string, options?: SftpCallOptions): Promise<boolean>
  lexists(path: string, options?: SftpCallOptions): Promise<boolean>
  isFile(path: string, options?: SftpCallOptions): Promise<boolean>
  isDir(path: string, options?: SftpCallOptions): Promise<boolean>
  isLink(path: string, options?: SftpCallOptions): Promise<boolean>
  getSize(path: string, options?: SftpCallOptions): Promise<number>
  getAtime(path: string, options?: SftpCallOptions): Promise<number>
  getMtime(path: string, options?: SftpCallOptions): Promise<number>
  remove(path: string, options?: SftpCallOptions): Promise<void>
  unlink(path: string, options?: SftpCallOptions): Promise<void>
  rename(oldPath: string, newPath: string, options?: SftpCallOptions): Promise<void>
  posixRename(oldPath: string, newPath: string, options?: SftpCallOptions): Promise<void>
  mkdir(path: string, options?: SftpMkdirOptions): Promise<void>
  makedirs(path: string, options?: SftpMakedirsOptions): Promise<void>
  rmdir(path: string, options?: SftpCallOptions): Promise<void>
  rmtree(path: string, options?: SftpRmtreeOptions): Promise<void>
  readdir(path?: string, options?: SftpCallOptions): Promise<SftpDirent[]>
  listdir(path?: string, options?: SftpCallOptions): Promise<string[]>
  scandir(path?: string, options?: SftpCallOptions): AsyncIterable<SftpDirent>
  glob(patterns: Paths, options?: SftpGlobOptions): SftpGlob
  realpath(path: string, options?: SftpCallOptions): Promise<string>
  getcwd(options?: SftpCallOptions): Promise<string>
  chdir(path: string, options?: SftpCallOptions): Promise<void>
  readlink(path: string, options?: SftpCallOptions): Promise<string>
  symlink(targetPath: string, linkPath: string, options?: SftpCallOptions): Promise<void>
  link(oldPath: string, newPath: string, options?: SftpCallOptions): Promise<void>
  limits(): SftpLimits
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
