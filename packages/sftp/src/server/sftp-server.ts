import type { SftpHandler } from './handler.js'

export interface SftpServerOptions {
  /** Directory that is `/` to the client; nothing outside it can be reached. Default: the whole file system. */
  readonly root?: string
  /** Where relative paths start. Default: `/` in a root, else the process's working directory. */
  readonly startDirectory?: string
  /** Refuses everything that would change a file. Default false. */
  readonly readOnly?: boolean
}

/** The local file system as a handler; override any method. Signatures first; bodies follow. */
export declare class SftpServer implements Required<Omit<SftpHandler<unknown>, 'end'>> {
  constructor(options?: SftpServerOptions)
  open: SftpHandler['open']
  close: SftpHandler['close']
  read: SftpHandler['read']
  write: SftpHandler['write']
  fstat: SftpHandler['fstat']
  fsetstat: SftpHandler['fsetstat']
  stat: SftpHandler['stat']
  lstat: SftpHandler['lstat']
  scandir: SftpHandler['scandir']
  realpath: SftpHandler['realpath']
  readlink: SftpHandler['readlink']
  setstat: SftpHandler['setstat']
  mkdir: SftpHandler['mkdir']
  rmdir: SftpHandler['rmdir']
  remove: SftpHandler['remove']
  rename: SftpHandler['rename']
  symlink: SftpHandler['symlink']
  posixRename: Required<SftpHandler>['posixRename']
  link: Required<SftpHandler>['link']
  lsetstat: Required<SftpHandler>['lsetstat']
  statvfs: Required<SftpHandler>['statvfs']
  fstatvfs: Required<SftpHandler>['fstatvfs']
  fsync: Required<SftpHandler>['fsync']
  /** Where a client's path is on this machine. */
  mapPath(path: string, followLast?: boolean): Promise<string>
  /** What a path on this machine is to the client. */
  reverseMapPath(localPath: string): string
}
