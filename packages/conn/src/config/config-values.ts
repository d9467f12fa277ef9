/** What may stand behind a keyword of ssh_config and sshd_config: how each kind of value is read, and printed again. */

import { printable } from '@ssh/wire'
import type { ConfigLine } from './config-line.js'

/** A kind of value. */
export interface ValueKind<T> {
  /**
   * Reads what stands behind a keyword.
   * @returns undefined for a value that says nothing, as `none` for a time: a later line may say more
   * @throws ValueFault
   */
  read(line: ConfigLine): T | undefined
  /** As `ssh -G` and `sshd -T` print it: one text for each line. */
  print(value: T): readonly string[]
}

/** Why a value is refused. Never leaves the parser, which says where it was. */
export class ValueFault extends Error {}

/** Reads the only word. */
export function onlyWord({ words }: ConfigLine): string {
  const [word = '', ...others] = words
  if (word === '') throw new ValueFault('a value is missing')
  if (others.length > 0) throw new ValueFault(`"${shown(others.join(' '))}" is too much; quote a value with blanks`)
  return word
}

/** One or more words, none empty. */
export function someWords({ words }: ConfigLine): readonly string[] {
  if (words.length === 0) throw new ValueFault('a value is missing')
  if (words.includes('')) throw new ValueFault('a value is empty')
  return words
}

/** A text from a file, for a message. */
export function shown(text: string): string {
  return printable(text, 128)
}

const maximumInteger = 2 ** 31 - 1

/** One word, as it is. */
export const word: ValueKind<string> = { read: onlyWord, print: (value) => [value] }

/** Words on one line, such as names of files; `none` only alone, and then it is the empty list. */
export const wordsOrNone: ValueKind<readonly string[]> = {
  read(line) {
    const words = someWords(line)
    if (!words.some(isNone)) return words
    if (words.length > 1) throw new ValueFault('"none" must stand alone')
    return []
  },
  print: (values) => [values.length === 0 ? 'none' : values.join(' ')],
}

/** Words on one line, printed one per line: patterns and names, of which several lines add up. */
export const wordList: ValueKind<readonly string[]> = { read: someWords, print: (values) => values }

/** Everything up to the end of the line, quotes included: a command for a shell. */
export const command: ValueKind<string> = {
  read: ({ rest }) => rest.replace(/^[ \t=]+/, ''),
  print: (value) => [value],
}

/** The same, where a sign of equality is part of it. */
export const plainCommand: ValueKind<string> = { read: ({ rest }) => rest, print: (value) => [value] }

/** Yes or no; `true` and `false` mean the same in ssh_config. */
export const yesNo: ValueKind<boolean> = {
  read: (line) => choices([true, 'yes', 'true'], [false, 'no', 'false']).read(line),
  print: (value) => [value ? 'yes' : 'no'],
}

/** Yes or no, in words of sshd_config. */
export const strictYesNo: ValueKind<boolean> = {
  read: (line) => choices([true, 'yes'], [false, 'no']).read(line),
  print: (value) => [value ? 'yes' : 'no'],
}

/** How much is written to a log. */
export const logLevel: ValueKind<string> = {
  read: (line) => logLevels.read(line),
  print: (value) => logLevels.print(value),
}

/** Where a log is written to. */
export const syslogFacility: ValueKind<string> = {
  read: (line) => syslogFacilities.read(line),
  print: (value) => syslogFacilities.print(value),
}

/** How fingerprints are shown. */
export const fingerprintHash: ValueKind<string> = {
  read: (line) => hashes.read(line),
  print: (value) => hashes.print(value),
}

/** One of several words, which are their own values. */
export function constants<const V extends string>(...values: readonly V[]): ValueKind<V> {
  return choices(...values.map((value): readonly [V, string] => [value, value]))
}

/** One of several values, each with the words for it; it is printed as the first of them. Case does not matter. */
export function choices<const V extends string | boolean>(
  ...rows: readonly (readonly [value: V, ...words: [string, ...string[]]])[]
): ValueKind<V> {
  return {
    read(line) {
      const found = onlyWord(line)
      const row = rows.find(([, ...names]) => names.some((name) => name.toLowerCase() === found.toLowerCase()))
      if (row !== undefined) return row[0]
      const known = rows.flatMap(([, ...names]) => names).join(', ')
      throw new ValueFault(`"${shown(found)}" is none of ${known}`)
    },
    print: (value) => [rows.find(([candidate]) => candidate === value)?.[1] ?? String(value)],
  }
}

const logLevels = choices<string>(
  ['QUIET', 'SILENT', 'QUIET'],
  ['FATAL', 'FATAL'],
  ['ERROR', 'ERROR'],
  ['INFO', 'INFO'],
  ['VERBOSE', 'VERBOSE'],
  ['DEBUG1', 'DEBUG', 'DEBUG1'],
  ['DEBUG2', 'DEBUG2'],
  ['DEBUG3', 'DEBUG3'],
)
const syslogFacilities = constants<string>(
  ...['DAEMON', 'USER', 'AUTH', 'AUTHPRIV'],
  ...['LOCAL0', 'LOCAL1', 'LOCAL2', 'LOCAL3', 'LOCAL4', 'LOCAL5', 'LOCAL6', 'LOCAL7'],
)
const hashes = choices<string>(['sha256', 'SHA256'], ['md5', 'MD5'], ['sha1', 'SHA1'])

/** A number from 0. */
export const integer: ValueKind<number> = {
  read: (line) => parseInteger(onlyWord(line)),
  print: (value) => [String(value)],
}

/** @throws ValueFault */
export function parseInteger(text: string): number {
  const value = Number(text)
  if (!/^\+?\d{1,10}$/.test(text) || value > maximumInteger) {
    throw new ValueFault(`"${shown(text)}" is no whole number of 0 to ${maximumInteger}`)
  }
  return value
}

/** A TCP port from 1. */
export const port: ValueKind<number> = {
  read: (line) => parsePort(onlyWord(line)),
  print: (value) => [String(value)],
}

/** A port from 1; `ssh` is the one name of a service that is known. @throws ValueFault */
export function parsePort(text: string): number {
  if (text === 'ssh') return 22
  const value = Number(text)
  if (!/^\d{1,5}$/.test(text) || value < 1 || value > 65535) {
    throw new ValueFault(`"${shown(text)}" is no port of 1 to 65535`)
  }
  return value
}

/** Seconds, or text like `1h30m`. */
export const seconds: ValueKind<number> = {
  read: (line) => parseSeconds(onlyWord(line)),
  print: (value) => [String(value)],
}

/** The same, where `none` says nothing. */
export const secondsOrNone: ValueKind<number> = {
  read: (line) => (onlyWord(line) === 'none' ? undefined : parseSeconds(onlyWord(line))),
  print: (value) => [String(value)],
}

const secondsOf = new Map([
  ['', 1],
  ['s', 1],
  ['m', 60],
  ['h', 60 * 60],
  ['d', 24 * 60 * 60],
  ['w', 7 * 24 * 60 * 60],
])

/** A time of sshd_config(5), TIME FORMATS, in seconds. @throws ValueFault */
export function parseSeconds(text: string): number {
  if (!/^(?:\d{1,10}[smhdw])*(?:\d{1,10}[smhdw]?)$/i.test(text)) {
    throw new ValueFault(`"${shown(text)}" is no time such as 90, 10m or 1h30m`)
  }
  let total = 0
  for (const [, digits, unit = ''] of text.matchAll(/(\d+)([smhdw]?)/gi)) {
    total += Number(digits) * (secondsOf.get(unit.toLowerCase()) ?? 0)
  }
  if (total > maximumInteger) throw new ValueFault(`"${shown(text)}" is too long a time`)
  return total
}

/** When to change keys; what is absent was not said, or is left to the program by `default` or `none`. */
export interface RekeyLimitValue {
  readonly bytes: number | undefined
  readonly seconds: number | undefined
}

/** RekeyLimit: bytes, and perhaps a time. */
export const rekeyLimit: ValueKind<RekeyLimitValue> = {
  read({ words }) {
    const [bytes = '', time, ...others] = words
    if (bytes === '' || time === '') throw new ValueFault('a value is missing')
    if (others.length > 0) throw new ValueFault('there are more than two values')
    return {
      bytes: bytes === 'default' ? 0 : parseBytes(bytes),
      seconds: time === undefined || time === 'none' ? undefined : parseSeconds(time),
    }
  },
  print: ({ bytes = 0, seconds: time = 0 }) => [`${bytes} ${time}`],
}

/** @throws ValueFault */
function parseBytes(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,15}(?:\.\d{1,6})?)([bkmgt]?)$/i.exec(text) ?? []
  if (digits === undefined) throw new ValueFault(`"${shown(text)}" is no number of bytes such as 65536, 64K or 1G`)
  const value = Math.floor(Number(digits) * 1024 ** Math.max(0, 'bkmgt'.indexOf(unit.toLowerCase())))
  if (value > Number.MAX_SAFE_INTEGER) throw new ValueFault(`"${shown(text)}" is too large`)
  if (value > 0 && value < 16) throw new ValueFault(`"${shown(text)}" is too small; 16 bytes are the least`)
  return value
}

/** Bits of a mode, in octal. */
export const mode: ValueKind<number> = {
  read(line) {
    const text = onlyWord(line)
    const value = Number.parseInt(text, 8)
    if (!/^[0-7]{1,6}$/.test(text) || value > 0o777)
      throw new ValueFault(`"${shown(text)}" is no octal mode up to 0777`)
    return value
  },
  print: (value) => [`0${value.toString(8)}`],
}

/** `NAME=value`, several on a line; the first of each name counts. */
export const assignments: ValueKind<readonly string[]> = {
  read(line) {
    const names = new Set<string>()
    return someWords(line).filter((text) => {
      const [name = ''] = text.split('=', 1)
      if (name === '' || !text.includes('=')) throw new ValueFault(`"${shown(text)}" is not NAME=value`)
      if (names.has(name)) return false
      names.add(name)
      return true
    })
  },
  print: (values) => values,
}

/** Names of variables, with wildcards. */
export const variableNames: ValueKind<readonly string[]> = {
  read(line) {
    const names = someWords(line)
    const wrong = names.find((name) => name.includes('='))
    if (wrong !== undefined) throw new ValueFault(`"${shown(wrong)}" is no name of a variable`)
    return names
  },
  print: (values) => values,
}

/**
 * A list of algorithms, perhaps behind `+`, `-` or `^`. Which names there are is for those to say who choose among them:
 * a file may speak of algorithms that another program has.
 */
export const algorithms: ValueKind<string> = {
  read(line) {
    const list = onlyWord(line)
    const names = /^[-+^]/.test(list) ? list.slice(1) : list
    if (names === '' || names.split(',').includes('')) throw new ValueFault('a name of the list is empty')
    return list
  },
  print: (value) => [value],
}

/** Whether a word stands for nothing. */
export function isNone(text: string): boolean {
  return text.toLowerCase() === 'none'
}
