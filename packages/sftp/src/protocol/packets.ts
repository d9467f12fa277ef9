/**
 * Every message of SFTP version 3: draft-ietf-secsh-filexfer-02 §4, §6, §7. Those of later versions are in
 * later-packets.ts, and what they say in any version in model.ts.
 *
 * What the wire calls a request's `id` pairs it with its reply; INIT and VERSION have none. Each message is framed by
 * a uint32 length, see framing.ts.
 */

import { list, message, messageSet, optionalTail, repeated, rest, string, struct, text, uint32 } from '@ssh/wire'
import { attrs, extensionPair, uint53 } from './attrs.js'
import { lastString, openFlagsField, orElse } from './field-codecs.js'
import { fileName } from './file-name.js'

const draft = (section: string) => `draft-ietf-secsh-filexfer-02 §${section}`

/** Requests, from the client. */
export const requests = {
  init: message('init', 1, draft('4'), { version: uint32, extensions: repeated(extensionPair) }),
  open: message('open', 3, draft('6.3'), { id: uint32, path: fileName, flags: openFlagsField, attrs }),
  close: message('close', 4, draft('6.3'), { id: uint32, handle: string }),
  read: message('read', 5, draft('6.4'), { id: uint32, handle: string, offset: uint53, length: uint32 }),
  write: message('write', 6, draft('6.4'), { id: uint32, handle: string, offset: uint53, data: lastString }),
  lstat: message('lstat', 7, draft('6.8'), { id: uint32, path: fileName }),
  fstat: message('fstat', 8, draft('6.8'), { id: uint32, handle: string }),
  setstat: message('setstat', 9, draft('6.9'), { id: uint32, path: fileName, attrs }),
  fsetstat: message('fsetstat', 10, draft('6.9'), { id: uint32, handle: string, attrs }),
  opendir: message('opendir', 11, draft('6.7'), { id: uint32, path: fileName }),
  readdir: message('readdir', 12, draft('6.7'), { id: uint32, handle: string }),
  remove: message('remove', 13, draft('6.5'), { id: uint32, path: fileName }),
  mkdir: message('mkdir', 14, draft('6.6'), { id: uint32, path: fileName, attrs }),
  rmdir: message('rmdir', 15, draft('6.6'), { id: uint32, path: fileName }),
  realpath: message('realpath', 16, draft('6.11'), { id: uint32, path: fileName }),
  stat: message('stat', 17, draft('6.8'), { id: uint32, path: fileName }),
  rename: message('rename', 18, draft('6.5'), { id: uint32, oldPath: fileName, newPath: fileName }),
  readlink: message('readlink', 19, draft('6.10'), { id: uint32, path: fileName }),
  // The draft says linkpath, targetpath; OpenSSH sends and expects the reverse, and so does the world after it.
  symlink: message('symlink', 20, `${draft('6.10')}, OpenSSH PROTOCOL §4.1`, {
    id: uint32,
    targetPath: fileName,
    linkPath: fileName,
  }),
  extended: message('extended', 200, draft('8'), { id: uint32, request: text, payload: rest }),
} as const

/** A name in a listing, with the line `ls -l` would print and the file's attributes. */
export const nameEntry = struct('name entry', { fileName, longName: orElse(text, ''), attrs })

/** Replies, from the server. */
export const replies = {
  version: message('version', 2, draft('4'), { version: uint32, extensions: repeated(extensionPair) }),
  // Old servers leave out the text and its language.
  status: message('status', 101, draft('7'), {
    id: uint32,
    code: uint32,
    message: optionalTail(text, ''),
    languageTag: optionalTail(text, ''),
  }),
  handle: message('handle', 102, draft('7'), { id: uint32, handle: string }),
  data: message('data', 103, draft('7'), { id: uint32, data: string }),
  name: message('name', 104, draft('7'), { id: uint32, entries: list(nameEntry, 12) }),
  attrs: message('attrs', 105, draft('7'), { id: uint32, attrs }),
  extendedReply: message('extendedReply', 201, draft('8'), { id: uint32, payload: rest }),
} as const

export const requestMessages = messageSet(...Object.values(requests))
export const replyMessages = messageSet(...Object.values(replies))

export type { Reply, Request } from './model.js'
