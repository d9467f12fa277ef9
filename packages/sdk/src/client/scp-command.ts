/**
 * The command line of a remote scp. It is the remote user's shell that reads it, so a path must be written so that the
 * shell expands patterns and home directories in it, and does nothing else with it (CVE-2020-15778).
 */

import { OptionsError } from '@ssh/conn'
import { encodeFileName, unescapePattern } from '@ssh/sftp'
import { quote } from '../process/quote.js'

export interface RemoteScp {
  readonly role: 'sink' | 'source'
  /** As the caller wrote it. */
  readonly path: string
  /** Whether the path is taken as it is. */
  readonly isLiteral: boolean
  readonly recurse: boolean
  readonly preserve: boolean
  /** Whether the path must be a directory. */
  readonly intoDirectory: boolean
}

/** The command, as bytes: a path may hold some that are no text. @throws OptionsError when the path holds NUL */
export function remoteScpCommand({ role, path, isLiteral, recurse, preserve, intoDirectory }: RemoteScp): Uint8Array {
  const word = isLiteral ? literalWord(path) : role === 'source' ? patternWord(path) : plainWord(path)
  const flags = [recurse && '-r', preserve && '-p', intoDirectory && '-d', role === 'sink' ? '-t' : '-f']
  return encodeFileName(['scp', ...flags.filter((flag) => flag !== false), word].join(' '))
}

/** A word that a shell reads back as `path`. */
function literalWord(path: string): string {
  assertNoNul(path)
  // A dash would begin an option.
  return quote(path === '' ? '.' : path.startsWith('-') ? `./${path}` : path)
}

/** The same, but for a home directory at the start (`~`, `~user`), which is left to the shell. */
function plainWord(path: string): string {
  const home = homeOf(path)
  const rest = path.slice(home.length)
  return home === '' ? literalWord(path) : home + (rest === '' ? '' : quote(rest))
}

/** A word in which a shell sees the patterns of `pattern`, and nothing else. */
function patternWord(pattern: string): string {
  assertNoNul(pattern)
  const home = homeOf(pattern)
  const pieces = home === '' ? splitMagic(pattern) : splitMagic(pattern.slice(home.length))
  if (!pieces.some(({ isMagic }) => isMagic)) return plainWord(home + unescapePattern(pattern.slice(home.length)))
  // What a pattern matches may begin with a dash.
  const first = pieces[0]
  const needsDot = home === '' && (first?.isMagic || first?.text.startsWith('-'))
  return home + (needsDot ? './' : '') + pieces.map(({ text, isMagic }) => (isMagic ? text : quote(text))).join('')
}

interface Piece {
  /** As a shell shall read it where it is magic, else what it stands for. */
  readonly text: string
  readonly isMagic: boolean
}

/** Takes a pattern apart into what a shell must see bare, and what must be quoted for it. */
function splitMagic(pattern: string): Piece[] {
  const pieces: Piece[] = []
  let plain = ''
  const flush = (): void => {
    if (plain !== '') pieces.push({ text: plain, isMagic: false })
    plain = ''
  }
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index] ?? ''
    const set = character === '[' ? readSet(pattern, index) : undefined
    if (set !== undefined || character === '*' || character === '?') {
      flush()
      pieces.push({ text: set?.text ?? character, isMagic: true })
      index = set?.end ?? index
    } else if (character === '\\' && index + 1 < pattern.length) plain += pattern[++index]
    else plain += character
  }
  flush()
  return pieces
}

/** A bracket expression with all in it quoted that is neither bracket, range nor negation; undefined when none begins here. */
function readSet(pattern: string, start: number): { readonly text: string; readonly end: number } | undefined {
  let index = start + 1
  let text = '['
  if (pattern[index] === '!' || pattern[index] === '^') {
    text += '!'
    index++
  }
  for (let isFirst = true; index < pattern.length; isFirst = false) {
    const character = pattern[index] ?? ''
    if (character === '/') return undefined
    if (character === ']' && !isFirst) return { text: `${text}]`, end: index }
    const named = /^\[:[a-z]+:\]/.exec(pattern.slice(index, index + 12))
    if (named !== null) {
      text += named[0]
      index += named[0].length
    } else if (character === '-') {
      text += '-'
      index++
    } else {
      const isQuoted = character === '\\' && index + 1 < pattern.length
      const meant = String.fromCodePoint(pattern.codePointAt(isQuoted ? index + 1 : index) ?? 0)
      text += quoteInSet(meant)
      index += meant.length + (isQuoted ? 1 : 0)
    }
  }
  return undefined
}

function quoteInSet(character: string): string {
  if (/^[A-Za-z0-9_.,:@%+]$/.test(character)) return character
  return character === "'" ? "\\'" : `'${character}'`
}

/** `~` or `~user` at the start of a path, with the slash behind it: where that is quoted, a shell expands nothing. */
function homeOf(path: string): string {
  return /^~[A-Za-z0-9._-]*(?:\/|$)/.exec(path)?.[0] ?? ''
}

function assertNoNul(path: string): void {
  if (path.includes('\0')) throw new OptionsError('A path contains a NUL character, which no file name can')
}
