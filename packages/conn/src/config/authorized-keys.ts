/**
 * authorized_keys: which keys may log in. sshd(8), AUTHORIZED_KEYS FILE FORMAT.
 *
 * A line that is not understood in full grants nothing: leaving out an option would grant more than was written.
 */

import type { ConfigWarning } from './config-warning.js'
import { forEachLine, type KeyFields, LineFault, parseKeyFields } from './key-line.js'
import { type KeyRestrictions, noRestrictions, parseKeyOptions } from './key-restrictions.js'

/** A key that may log in. */
export interface AuthorizedKey extends KeyFields {
  readonly restrictions: KeyRestrictions
  /** Where it was read from, when there was a file. */
  readonly file: string | undefined
  /** Counted from 1. */
  readonly line: number
}

export interface AuthorizedKeys {
  readonly keys: readonly AuthorizedKey[]
  /** Lines that were left out. */
  readonly warnings: readonly ConfigWarning[]
}

/**
 * Reads the text of an authorized_keys file. Never throws: what cannot be read becomes a warning.
 * @param file where the text comes from, for messages
 */
export function parseAuthorizedKeys(text: string, file?: string): AuthorizedKeys {
  const keys: AuthorizedKey[] = []
  const warnings: ConfigWarning[] = []
  forEachLine(
    text,
    (content, line) => keys.push({ ...parseLine(content), file, line }),
    (message, line) => warnings.push({ file, line, message }),
  )
  return { keys, warnings }
}

/** Several files as one, in order. */
export function mergeAuthorizedKeys(files: readonly AuthorizedKeys[]): AuthorizedKeys {
  return { keys: files.flatMap((file) => file.keys), warnings: files.flatMap((file) => file.warnings) }
}

function parseLine(content: string): Omit<AuthorizedKey, 'file' | 'line'> {
  const end = endOfFirstField(content)
  const first = content.slice(0, end)
  const following = content.slice(end).replace(/^[ \t]+/, '')
  // No option has a name with these characters in these places, so a key type is never taken for options.
  if (/^(?:ssh|ecdsa|sk)-[\w.@-]+$/.test(first)) return { ...parseKeyFields(content), restrictions: noRestrictions }
  return { restrictions: parseKeyOptions(first), ...parseKeyFields(following) }
}

/** Where the first blank outside quotes is. */
function endOfFirstField(text: string): number {
  let isQuoted = false
  for (let index = 0; index < text.length; index++) {
    const character = text[index]
    if (character === '\\' && text[index + 1] === '"') index++
    else if (character === '"') isQuoted = !isQuoted
    else if (!isQuoted && (character === ' ' || character === '\t')) return index
  }
  if (isQuoted) throw new LineFault('a quote is not closed')
  return text.length
}
