/**
 * Messages of versions 4, 5 and 6: what differs from the version before.
 * @see draft-ietf-secsh-filexfer-04, -05, -13
 */

import {
  boolean,
  byte,
  type Codec,
  type Fields,
  list,
  message,
  optional,
  optionalTail,
  repeated,
  rest,
  string,
  struct,
  text,
  uint32,
} from '@ssh/wire'
import { attrFlags, type SftpAttrs, uint53 } from './attrs.js'
import { excess, lastString, openAccessField, openFlagsField, orElse } from './field-codecs.js'
import { fileName } from './file-name.js'
import { knownAttrFlags, type LaterVersion, laterAttrs } from './later-attrs.js'
import type { ReplyLayouts, RequestLayouts } from './model.js'
import * as version3 from './packets.js'

/** What is asked for unless told: all but access control lists and names in another character set, which few can use. */
function usuallyWanted(version: LaterVersion): number {
  return (knownAttrFlags(version) & ~(attrFlags.acl | attrFlags.untranslatedName)) >>> 0
}

/** Requests of version 4: names for owners, nanoseconds, and STAT says what it wants. */
function requestsOf4(version: LaterVersion, attrs: Codec<SftpAttrs>, source: (section: string) => string) {
  const wanted = orElse(uint32, usuallyWanted(version))
  return {
    ...version3.requests,
    open: message('open', 3, source('6.3'), { id: uint32, path: fileName, flags: openFlagsField, attrs }),
    lstat: message('lstat', 7, source('6.8'), { id: uint32, path: fileName, wanted }),
    fstat: message('fstat', 8, source('6.8'), { id: uint32, handle: string, wanted }),
    setstat: message('setstat', 9, source('6.9'), { id: uint32, path: fileName, attrs }),
    fsetstat: message('fsetstat', 10, source('6.9'), { id: uint32, handle: string, attrs }),
    mkdir: message('mkdir', 14, source('6.6'), { id: uint32, path: fileName, attrs }),
    stat: message('stat', 17, source('6.8'), { id: uint32, path: fileName, wanted }),
  } satisfies RequestLayouts
}

function repliesOf4(attrs: Codec<SftpAttrs>, source: (section: string) => string) {
  const entry = struct('name entry without a long name', { fileName, attrs })
  return {
    ...version3.replies,
    name: message('name', 104, source('7'), { id: uint32, entries: list(entry, 9) }),
    attrs: message('attrs', 105, source('7'), { id: uint32, attrs }),
  } satisfies ReplyLayouts
}

/** Requests of version 5: files are opened by rights, and a rename can replace. */
function requestsOf5(version: LaterVersion, attrs: Codec<SftpAttrs>, source: (section: string) => string) {
  return {
    ...requestsOf4(version, attrs, source),
    open: message('open', 3, source('6.3'), { id: uint32, path: fileName, flags: openAccessField, attrs }),
    rename: message('rename', 18, source('6.5'), {
      id: uint32,
      oldPath: fileName,
      newPath: fileName,
      flags: orElse(uint32, 0),
    }),
  } satisfies RequestLayouts
}

/** Replies of version 5: a status may be followed by what it is about. */
function repliesOf5(attrs: Codec<SftpAttrs>, source: (section: string) => string) {
  return {
    ...repliesOf4(attrs, source),
    status: message('status', 101, source('7'), {
      id: uint32,
      code: uint32,
      message: optionalTail(text, ''),
      languageTag: optionalTail(text, ''),
      excess,
    }),
  } satisfies ReplyLayouts
}

const draft04 = (section: string): string => `draft-ietf-secsh-filexfer-04 §${section}`
const draft05 = (section: string): string => `draft-ietf-secsh-filexfer-05 §${section}`
const draft13 = (section: string): string => `draft-ietf-secsh-filexfer-13 §${section}`

const attrs4 = laterAttrs(4)
const attrs5 = laterAttrs(5)
const attrs6 = laterAttrs(6)

export const version4 = {
  attrs: attrs4,
  requests: requestsOf4(4, attrs4, draft04),
  replies: repliesOf4(attrs4, draft04),
} as const

export const version5 = {
  attrs: attrs5,
  requests: requestsOf5(5, attrs5, draft05),
  replies: repliesOf5(attrs5, draft05),
} as const

/** Version 6 takes any message with more behind it (draft-ietf-secsh-filexfer-13 §4). */
function message6<const N extends string, const F extends Fields>(name: N, number: number, section: string, fields: F) {
  return message(name, number, draft13(section), { ...fields, excess })
}

/** SSH_FXP_REALPATH_NO_CHECK, which is also meant when nothing is said. */
const noCheck = 1

const controlByte: Codec<number | undefined> = {
  typeName: 'byte (may be absent)',
  read: (reader) => (reader.remaining === 0 ? undefined : byte.read(reader)),
  // AsyncSSH 2.24 refuses a request without it.
  write: (writer, value) => byte.write(writer, value ?? noCheck),
}

const composePaths: Codec<readonly string[] | undefined> = {
  typeName: 'string (file name) until the end',
  read: (reader) => repeated(fileName).read(reader),
  write: (writer, paths = []) => repeated(fileName).write(writer, [...paths]),
}

const attrs = attrs6
const wanted = orElse(uint32, usuallyWanted(6))
const handleOnly = { id: uint32, handle: string }
const pathOnly = { id: uint32, path: fileName }

export const version6 = {
  attrs,
  requests: {
    init: version3.requests.init,
    open: message6('open', 3, '8.1.1', { ...pathOnly, flags: openAccessField, attrs }),
    close: message6('close', 4, '8.1.3', handleOnly),
    read: message6('read', 5, '8.2.1', { ...handleOnly, offset: uint53, length: uint32 }),
    write: message6('write', 6, '8.2.3', { ...handleOnly, offset: uint53, data: lastString }),
    lstat: message6('lstat', 7, '8.5', { ...pathOnly, wanted }),
    fstat: message6('fstat', 8, '8.5', { ...handleOnly, wanted }),
    setstat: message6('setstat', 9, '8.6', { ...pathOnly, attrs }),
    fsetstat: message6('fsetstat', 10, '8.6', { ...handleOnly, attrs }),
    opendir: message6('opendir', 11, '8.1.2', pathOnly),
    readdir: message6('readdir', 12, '8.2.2', handleOnly),
    remove: message6('remove', 13, '8.3', pathOnly),
    mkdir: message6('mkdir', 14, '8.4', { ...pathOnly, attrs }),
    rmdir: message6('rmdir', 15, '8.4', pathOnly),
    realpath: message('realpath', 16, draft13('8.9'), { ...pathOnly, check: controlByte, composePaths }),
    stat: message6('stat', 17, '8.5', { ...pathOnly, wanted }),
    rename: message6('rename', 18, '8.3', {
      id: uint32,
      oldPath: fileName,
      newPath: fileName,
      flags: orElse(uint32, 0),
    }),
    readlink: message6('readlink', 19, '8.7', pathOnly),
    link: message6('link', 21, '8.7', { id: uint32, linkPath: fileName, targetPath: fileName, isSymbolic: boolean }),
    block: message6('block', 22, '8.8', { ...handleOnly, offset: uint53, length: uint53, mask: uint32 }),
    unblock: message6('unblock', 23, '8.8', { ...handleOnly, offset: uint53, length: uint53 }),
    extended: message('extended', 200, draft13('4.3'), { id: uint32, request: text, payload: rest }),
  } satisfies RequestLayouts,
  replies: {
    ...repliesOf5(attrs, draft13),
    handle: message6('handle', 102, '9.2', handleOnly),
    data: message6('data', 103, '9.3', { id: uint32, data: string, isLast: optional(boolean) }),
    name: message6('name', 104, '9.4', {
      id: uint32,
      entries: list(struct('name entry without a long name', { fileName, attrs }), 9),
      isLast: optional(boolean),
    }),
    attrs: message6('attrs', 105, '9.5', { id: uint32, attrs }),
  } satisfies ReplyLayouts,
} as const
