import type { Readable, Writable } from 'node:stream'
import type { SftpAttrs } from '../protocol/attrs.js'
import type { SftpStatVfs } from '../protocol/extensions.js'
import type { SftpCallOptions, SftpReadFileOptions, SftpReadStreamOptions, SftpWriteStreamOptions } from './options.js'
import type { SftpStats } from './stats.js'

/** An open remote file. Signatures first; bodies follow. */
export declare class SftpFile implements AsyncIterable<Buffer> {
  readonly path: string
  read(length?: number, position?: number, options?: SftpCallOptions): Promise<Buffer>
  readFile(options: SftpReadFileOptions & { encoding: BufferEncoding }): Promise<string>
  readFile(options?: SftpReadFileOptions): Promise<Buffer>
  write(data: string | Uint8Array, position?: number, options?: SftpCallOptions): Promise<number>
  seek(offset: number, from?: 'start' | 'current' | 'end', options?: SftpCallOptions): Promise<number>
  tell(options?: SftpCallOptions): Promise<number>
  stat(options?: SftpCallOptions): Promise<SftpStats>
  setstat(attrs: SftpAttrs, options?: SftpCallOptions): Promise<void>
  statvfs(options?: SftpCallOptions): Promise<SftpStatVfs>
  truncate(size?: number, options?: SftpCallOptions): Promise<void>
  chown(uid: number, gid: number, options?: SftpCallOptions): Promise<void>
  chmod(mode: number, options?: SftpCallOptions): Promise<void>
  utime(atime?: number | Date, mtime?: number | Date, options?: SftpCallOptions): Promise<void>
  sync(options?: SftpCallOptions): Promise<void>
  createReadStream(options?: SftpReadStreamOptions): Readable
  createWriteStream(options?: SftpWriteStreamOptions): Writable
  close(options?: SftpCallOptions): Promise<void>
  [Symbol.asyncIterator](): AsyncIterator<Buffer>
  [Symbol.asyncDispose](): Promise<void>
}
