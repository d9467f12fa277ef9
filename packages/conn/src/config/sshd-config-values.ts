/** Kinds of values that only sshd_config has. */

import { faultOfAddressList } from './address-list.js'
import { splitWords } from './config-line.js'
import {
  isNone,
  onlyWord,
  parseInteger,
  parsePort,
  parseSeconds,
  shown,
  someWords,
  ValueFault,
  type ValueKind,
} from './config-values.js'
import { checkHostPort } from './ssh-config-values.js'

/** Where a server listens. */
export interface ListenAddressValue {
  readonly host: string
  /** Undefined: on every Port. */
  readonly port: number | undefined
}

export const listenAddress: ValueKind<readonly ListenAddressValue[]> = {
  read(line) {
    const text = onlyWord(line)
    if (!text.includes('[') && text.split(':').length > 2) return [{ host: text, port: undefined }]
    const [, bracketed, plain, portText] = /^(?:\[([^\]]+)\]|([^:[\]/]+))(?::(\w+))?$/.exec(text) ?? []
    const host = bracketed ?? plain
    if (host === undefined) throw new ValueFault(`"${shown(text)}" is not host, host:port or [address]:port`)
    return [{ host, port: portText === undefined ? undefined : parsePort(portText) }]
  },
  print: (values) =>
    values.map(({ host, port = 22 }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)),
}

/** How many may be logging in at once: from `begin` on some of them are turned away, at `full` all. */
export interface MaxStartupsValue {
  readonly begin: number
  /** Percent. */
  readonly rate: number
  readonly full: number
}

export const maxStartups: ValueKind<MaxStartupsValue> = {
  read(line) {
    const text = onlyWord(line)
    const [, first = '', second, third] = /^(\d{1,9})(?::(\d{1,3}):(\d{1,9}))?$/.exec(text) ?? []
    const begin = Number(first)
    const value = { begin, rate: second === undefined ? 30 : Number(second), full: Number(third ?? first) }
    const isPossible = begin > 0 && value.full >= begin && value.rate >= 1 && value.rate <= 100
    if (first === '' || !isPossible) throw new ValueFault(`"${shown(text)}" is not full, or begin:rate:full`)
    return value
  },
  print: ({ begin, rate, full }) => [`${begin}:${rate}:${full}`],
}

/** Bits of addresses that count as one source, of IPv4 and of IPv6. */
export const netBlockSize: ValueKind<string> = {
  read(line) {
    const text = onlyWord(line)
    const [, v4 = '', v6 = '128'] = /^(\d{1,2})(?::(\d{1,3}))?$/.exec(text) ?? []
    if (v4 === '' || Number(v4) > 32 || Number(v6) > 128) throw new ValueFault(`"${shown(text)}" is not bits[:bits]`)
    return `${Number(v4)}:${Number(v6)}`
  },
  print: (value) => [value],
}

/** A number, or `none`: infinity. */
export const integerOrNone: ValueKind<number> = {
  read(line) {
    const text = onlyWord(line)
    return text === 'none' ? Number.POSITIVE_INFINITY : parseInteger(text)
  },
  print: (value) => [value === Number.POSITIVE_INFINITY ? 'none' : String(value)],
}

/** Seconds; `none` is 0. */
export const timeoutOrNone: ValueKind<number> = {
  read(line) {
    const text = onlyWord(line)
    return isNone(text) ? 0 : parseSeconds(text)
  },
  print: (value) => [value === 0 ? 'none' : String(value)],
}

/** Lists of login methods, one of which must be completed; none for `any`. */
export const authenticationMethods: ValueKind<readonly string[]> = {
  read(line) {
    const lists = someWords(line)
    if (lists.includes('any')) {
      if (lists.length > 1) throw new ValueFault('"any" must stand alone')
      return []
    }
    for (const list of lists) {
      const wrong = list.split(',').find((method) => !loginMethods.test(method))
      if (wrong !== undefined) throw new ValueFault(`"${shown(wrong)}" is no login method`)
    }
    return lists
  },
  print: (lists) => [lists.length === 0 ? 'any' : lists.join(' ')],
}

const loginMethods = /^(?:none|password|publickey|hostbased|gssapi-with-mic|keyboard-interactive(?::\w+)?)$/

/** Destinations that may be reached; `any` or `none` alone. */
export const permitOpen: ValueKind<readonly string[]> = permitted((text) => text)

/** Addresses that may be listened on; a port alone stands for any address. */
export const permitListen: ValueKind<readonly string[]> = permitted((text) => (text.includes(':') ? text : `*:${text}`))

function permitted(complete: (text: string) => string): ValueKind<readonly string[]> {
  return {
    read(line) {
      const words = someWords(line)
      return words.map((word) => {
        if (word === 'any' || word === 'none') {
          if (words.length > 1) throw new ValueFault(`"${word}" must stand alone`)
          return word
        }
        const text = complete(word)
        checkHostPort(text)
        return text
      })
    },
    print: (values) => [values.join(' ')],
  }
}

/** A program that answers a subsystem. */
export interface SubsystemValue {
  readonly name: string
  readonly command: string
}

export const subsystem: ValueKind<readonly SubsystemValue[]> = {
  read({ words, rest }) {
    const [name = '', program = ''] = words
    if (name === '' || program === '') throw new ValueFault('a name and a command are wanted')
    return [{ name, command: words.slice(1).map(quotedAsWritten).join(' ') || rest }]
  },
  print: (values) => values.map(({ name, command }) => `${name} ${command}`),
}

/** The first command of each name counts. */
export function firstOfEachName(
  earlier: readonly SubsystemValue[],
  later: readonly SubsystemValue[],
): readonly SubsystemValue[] {
  return [...earlier, ...later.filter(({ name }) => !earlier.some((known) => known.name === name))]
}

/** A word as OpenSSH writes it into a command again: in quotes, where it needs them. */
function quotedAsWritten(word: string): string {
  const escaped = word.replace(/[\\'"]/g, '\\$&')
  return word === '' || /[ \t]/.test(word) ? `"${escaped}"` : escaped
}

/** Everything up to a comment; `none` is nothing. */
export const addendum: ValueKind<string> = {
  read({ rest }) {
    const text = rest.replace(/#.*$/s, '').trimEnd()
    if (/[^\x20-\x7e]/.test(text)) throw new ValueFault('it may hold printable ASCII only')
    return isNone(text) ? '' : text
  },
  print: (value) => [value === '' ? 'none' : value],
}

/** A program with an absolute path, and its arguments; or `none`. */
export const absoluteCommand: ValueKind<string> = {
  read({ rest }) {
    if (!rest.startsWith('/') && !isNone(rest)) throw new ValueFault('the program must have an absolute path')
    if (splitWords(rest) === undefined) throw new ValueFault('a quote is not closed')
    return rest
  },
  print: (value) => [value],
}

/** Whether variables of authorized_keys count: yes, no, or those that a list of patterns names. */
export const userEnvironment: ValueKind<boolean | string> = {
  read(line) {
    const text = onlyWord(line)
    return text === 'yes' ? true : text === 'no' ? false : text
  },
  print: (value) => [typeof value === 'string' ? value : value ? 'yes' : 'no'],
}

/** What a hardware key must have asked its user for. */
export const pubkeyAuthOptions: ValueKind<readonly string[]> = {
  read(line) {
    const words = someWords(line).map((text) => text.toLowerCase())
    const wrong = words.find((text) => !/^(?:none|touch-required|verify-required)$/.test(text))
    if (wrong !== undefined) throw new ValueFault(`"${shown(wrong)}" is none of none, touch-required, verify-required`)
    return ['touch-required', 'verify-required'].filter((text) => words.includes(text))
  },
  print: (values) => [values.length === 0 ? 'none' : values.join(' ')],
}

/** `user`, or `user@host`, with wildcards. */
export const userPatterns: ValueKind<readonly string[]> = {
  read(line) {
    const words = someWords(line)
    const wrong = words.find((text) => text.endsWith('@') || text.includes(','))
    if (wrong !== undefined) throw new ValueFault(`"${shown(wrong)}" is not user or user@host`)
    for (const text of words) {
      const fault = text.includes('@') ? faultOfAddressList(text.slice(text.lastIndexOf('@') + 1)) : undefined
      if (fault !== undefined) throw new ValueFault(`"${shown(text)}" has ${shown(fault)}`)
    }
    return words
  },
  print: (values) => values,
}
