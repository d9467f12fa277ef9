/**
 * Reads the command that a client's scp asks for: `scp -t path` to take files, `scp -f path…` to send some.
 *
 * On other servers a shell reads it, so its words are split, and their quotes removed, as POSIX.1 §2.2 has it. Whatever
 * would make a shell do more than that makes it another command.
 */

import { decodeFileName } from '../protocol/file-name.js'
import { escapePattern, unescapePattern } from './name-pattern.js'

/** What a client's scp wants. */
export interface ScpCommand {
  /** `sink`: the client sends files, to `paths[0]`; `source`: it wants those at `paths`. */
  readonly role: 'sink' | 'source'
  /** Paths as patterns: what was quoted has backslashes before what a pattern would read otherwise. */
  readonly paths: readonly string[]
  readonly recurse: boolean
  readonly preserve: boolean
  /** Whether the path must be a directory. */
  readonly intoDirectory: boolean
}

/** Longest command that is looked at. */
const maximumLength = 128 * 1024

/** @returns undefined for any other command */
export function parseScpCommand(command: Uint8Array | string): ScpCommand | undefined {
  const text = typeof command === 'string' ? command : decodeFileName(command)
  if (text.length > maximumLength || !/^scp[ \t]/.test(text) || text.includes('\0')) return undefined
  const [, ...words] = splitWords(text) ?? []
  const flags = new Set<string>()
  let index = 0
  for (; index < words.length; index++) {
    const word = words[index] ?? ''
    if (word === '--') {
      index++
      break
    }
    // A dash alone is a path.
    if (!/^-[a-zA-Z]/.test(word)) break
    for (const flag of word.slice(1)) flags.add(flag)
  }
  const paths = words.slice(index)
  const isSink = flags.has('t')
  if (isSink === flags.has('f') || [...flags].some((flag) => !'tfrpdvq'.includes(flag))) return undefined
  if (paths.length === 0 || (isSink && paths.length > 1) || paths.includes('')) return undefined
  return {
    role: isSink ? 'sink' : 'source',
    paths: isSink ? paths.map((path) => unescapePattern(path)) : paths,
    recurse: flags.has('r'),
    preserve: flags.has('p'),
    intoDirectory: flags.has('d'),
  }
}

/** The words of a simple command, as patterns; undefined when a shell would see more than words. */
function splitWords(text: string): string[] | undefined {
  const words: string[] = []
  let word: string | undefined
  for (let index = 0; index < text.length; index++) {
    const character = text[index] ?? ''
    if (character === ' ' || character === '\t') {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (character === "'") {
      const end = text.indexOf("'", index + 1)
      if (end < 0) return undefined
      word = (word ?? '') + escapePattern(text.slice(index + 1, end))
      index = end
    } else if (character === '"') {
      const quoted = readDoubleQuoted(text, index + 1)
      if (quoted === undefined) return undefined
      word = (word ?? '') + escapePattern(quoted.text)
      index = quoted.end
    } else if (character === '\\') {
      const next = text[++index]
      if (next === undefined) return undefined
      // A line that goes on.
      if (next !== '\n') word = (word ?? '') + escapePattern(next)
    } else if (character === '~' && word === undefined) {
      word = homeAt(text, index)
    } else if (/[\n;&|<>()$`]/.test(character) || (character === '#' && word === undefined)) {
      return undefined
    } else word = (word ?? '') + (/[{}]/.test(character) ? `\\${character}` : character)
  }
  if (word !== undefined) words.push(word)
  return words
}

/** A home directory is where relative paths start: `~/x` is `./x`. Another user's stays a name. */
function homeAt(text: string, index: number): string {
  const next = text[index + 1]
  return next === undefined || next === '/' || next === ' ' || next === '\t' ? '.' : '~'
}

function readDoubleQuoted(text: string, start: number): { readonly text: string; readonly end: number } | undefined {
  let content = ''
  for (let index = start; index < text.length; index++) {
    const character = text[index] ?? ''
    if (character === '"') return { text: content, end: index }
    if (character === '$' || character === '`') return undefined
    if (character !== '\\') {
      content += character
      continue
    }
    const next = text[++index]
    if (next === undefined) return undefined
    if (next === '\n') continue
    content += '$`"\\'.includes(next) ? next : `\\${next}`
  }
  return undefined
}
