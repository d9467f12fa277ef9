/** The line `ls -l` prints, which version 3 sends along with each name (draft-ietf-secsh-filexfer-02 §7). */

import { type FileType, type SftpAttrs, typeOfAttrs } from '../protocol/attrs.js'

const typeLetters: Readonly<Record<FileType, string>> = {
  fifo: 'p',
  characterDevice: 'c',
  directory: 'd',
  blockDevice: 'b',
  file: '-',
  symlink: 'l',
  socket: 's',
  special: '?',
  unknown: '?',
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** A file older than this shows its year instead of the time of day. */
const halfYearMs = 182 * 24 * 60 * 60 * 1000

/** Names of users and groups, where a server knows them. */
export interface OwnerNames {
  user?(uid: number): string
  group?(gid: number): string
}

/**
 * @param now milliseconds since 1970
 * @param owners default: the numbers
 */
export function longName(name: string, attrs: SftpAttrs, now: number, owners: OwnerNames = {}): string {
  const { uid, gid, size = 0, mtime } = attrs
  const user = uid === undefined ? '?' : (owners.user?.(uid) ?? String(uid))
  const group = gid === undefined ? '?' : (owners.group?.(gid) ?? String(gid))
  const fields = [
    modeText(attrs),
    '1'.padStart(4),
    user.padEnd(8),
    group.padEnd(8),
    String(size).padStart(8),
    mtime === undefined ? '?'.padEnd(12) : dateText(mtime * 1000, now),
    name,
  ]
  return fields.join(' ')
}

function modeText(attrs: SftpAttrs): string {
  const { permissions } = attrs
  if (permissions === undefined) return '??????????'
  const triple = (shift: number, special: number, letters: string): string => {
    const bits = permissions >> shift
    const isSpecial = (permissions & special) !== 0
    const execute = bits & 1 ? (isSpecial ? letters[0] : 'x') : isSpecial ? letters[1] : '-'
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${execute}`
  }
  return typeLetters[typeOfAttrs(attrs)] + triple(6, 0o4000, 'sS') + triple(3, 0o2000, 'sS') + triple(0, 0o1000, 'tT')
}

function dateText(timeMs: number, now: number): string {
  const date = new Date(timeMs)
  const two = (value: number): string => String(value).padStart(2, '0')
  const isRecent = timeMs <= now && now - timeMs < halfYearMs
  const last = isRecent ? `${two(date.getHours())}:${two(date.getMinutes())}` : String(date.getFullYear()).padStart(5)
  return `${months[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${last}`
}
