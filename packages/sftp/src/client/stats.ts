/** What `stat` answers: attributes with the questions people ask of them. */

import { type ExtensionPair, type FileType, fileTypeOf, type SftpAttrs } from '../protocol/attrs.js'

/** Attributes of a remote file. A field the server did not send is undefined. */
export class SftpStats implements SftpAttrs {
  declare readonly size?: number
  declare readonly uid?: number
  declare readonly gid?: number
  declare readonly permissions?: number
  declare readonly atime?: number
  declare readonly mtime?: number
  declare readonly extended?: readonly ExtensionPair[]

  constructor(attrs: SftpAttrs) {
    Object.assign(this, attrs)
  }

  /** What kind of file it is; `unknown` when the server sent no mode. */
  get type(): FileType {
    return fileTypeOf(this.permissions)
  }

  /** POSIX mode with the file type, as `fs.Stats` calls it; undefined when the server sent none. */
  get mode(): number | undefined {
    return this.permissions
  }

  isFile(): boolean {
    return this.type === 'file'
  }

  isDirectory(): boolean {
    return this.type === 'directory'
  }

  isSymbolicLink(): boolean {
    return this.type === 'symlink'
  }
}

/** A name in a directory. */
export interface SftpDirent {
  /** The name alone, without its directory. Bytes that are not UTF-8 are escaped reversibly. */
  readonly name: string
  readonly attrs: SftpStats
  /** The server's `ls -l` line, for people only: its form is up to the server, and so is its truth. */
  readonly longName: string
}
