/** What sftp-server logs of a request: the lines of OpenSSH's, at its levels, so that what reads those reads these. */

import { printable } from '@ssh/wire'
import type { SftpAttrs } from '../protocol/attrs.js'
import { openFlags } from '../protocol/open-flags.js'
import type { SftpRequestEvent } from '../server/request-event.js'
import type { LogLine } from './server-log.js'

/** The words of statuses that version 3 has, by the codes that are answered with them. */
const statusWords = new Map([
  ['ENOENT', 'No such file'],
  ['ENOTDIR', 'No such file'],
  ['ELOOP', 'No such file'],
  ['EACCES', 'Permission denied'],
  ['EPERM', 'Permission denied'],
  ['EROFS', 'Permission denied'],
  ['EINVAL', 'Bad message'],
  ['ENAMETOOLONG', 'Bad message'],
  ['ERR_SFTP_BAD_MESSAGE', 'Bad message'],
  ['ENOTSUP', 'Operation unsupported'],
  ['ENOSYS', 'Operation unsupported'],
])

/** Lines for one request, in the order in which they are logged. */
export function logLines(event: SftpRequestEvent): LogLine[] {
  const { request, code, refused } = event
  const lines: LogLine[] = []
  if (refused === 'read-only') lines.push(verbose(`Refusing ${request} request in read-only mode`))
  else if (refused === 'denied') lines.push(verbose(`Refusing denylisted ${request} request`))
  else if (refused === 'not-allowed') lines.push(verbose(`Refusing non-allowlisted ${request} request`))
  else lines.push(...linesOf(event))
  if (code !== undefined && code !== 'ERR_SFTP_EOF')
    lines.push(info(`sent status ${statusWords.get(code) ?? 'Failure'}`))
  return lines
}

function linesOf(event: SftpRequestEvent): LogLine[] {
  const { request, attrs = {}, total, isForced } = event
  const path = quoted(event.path)
  const both = `old ${path} new ${quoted(event.newPath)}`
  switch (request) {
    case 'open':
      return [info(`open ${path} flags ${flagWords(event.flags)} mode 0${octal(attrs.permissions ?? 0o666)}`)]
    case 'close': {
      const how = isForced ? 'forced ' : ''
      if (total === undefined) return [info(`${how}closedir ${path}`)]
      return [info(`${how}close ${path} bytes read ${total.read} written ${total.written}`)]
    }
    case 'opendir':
    case 'statvfs':
      return [info(`${request} ${path}`)]
    case 'remove':
    case 'rmdir':
      return [info(`${request} name ${path}`)]
    case 'mkdir':
      return [info(`mkdir name ${path} mode 0${octal((attrs.permissions ?? 0o777) & 0o7777)}`)]
    case 'rename':
    case 'posix-rename':
    case 'symlink':
    case 'hardlink':
      return [info(`${request} ${both}`)]
    case 'setstat':
    case 'fsetstat':
    case 'lsetstat':
      return attrLines(path, attrs)
    case 'stat':
    case 'lstat':
      return [verbose(`${request} name ${path}`)]
    case 'realpath':
    case 'readlink':
    case 'fsync':
      return [verbose(`${request} ${path}`)]
    case 'expand-path':
      return [verbose(`expand ${path}`)]
    case 'home-directory':
    case 'users-groups-by-id':
      return [verbose(request)]
    default:
      return [{ level: 'DEBUG', text: event.path === undefined ? request : `${request} ${path}` }]
  }
}

function attrLines(path: string, { size, permissions, mtime, uid, gid }: SftpAttrs): LogLine[] {
  const lines: LogLine[] = []
  if (size !== undefined) lines.push(info(`set ${path} size ${size}`))
  if (permissions !== undefined) lines.push(info(`set ${path} mode ${octal(permissions).padStart(4, '0')}`))
  if (mtime !== undefined) lines.push(info(`set ${path} modtime ${timeText(mtime)}`))
  if (uid !== undefined) lines.push(info(`set ${path} owner ${uid} group ${gid ?? ''}`))
  return lines
}

function flagWords(flags: SftpRequestEvent['flags']): string {
  if (typeof flags !== 'number') return flags === undefined ? '' : `0x${flags.flags.toString(16)}`
  const words = ['READ', 'WRITE', 'APPEND', 'CREATE', 'TRUNCATE', 'EXCL']
  const bits = Object.values(openFlags)
  return words.filter((_word, index) => (flags & (bits[index] ?? 0)) !== 0).join(',')
}

/** As strftime's `%Y%m%d-%H:%M:%S`, in local time. */
function timeText(seconds: number): string {
  const date = new Date(seconds * 1000)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}`
  return `${day}-${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

function quoted(path = ''): string {
  return `"${printable(path, 4096)}"`
}

function octal(mode: number): string {
  return mode.toString(8)
}

function info(text: string): LogLine {
  return { level: 'INFO', text }
}

function verbose(text: string): LogLine {
  return { level: 'VERBOSE', text }
}
