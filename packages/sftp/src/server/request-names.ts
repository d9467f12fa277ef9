/** Requests by the names that people use for them: those of sftp-server(8), which `-Q requests` lists. */

import type { ExtendedRequestName } from '../protocol/extensions.js'
import type { Request } from '../protocol/model.js'

/** One kind of request. */
interface RequestRow {
  readonly name: string
  /** Whether it changes files; OPEN does for some flags, see request-gate.ts. */
  readonly isChange: boolean
}

const looks = (name: string): RequestRow => ({ name, isChange: false })
const changes = (name: string): RequestRow => ({ name, isChange: true })

const plainRows: Readonly<Record<Exclude<Request['type'], 'init' | 'extended'>, RequestRow>> = {
  open: looks('open'),
  close: looks('close'),
  read: looks('read'),
  write: changes('write'),
  lstat: looks('lstat'),
  fstat: looks('fstat'),
  setstat: changes('setstat'),
  fsetstat: changes('fsetstat'),
  opendir: looks('opendir'),
  readdir: looks('readdir'),
  remove: changes('remove'),
  mkdir: changes('mkdir'),
  rmdir: changes('rmdir'),
  realpath: looks('realpath'),
  stat: looks('stat'),
  rename: changes('rename'),
  readlink: looks('readlink'),
  symlink: changes('symlink'),
  link: changes('link'),
  block: looks('block'),
  unblock: looks('unblock'),
}

const extendedRows: Readonly<Record<ExtendedRequestName, RequestRow>> = {
  'posix-rename@openssh.com': changes('posix-rename'),
  'statvfs@openssh.com': looks('statvfs'),
  'fstatvfs@openssh.com': looks('fstatvfs'),
  'hardlink@openssh.com': changes('hardlink'),
  'fsync@openssh.com': changes('fsync'),
  'lsetstat@openssh.com': changes('lsetstat'),
  'limits@openssh.com': looks('limits'),
  'expand-path@openssh.com': looks('expand-path'),
  'copy-data': changes('copy-data'),
  'home-directory': looks('home-directory'),
  'users-groups-by-id@openssh.com': looks('users-groups-by-id'),
  'ranges@asyncssh.com': looks('ranges'),
  'check-file-handle': looks('check-file-handle'),
}

const extendedByName: ReadonlyMap<string, RequestRow> = new Map(Object.entries(extendedRows))

/** Every name, in the order in which `-Q requests` tells them. */
export const requestNames: readonly string[] = [...Object.values(plainRows), ...extendedByName.values()].map(
  ({ name }) => name,
)

/** The row of a request; undefined for one that nobody knows. */
export function requestRow(request: Request): RequestRow | undefined {
  if (request.type === 'extended') return extendedByName.get(request.request)
  return request.type === 'init' ? undefined : plainRows[request.type]
}

/** The row of an extended request, by the name it has on the wire. */
export function extendedRequestRow(name: string): RequestRow | undefined {
  return extendedByName.get(name)
}
