/** How a file is opened: draft-ietf-secsh-filexfer-02 §6.3. */

import { printable } from '@ssh/wire'
import { SftpError } from '../errors.js'

/** SSH_FXF_*. */
export const openFlags = {
  read: 0x01,
  write: 0x02,
  append: 0x04,
  create: 0x08,
  truncate: 0x10,
  exclusive: 0x20,
} as const

/** Every bit that version 3 knows. */
export const allOpenFlags = 0x3f

const { read, write, append, create, truncate, exclusive } = openFlags

/** The flags of `fs.open`, and Python's `x` for `wx`. */
const named = new Map<string, number>([
  ['r', read],
  ['r+', read | write],
  ['w', write | create | truncate],
  ['w+', read | write | create | truncate],
  ['wx', write | create | truncate | exclusive],
  ['wx+', read | write | create | truncate | exclusive],
  ['x', write | create | truncate | exclusive],
  ['x+', read | write | create | truncate | exclusive],
  ['a', write | create | append],
  ['a+', read | write | create | append],
  ['ax', write | create | append | exclusive],
  ['ax+', read | write | create | append | exclusive],
])

type OpenMode = 'r' | 'w' | 'wx' | 'x' | 'a' | 'ax'

/**
 * How a file is opened: a name as in `fs.open`, or a sum of {@link openFlags}. A `b`, as in Python's `rb` and `r+b`, is
 * taken and means nothing: files are bytes.
 */
export type OpenFlags = OpenMode | `${OpenMode}${'+' | 'b' | '+b' | 'b+'}` | number

/** The bits for `flags`. @throws SftpError `EINVAL` for a name or bits nobody knows */
export function parseOpenFlags(flags: OpenFlags): number {
  const bits = typeof flags === 'number' ? flags : named.get(String(flags).replace('b', ''))
  if (bits === undefined || !Number.isInteger(bits) || (bits & ~allOpenFlags) !== 0) {
    const known = [...named.keys()].join(', ')
    throw new SftpError(
      'EINVAL',
      `Unknown open flags ${printable(String(flags))}; expected one of ${known}, or openFlags`,
    )
  }
  return bits
}
