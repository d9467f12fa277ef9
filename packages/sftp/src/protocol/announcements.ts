/**
 * What a server says of itself in VERSION, beside the extended requests it knows: names with data of their own layout.
 * @see draft-ietf-secsh-filexfer-13 §5, draft-ietf-secsh-filexfer-05 §4
 */

import {
  type Codec,
  type FieldValues,
  list,
  repeated,
  rest,
  type Struct,
  struct,
  text,
  uint32,
  uint64,
} from '@ssh/wire'
import type { ExtensionPair } from './attrs.js'

const uint16: Codec<number> = {
  typeName: 'uint16',
  read: (reader) => reader.readByte() * 0x100 + reader.readByte(),
  write: (writer, value) => void writer.writeByte(value >>> 8).writeByte(value & 0xff),
}

/** Data of `vendor-id` (draft-ietf-secsh-filexfer-13). */
const vendorId = struct('vendor-id', {
  vendorName: text,
  productName: text,
  productVersion: text,
  productBuild: uint64,
})

/** Data of `supported` (draft-ietf-secsh-filexfer-05 §4). */
const supported = struct('supported', {
  attributeMask: uint32,
  attributeBits: uint32,
  openFlags: uint32,
  accessMask: uint32,
  maxReadSize: uint32,
  extensions: repeated(text),
})

/** Data of `supported2` (draft-ietf-secsh-filexfer-13 §5). */
const supported2 = struct('supported2', {
  attributeMask: uint32,
  attributeBits: uint32,
  openFlags: uint32,
  accessMask: uint32,
  maxReadSize: uint32,
  openBlockVector: uint16,
  blockVector: uint16,
  attributeExtensions: list(text, 4),
  extensions: list(text, 4),
})

const aclSupported = struct('acl-supported', { capabilities: uint32 })

const characters = struct('text', { bytes: rest })

/** Payload of the request that chooses among the versions a server announced (draft-ietf-secsh-filexfer-13 §5). */
export const versionSelect = struct('version-select', { version: text })

/** What a server says it can do; versions 5 and 6. */
export interface SftpSupported {
  /** A sum of `attrFlags`: attributes that can be set. */
  readonly attributeMask: number
  /** A sum of `attribBits` that can be set. */
  readonly attributeBits: number
  /** A sum of `accessFlags` that a file can be opened with. */
  readonly openFlags: number
  /** A sum of `accessMask` that a file can be opened with. */
  readonly accessMask: number
  /** Bytes one READ gets for certain; 0 when the server does not say. */
  readonly maxReadSize: number
  /** Which sums of blocks a file can be opened with: bit n for the sum n of the four block flags. Version 6. */
  readonly openBlockVector?: number
  /** Which sums of blocks a range can be locked with, as `openBlockVector`. Version 6. */
  readonly blockVector?: number
  /** Names of vendor attributes it knows. Version 6. */
  readonly attributeExtensions?: readonly string[]
  /** Names of extended requests it knows. */
  readonly extensions: readonly string[]
}

/** Who made the server. Text of the server: for people only. */
export type SftpVendor = FieldValues<typeof vendorId.fields>

/** What a server said of itself; what it did not say, or said in a way that cannot be read, is absent. */
export interface SftpAnnouncements {
  /** How lines end in text files of the server. */
  readonly newline?: string
  readonly vendor?: SftpVendor
  readonly supported?: SftpSupported
  /** SSH_ACL_CAP_* (draft-ietf-secsh-filexfer-13 §7.8). */
  readonly aclCapabilities?: number
  /** Versions of the protocol that the server could speak. */
  readonly versions?: readonly number[]
}

/** Reads what is known of the pairs in VERSION. */
export function readAnnouncements(extensions: readonly ExtensionPair[]): SftpAnnouncements {
  const data = new Map(extensions.map((pair) => [pair.name, pair.data]))
  /** A server that garbles what it could as well have left out is served as one that left it out. */
  const read = <F extends Record<string, Codec<unknown>>>(name: string, layout: Struct<F>) => {
    const bytes = data.get(name)
    try {
      return bytes && layout.decode(bytes)
    } catch {
      return undefined
    }
  }
  const asText = (name: string): string | undefined => {
    const bytes = read(name, characters)?.bytes
    return bytes && Buffer.from(bytes).toString('utf8')
  }
  const newline = asText('newline')
  const vendor = read('vendor-id', vendorId)
  const told = read('supported2', supported2) ?? read('supported', supported)
  const acl = read('acl-supported', aclSupported)
  const versions = asText('versions')
  return {
    ...(newline !== undefined && { newline }),
    ...(vendor !== undefined && { vendor }),
    ...(told !== undefined && { supported: told }),
    ...(acl !== undefined && { aclCapabilities: acl.capabilities }),
    ...(versions !== undefined && { versions: versionsOf(versions) }),
  }
}

function versionsOf(names: string): number[] {
  return names.split(',', 64).flatMap((name) => (/^\d{1,3}$/.test(name) ? [Number(name)] : []))
}

/** What a server of ours says of itself. */
export interface OwnAnnouncements {
  readonly newline: string
  readonly vendor: SftpVendor
  readonly supported: Required<SftpSupported>
}

const newlinePair = ({ newline }: OwnAnnouncements): ExtensionPair => ({ name: 'newline', data: Buffer.from(newline) })
const vendorPair = ({ vendor }: OwnAnnouncements): ExtensionPair => ({
  name: 'vendor-id',
  data: vendorId.encode(vendor),
})

/** The pairs for VERSION, of those that version 4 has. */
export function announcements4(own: OwnAnnouncements): ExtensionPair[] {
  return [newlinePair(own)]
}

/** The pairs for VERSION, of those that version 5 has. */
export function announcements5(own: OwnAnnouncements): ExtensionPair[] {
  const data = supported.encode({ ...own.supported, extensions: [...own.supported.extensions] })
  return [newlinePair(own), vendorPair(own), { name: 'supported', data }]
}

/** The pairs for VERSION, of those that version 6 has. */
export function announcements6(own: OwnAnnouncements): ExtensionPair[] {
  const { extensions, attributeExtensions } = own.supported
  const told = { ...own.supported, extensions: [...extensions], attributeExtensions: [...attributeExtensions] }
  return [
    newlinePair(own),
    vendorPair(own),
    // No access control lists are kept, so none of what could be done with them can be.
    { name: 'acl-supported', data: aclSupported.encode({ capabilities: 0 }) },
    { name: 'supported2', data: supported2.encode(told) },
  ]
}
