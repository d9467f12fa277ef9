/**
 * How a text in the form of ssh_config and sshd_config falls into lines, keywords and words: as OpenSSH 9 reads them.
 *
 * A line is a keyword, blanks or one `=`, and words. Words may be quoted by `"` or `'`, wholly or in part; `\` takes the
 * meaning of a quote, a backslash or (outside quotes) a blank away. A `#` where a word could begin ends the line.
 */

import { printable } from '@ssh/wire'
import { ConfigParseError } from '../errors.js'

/** Longest text that is read, in characters. A long list of hosts has some hundred kilobytes. */
export const maximumConfigLength = 1024 * 1024

/** Longest line that is read, in characters. */
const maximumLineLength = 64 * 1024

/** Where a line stands. */
export interface ConfigPosition {
  /** Absent for text that came from no file. */
  readonly file: string | undefined
  /** Counted from 1. */
  readonly line: number
}

/** A line that says something. */
export interface ConfigLine extends ConfigPosition {
  /** As written. */
  readonly keyword: string
  /** Everything behind the keyword, quotes and all; never empty. */
  readonly rest: string
  /** The same as words, without quotes, comment and escapes. */
  readonly words: readonly string[]
}

/**
 * Lines of a text that are neither empty nor a comment.
 * @throws ConfigParseError when there is a NUL in it, a quote is not closed, a keyword has nothing behind it, or a line or
 *   the text is longer than any real one
 */
export function splitConfigLines(text: string, file?: string): ConfigLine[] {
  if (text.length > maximumConfigLength) {
    const why = `it has ${text.length} characters, and at most ${maximumConfigLength} are read`
    throw configError({ file, line: 1 }, why)
  }
  // Before a first Host it would make that an unknown keyword, and what stands behind it would hold for all.
  if (text.startsWith('\ufeff'))
    throw configError({ file, line: 1 }, 'it begins with a byte order mark; leave that out')
  const lines: ConfigLine[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const position = { file, line: index + 1 }
    if (raw.length > maximumLineLength) {
      throw configError(position, `it has ${raw.length} characters, and at most ${maximumLineLength} are read`)
    }
    if (raw.includes('\0')) throw configError(position, 'it holds a NUL; is this a text?')
    const line = splitLine(raw, position)
    if (line !== undefined) lines.push(line)
  }
  return lines
}

/** What is wrong with a line, as an error that says where it is. */
export function configError(position: ConfigPosition, why: string, cause?: unknown): ConfigParseError {
  const { file, line } = position
  return new ConfigParseError(`${file === undefined ? 'Configuration' : printable(file)}, line ${line}: ${why}`, {
    details: { ...(file !== undefined && { file }), line },
    ...(cause !== undefined && { cause }),
  })
}

function splitLine(raw: string, position: ConfigPosition): ConfigLine | undefined {
  // No pattern that ends in `$`: it would be tried at each blank of a line, and take the square of their number.
  let end = raw.length
  while (end > 0 && ' \t\r\f'.includes(raw[end - 1] ?? '')) end--
  const content = withoutBlanks(raw.slice(0, end))
  if (content === '' || content.startsWith('#')) return undefined
  const [keyword, rest] = splitDelimited(content, () => configError(position, 'a quote is not closed'))
  if (keyword === '') throw configError(position, 'it begins with "=" or with empty quotes, where a keyword should be')
  if (rest === '') throw configError(position, `there is nothing behind "${printable(keyword, 64)}"`)
  const words = splitWords(rest)
  if (words === undefined) throw configError(position, 'a quote is not closed')
  return { ...position, keyword, rest, words }
}

/**
 * The first field of a line in which `=` separates as well: the keyword, or a criterion of Match. Here only `"` quotes,
 * and nothing escapes.
 * @returns the field, and what follows it and one `=`, if there is one
 */
export function splitDelimited(text: string, unclosed: () => Error): [field: string, rest: string] {
  const end = text.search(/[ \t\r"=]/)
  if (end === -1) return [text, '']
  if (text[end] === '"') {
    const close = text.indexOf('"', end + 1)
    if (close === -1) throw unclosed()
    return [text.slice(0, end) + text.slice(end + 1, close), withoutBlanks(text.slice(close + 1))]
  }
  const rest = withoutBlanks(text.slice(end + 1))
  const isSecond = text[end] !== '=' && rest.startsWith('=')
  return [text.slice(0, end), isSecond ? withoutBlanks(rest.slice(1)) : rest]
}

function withoutBlanks(text: string): string {
  return text.replace(/^[ \t\r]+/, '')
}

/** Words of a text; undefined when a quote is not closed. */
export function splitWords(text: string): string[] | undefined {
  if (!/["'\\#]/.test(text)) return text.split(/[ \t]+/).filter((word) => word !== '')
  const words: string[] = []
  let at = 0
  for (;;) {
    while (text[at] === ' ' || text[at] === '\t') at++
    if (at >= text.length || text[at] === '#') return words
    let word = ''
    let quote: string | undefined
    for (; at < text.length; at++) {
      const character = text[at]
      const next = text[at + 1]
      if (character === '\\') {
        const isEscape = next === '"' || next === "'" || next === '\\' || (quote === undefined && next === ' ')
        word += isEscape ? text[++at] : character
      } else if (quote === undefined && (character === ' ' || character === '\t')) {
        break
      } else if (quote === undefined && (character === '"' || character === "'")) {
        quote = character
      } else if (character === quote) {
        quote = undefined
      } else {
        word += character
      }
    }
    if (quote !== undefined) return undefined
    words.push(word)
  }
}
