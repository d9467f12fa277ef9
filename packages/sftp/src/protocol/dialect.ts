/**
 * What tells the versions of SFTP apart, all in one place: a dialect has the layouts of its messages, and the words its
 * statuses have. Whoever makes or reads packets does so through the dialect that was negotiated.
 */

import { type Codec, messageSet, type PayloadTable, payloadTable, struct } from '@ssh/wire'
import { SftpError } from '../errors.js'
import { announcements4, announcements5, announcements6, type OwnAnnouncements } from './announcements.js'
import { attrFlags, type ExtensionPair, type SftpAttrs } from './attrs.js'
import {
  dataOfPacket,
  dataOfPacket6,
  dataTailroom,
  finishDataPacket,
  finishDataPacket6,
  type PacketData,
} from './data-packets.js'
import { extendedRequests } from './extensions.js'
import { fileName } from './file-name.js'
import type { Packet } from './framing.js'
import { knownAttrFlags } from './later-attrs.js'
import { version4, version5, version6 } from './later-packets.js'
import type { Reply, ReplyLayouts, Request, RequestLayouts } from './model.js'
import * as version3 from './packets.js'
import { statusOf } from './status.js'

/** Versions of SFTP that are spoken here. */
export type SftpVersion = 3 | 4 | 5 | 6

/** The version that every peer speaks. */
export const defaultVersion: SftpVersion = 3

/** Messages of one direction, told apart by their numbers. */
export interface MessageReader<M> {
  has(number: number): boolean
  /** @throws WireError for another number, or when the fields do not fit; SftpError for a number too large for us */
  decode(payload: Uint8Array): M
}

/** One version of the protocol. */
export interface Dialect {
  readonly version: SftpVersion
  readonly requests: RequestLayouts
  readonly replies: ReplyLayouts
  readonly requestMessages: MessageReader<Request>
  readonly replyMessages: MessageReader<Reply>
  /** Payloads of extended requests. */
  readonly extendedRequests: PayloadTable<(typeof extendedRequests)['rows']>
  /** The data of a DATA packet; see {@link dataOfPacket}. */
  dataOfPacket(packet: Packet): PacketData
  /** Bytes behind the data in a DATA packet that says that it is the last; 0 when it cannot say so. */
  readonly dataTailroom: number
  /**
   * Fills in the head of a DATA packet whose data starts behind `dataHeadroom`.
   * @param isLast whether the packet ends in {@link Dialect.dataTailroom} free bytes, to say that the file ends here
   */
  finishDataPacket(packet: Buffer, id: number, isLast: boolean): Buffer
  /** The status that tells an error with this code. */
  statusOf(code: string): number
  /** Whether names of owners and groups travel instead of their numbers. */
  readonly hasOwnerNames: boolean
  /** What a listing tells of each file: a sum of `attrFlags`, as STAT could ask for. Undefined where it cannot. */
  readonly listedAttrs: number | undefined
  /** Whether RENAME has flags. */
  readonly hasRenameFlags: boolean
  /** Whether REALPATH can answer with attributes. */
  readonly hasRealpathCheck: boolean
  /** What a server tells of itself in VERSION, beside the extended requests it knows. */
  announcements(own: OwnAnnouncements): ExtensionPair[]
  /** What is named that this version has no place for: it would be left out without a word. */
  unsayable(attrs: SftpAttrs): string[]
}

/** First version with a place for an attribute. Parts of a second and the type are left to each version. */
const attributesSince: readonly (readonly [name: keyof SftpAttrs, since: SftpVersion])[] = [
  ['createTime', 4],
  ['acl', 4],
  ['attribBits', 5],
  ['allocationSize', 6],
  ['ctime', 6],
  ['textHint', 6],
  ['mimeType', 6],
  ['linkCount', 6],
  ['untranslatedName', 6],
]

/** What every version does alike, or has since the beginning. */
const common = {
  extendedRequests,
  hasOwnerNames: true,
  hasRenameFlags: true,
  hasRealpathCheck: false,
  dataOfPacket,
  dataTailroom: 0,
  finishDataPacket: (packet: Buffer, id: number) => finishDataPacket(packet, id),
}

const dialect3: Dialect = {
  ...common,
  version: 3,
  requests: version3.requests,
  replies: version3.replies,
  requestMessages: version3.requestMessages,
  replyMessages: version3.replyMessages,
  hasOwnerNames: false,
  listedAttrs: undefined,
  hasRenameFlags: false,
  announcements: () => [],
  ...wordsOf(3),
}

const dialect4: Dialect = {
  ...common,
  version: 4,
  requests: version4.requests,
  replies: version4.replies,
  requestMessages: messageSet(...Object.values(version4.requests)),
  replyMessages: messageSet(...Object.values(version4.replies)),
  extendedRequests: extendedRequestsWith(version4.attrs),
  listedAttrs: knownAttrFlags(4),
  hasRenameFlags: false,
  announcements: announcements4,
  ...wordsOf(4),
}

const dialect5: Dialect = {
  ...common,
  version: 5,
  requests: version5.requests,
  replies: version5.replies,
  requestMessages: messageSet(...Object.values(version5.requests)),
  replyMessages: messageSet(...Object.values(version5.replies)),
  extendedRequests: extendedRequestsWith(version5.attrs),
  listedAttrs: knownAttrFlags(5),
  announcements: announcements5,
  ...wordsOf(5),
}

const dialect6: Dialect = {
  ...common,
  version: 6,
  requests: version6.requests,
  replies: version6.replies,
  requestMessages: messageSet(...Object.values(version6.requests)),
  replyMessages: messageSet(...Object.values(version6.replies)),
  extendedRequests: extendedRequestsWith(version6.attrs),
  // How much room files take on the disk is for those who ask: lftp 4.9 cannot read it.
  listedAttrs: (knownAttrFlags(6) & ~attrFlags.allocationSize) >>> 0,
  announcements: announcements6,
  hasRealpathCheck: true,
  dataOfPacket: dataOfPacket6,
  dataTailroom,
  finishDataPacket: finishDataPacket6,
  ...wordsOf(6),
}

/** All of them, the oldest first. */
export const dialects: readonly Dialect[] = [dialect3, dialect4, dialect5, dialect6]

/** The dialect both sides speak before they have agreed on one: INIT and VERSION are the same in all. */
export const firstDialect = dialect3

/** The dialect of a version; undefined for one that is not spoken here. */
export function dialectOf(version: number): Dialect | undefined {
  return dialects.find((dialect) => dialect.version === version)
}

/** @throws SftpError `EINVAL` for what is no version spoken here */
export function checkVersion(version: number): SftpVersion {
  const found = dialectOf(version)
  if (found !== undefined) return found.version
  throw new SftpError('EINVAL', `Expected sftpVersion to be 3, 4, 5 or 6, found ${version}`)
}

/** Extended requests are alike in all versions, but for the attributes in one of them. */
function extendedRequestsWith(attrs: Codec<SftpAttrs>): Dialect['extendedRequests'] {
  const { rows } = extendedRequests
  const { source } = rows['lsetstat@openssh.com']
  return payloadTable({
    ...rows,
    'lsetstat@openssh.com': { source, payload: struct('lsetstat', { path: fileName, attrs }) },
  })
}

/** What a version can and cannot say. */
function wordsOf(version: SftpVersion): Pick<Dialect, 'statusOf' | 'unsayable'> {
  const missing = attributesSince.filter(([, since]) => since > version).map(([name]) => name)
  return {
    statusOf: (code) => statusOf(code, version),
    unsayable(attrs) {
      const names: string[] = missing.filter((name) => attrs[name] !== undefined)
      const { owner, group, uid, gid } = attrs
      if (version === 3 && owner !== undefined && uid === undefined) names.push('owner')
      if (version === 3 && group !== undefined && gid === undefined) names.push('group')
      return names
    },
  }
}
