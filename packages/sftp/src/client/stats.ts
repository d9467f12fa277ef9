/** What `stat` answers: attributes with the questions people ask of them. */

import { type ExtensionPair, type FileType, type SftpAttrs, type TextHint, typeOfAttrs } from '../protocol/attrs.js'

/** Attributes of a remote file. A field the server did not send is undefined. */
export class SftpStats implements SftpAttrs {
  declare readonly size?: number
  declare readonly allocationSize?: number
  declare readonly uid?: number
  declare readonly gid?: number
  declare readonly owner?: string
  declare readonly group?: string
  declare readonly permissions?: number
  declare readonly atime?: number
  declare readonly atimeNs?: number
  declare readonly createTime?: number
  declare readonly createTimeNs?: number
  declare readonly mtime?: number
  declare readonly mtimeNs?: number
  declare readonly ctime?: number
  declare readonly ctimeNs?: number
  declare readonly acl?: Uint8Array
  declare readonly attribBits?: number
  declare readonly attribBitsValid?: number
  declare readonly textHint?: TextHint
  declare readonly mimeType?: string
  declare readonly linkCount?: number
  declare readonly untranslatedName?: Uint8Array
  declare readonly extended?: readonly ExtensionPair[]
  readonly #type: FileType

  constructor(attrs: SftpAttrs) {
    const { type: _type, ...fields } = attrs
    Object.assign(this, fields)
    this.#type = typeOfAttrs(attrs)
  }

  /** What kind of file it is; `unknown` when the server does not say. */
  get type(): FileType {
    return this.#type
  }

  /** POSIX mode with the file type, as `fs.Stats` calls it; undefined when the server sent none. */
  get mode(): number | undefined {
    return this.permissions
  }

  /** Last access, to the millisecond; undefined when the server does not tell. */
  get atimeDate(): Date | undefined {
    return dateOf(this.atime, this.atimeNs)
  }

  /** Last change of the content, to the millisecond; undefined when the server does not tell. */
  get mtimeDate(): Date | undefined {
    return dateOf(this.mtime, this.mtimeNs)
  }

  /** Last change of the attributes, to the millisecond; undefined when the server does not tell (before version 6). */
  get ctimeDate(): Date | undefined {
    return dateOf(this.ctime, this.ctimeNs)
  }

  /** Creation, to the millisecond; undefined when the server does not tell (before version 4). */
  get createDate(): Date | undefined {
    return dateOf(this.createTime, this.createTimeNs)
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

  isSocket(): boolean {
    return this.type === 'socket'
  }

  isFIFO(): boolean {
    return this.type === 'fifo'
  }

  isBlockDevice(): boolean {
    return this.type === 'blockDevice'
  }

  isCharacterDevice(): boolean {
    return this.type === 'characterDevice'
  }
}

function dateOf(seconds: number | undefined, nanoseconds = 0): Date | undefined {
  return seconds === undefined ? undefined : new Date(seconds * 1000 + Math.floor(nanoseconds / 1_000_000))
}

/** A name in a directory. */
export interface SftpDirent {
  /** The name alone, without its directory. Bytes that are not UTF-8 are escaped reversibly. */
  readonly name: string
  readonly attrs: SftpStats
  /**
   * The server's `ls -l` line, for people only: its form is up to the server, and so is its truth. Only version 3 has
   * it; undefined in later ones.
   */
  readonly longName?: string | undefined
}
