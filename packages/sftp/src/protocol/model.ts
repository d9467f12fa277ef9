/**
 * What requests and replies say, whatever the version: the fields of every message, by name. A version's table of
 * layouts (packets.ts for 3, later-packets.ts) has a row for each message it knows; a field that its layout lacks is not
 * sent, and is absent in what is read.
 */

import type { Fields } from '@ssh/wire'
import type { ExtensionPair, SftpAttrs } from './attrs.js'
import type { OpenAccess } from './open-access.js'

/** A name of a listing, or the one that READLINK and REALPATH answer. */
export interface NameEntry {
  readonly fileName: string
  /** The line `ls -l` prints. Version 3. */
  readonly longName?: string | undefined
  readonly attrs: SftpAttrs
}

interface OfHandle {
  readonly id: number
  readonly handle: Uint8Array
}

interface OfPath {
  readonly id: number
  readonly path: string
}

interface Links {
  readonly id: number
  readonly linkPath: string
  readonly targetPath: string
}

/** A sum of `attrFlags` that the client wants to know. Versions 4 and later. */
interface Wanted {
  readonly wanted?: number | undefined
}

/** Fields of each request. */
export interface RequestFields {
  readonly init: { readonly version: number; readonly extensions: ExtensionPair[] }
  /** `flags`: a sum of `openFlags` in versions 3 and 4, rights and flags in later ones; either can be given. */
  readonly open: OfPath & { readonly flags: number | OpenAccess; readonly attrs: SftpAttrs }
  readonly close: OfHandle
  readonly read: OfHandle & { readonly offset: number; readonly length: number }
  readonly write: OfHandle & { readonly offset: number; readonly data: Uint8Array }
  readonly lstat: OfPath & Wanted
  readonly fstat: OfHandle & Wanted
  readonly setstat: OfPath & { readonly attrs: SftpAttrs }
  readonly fsetstat: OfHandle & { readonly attrs: SftpAttrs }
  readonly opendir: OfPath
  readonly readdir: OfHandle
  readonly remove: OfPath
  readonly mkdir: OfPath & { readonly attrs: SftpAttrs }
  readonly rmdir: OfPath
  /** `check` and `composePaths`: version 6. */
  readonly realpath: OfPath & {
    readonly check?: number | undefined
    readonly composePaths?: readonly string[] | undefined
  }
  readonly stat: OfPath & Wanted
  /** `flags`: a sum of `renameFlags`. Versions 5 and later. */
  readonly rename: {
    readonly id: number
    readonly oldPath: string
    readonly newPath: string
    readonly flags?: number | undefined
  }
  readonly readlink: OfPath
  /** Until version 5; later `link` says it too. */
  readonly symlink: Links
  /** Version 6: a symbolic link, or a second name for the file `targetPath`. */
  readonly link: Links & { readonly isSymbolic: boolean }
  /** Version 6: locks a range; `mask` is a sum of `lockFlags`, a `length` of 0 reaches to the end. */
  readonly block: OfHandle & { readonly offset: number; readonly length: number; readonly mask: number }
  /** Version 6. */
  readonly unblock: OfHandle & { readonly offset: number; readonly length: number }
  readonly extended: { readonly id: number; readonly request: string; readonly payload: Uint8Array }
}

/** Fields of each reply. */
export interface ReplyFields {
  readonly version: { readonly version: number; readonly extensions: ExtensionPair[] }
  readonly status: {
    readonly id: number
    readonly code: number
    readonly message: string
    readonly languageTag: string
  }
  readonly handle: OfHandle
  /** `isLast`: whether nothing follows in the file. Version 6, and even there it may be unsaid. */
  readonly data: { readonly id: number; readonly data: Uint8Array; readonly isLast?: boolean | undefined }
  /** `isLast`: whether nothing follows in the listing. Version 6, and even there it may be unsaid. */
  readonly name: { readonly id: number; readonly entries: NameEntry[]; readonly isLast?: boolean | undefined }
  readonly attrs: { readonly id: number; readonly attrs: SftpAttrs }
  readonly extendedReply: { readonly id: number; readonly payload: Uint8Array }
}

/** A decoded request. */
export type Request = { [N in keyof RequestFields]: { readonly type: N } & RequestFields[N] }[keyof RequestFields]

/** A decoded reply. */
export type Reply = { [N in keyof ReplyFields]: { readonly type: N } & ReplyFields[N] }[keyof ReplyFields]

/** How one version lays out one message. */
export interface Layout<N extends string, V extends object> {
  readonly name: N
  readonly number: number
  /** Document and section. */
  readonly source: string
  readonly fields: Fields
  /** The whole payload, number first. */
  encode(values: V): Uint8Array
  /** @throws WireError, SftpError */
  decode(payload: Uint8Array): { readonly type: N } & V
}

/** Requests that came with a later version, or went with one. */
type SomeVersions = 'symlink' | 'link' | 'block' | 'unblock'

/** How one version lays out all requests. */
export type RequestLayouts = {
  readonly [N in Exclude<keyof RequestFields, SomeVersions>]: Layout<N, RequestFields[N]>
} & { readonly [N in SomeVersions]?: Layout<N, RequestFields[N]> }

/** How one version lays out all replies. */
export type ReplyLayouts = { readonly [N in keyof ReplyFields]: Layout<N, ReplyFields[N]> }
