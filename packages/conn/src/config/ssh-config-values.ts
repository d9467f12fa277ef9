/** Kinds of values that only ssh_config has. */

import {
  choices,
  integer,
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

/** Whether keys that were used are handed to the agent, and for how long. */
export interface AddKeysToAgentValue {
  readonly mode: 'yes' | 'no' | 'ask' | 'confirm'
  /** 0: for as long as the agent lives. */
  readonly seconds: number
}

export const addKeysToAgent: ValueKind<AddKeysToAgentValue> = {
  read({ words }) {
    const [first = '', lifetime, ...others] = words
    if (first === '' || others.length > 0) throw new ValueFault('expected yes, no, ask, confirm or a time')
    const mode = addKeysModes.get(first.toLowerCase())
    if (mode === undefined && lifetime === undefined) return { mode: 'yes', seconds: parseSeconds(first) }
    if (mode === undefined || (lifetime !== undefined && mode !== 'confirm')) {
      throw new ValueFault('expected yes, no, ask, confirm or a time')
    }
    return { mode, seconds: lifetime === undefined ? 0 : parseSeconds(lifetime) }
  },
  print({ mode, seconds }) {
    if (seconds > 0) return [mode === 'confirm' ? `confirm ${seconds}` : String(seconds)]
    return [mode === 'yes' ? 'true' : mode === 'no' ? 'false' : mode]
  },
}

const addKeysModes = new Map<string, AddKeysToAgentValue['mode']>([
  ['yes', 'yes'],
  ['true', 'yes'],
  ['no', 'no'],
  ['false', 'no'],
  ['ask', 'ask'],
  ['confirm', 'confirm'],
])

/** Yes, no, or something else in place of it: ForwardAgent names an agent. */
export const yesNoOrPath: ValueKind<boolean | string> = {
  read(line) {
    const word = onlyWord(line)
    const value = flags.get(word.toLowerCase())
    if (value !== undefined) return value
    if (/^\$(?!\{)/.test(word)) checkVariableName(word.slice(1))
    return word
  },
  print: (value) => [typeof value === 'string' ? value : value ? 'yes' : 'no'],
}

const flags = new Map([
  ['yes', true],
  ['true', true],
  ['no', false],
  ['false', false],
])

/** Where an agent listens: a path, `none`, `SSH_AUTH_SOCK`, or `$NAME`. */
export const agentSocket: ValueKind<string> = {
  read(line) {
    const word = onlyWord(line)
    if (/^\$(?!\{)/.test(word)) checkVariableName(word.slice(1))
    return word
  },
  print: (value) => [value],
}

function checkVariableName(name: string): void {
  if (!/^\w+$/.test(name)) throw new ValueFault(`"$${shown(name)}" names no variable`)
}

/** Yes, no, or a time in seconds. */
export const controlPersist: ValueKind<boolean | number> = {
  read(line) {
    const word = onlyWord(line)
    const seconds = flags.get(word) ?? parseSeconds(word)
    return seconds === 0 ? true : seconds
  },
  print: (value) => [typeof value === 'number' ? String(value) : value ? 'yes' : 'no'],
}

/** The character that escapes, or undefined for none. */
export const escapeChar: ValueKind<string> = {
  read(line) {
    const word = onlyWord(line)
    if (word.length === 1 || word === 'none' || /^\^[@-\x7f]$/.test(word)) return word
    throw new ValueFault(`"${shown(word)}" is no single character, ^ with a letter, or none`)
  },
  print: (value) => [value.length === 2 ? `\\^${String.fromCharCode((value.charCodeAt(1) & 31) | 64)}` : value],
}

/** Bits of a packet's priority: for interactive sessions, and for others. */
export const ipQos: ValueKind<readonly [string, string]> = {
  read({ words }) {
    const [interactive = '', bulk = interactive, ...others] = words
    if (others.length > 0) throw new ValueFault('there are more than two values')
    for (const word of [interactive, bulk]) {
      if (!/^(?:af[1-4][1-3]|cs[0-7]|ef|le|lowdelay|throughput|reliability|none|\d{1,3}|0x[\da-f]{1,2})$/i.test(word)) {
        throw new ValueFault(`"${shown(word)}" is no class of service`)
      }
    }
    return [interactive.toLowerCase(), bulk.toLowerCase()]
  },
  print: (value) => [value.join(' ')],
}

/** Numbers of tunnel devices, here and there. */
export const tunnelDevice: ValueKind<string> = {
  read(line) {
    const word = onlyWord(line)
    const [, local, remote = 'any'] = /^(any|\d{1,9})(?::(any|\d{1,9}))?$/i.exec(word) ?? []
    if (local === undefined) throw new ValueFault(`"${shown(word)}" is not local[:remote]`)
    return `${local.toLowerCase()}:${remote.toLowerCase()}`
  },
  print: (value) => [value],
}

/** Domains in which a short name is looked for. */
export const domains: ValueKind<readonly string[]> = {
  read(line) {
    const words = someWords(line)
    if (words.some(isNone)) {
      if (words.length > 1) throw new ValueFault('"none" must stand alone')
      return []
    }
    return words.map(domain)
  },
  print: (values) => [values.length === 0 ? 'none' : values.join(' ')],
}

function domain(text: string): string {
  const name = text.toLowerCase()
  if (!/^[a-z\d][\w.-]*$/.test(name) || name.includes('..')) {
    throw new ValueFault(`"${shown(text)}" is no domain`)
  }
  return name.replace(/\.$/, '')
}

/** Which names may lead to which others by a CNAME; both are lists of patterns. */
export interface PermittedCname {
  readonly sources: string
  readonly targets: string
}

export const permittedCnames: ValueKind<readonly PermittedCname[]> = {
  read(line) {
    const words = someWords(line)
    if (words.some(isNone)) {
      if (words.length > 1) throw new ValueFault('"none" must stand alone')
      return []
    }
    return words.map((word) => {
      if (word === '*') return { sources: '*', targets: '*' }
      const [, sources, targets] = /^([^:]*):(.+)$/.exec(word.toLowerCase()) ?? []
      if (sources === undefined || targets === undefined) throw new ValueFault(`"${shown(word)}" is not names:names`)
      return { sources, targets }
    })
  },
  print: (rules) => [
    rules.length === 0 ? 'none' : rules.map(({ sources, targets }) => `${sources}:${targets}`).join(' '),
  ],
}

/** `host:port` with `*` for any; or `any`, or `none`. */
export const permittedDestinations: ValueKind<readonly string[]> = {
  read(line) {
    const words = someWords(line)
    for (const word of words) {
      const isKeyword = /^(?:any|none)$/i.test(word)
      if (isKeyword && words.length > 1) throw new ValueFault(`"${shown(word)}" must stand alone`)
      if (!isKeyword) checkHostPort(word)
    }
    return words
  },
  print: (values) => [values.join(' ')],
}

/** @throws ValueFault unless it is `host:port` or `[address]:port`, where the port may be `*` */
export function checkHostPort(text: string): void {
  const [, portText] = /^(?:\[[^\]]*\]|[^:[\]/]*)[:/](.+)$/.exec(text) ?? []
  if (portText === undefined) throw new ValueFault(`"${shown(text)}" is not host:port`)
  if (portText !== '*') parsePort(portText)
}

/** `type=time`, several; or `none`. */
export const channelTimeouts: ValueKind<readonly string[]> = {
  read(line) {
    const words = someWords(line)
    if (words.some(isNone)) {
      if (words.length > 1) throw new ValueFault('"none" must stand alone')
      return []
    }
    for (const word of words) {
      const [, time] = /^[^=]+=(.+)$/.exec(word) ?? []
      if (time === undefined) throw new ValueFault(`"${shown(word)}" is not type=time`)
      parseSeconds(time)
    }
    return words
  },
  print: (values) => [values.length === 0 ? 'none' : values.join(' ')],
}

/** Yes, no, or milliseconds between packets. */
export const keystrokeInterval: ValueKind<number> = {
  read(line) {
    const word = onlyWord(line)
    const [, interval] = /^interval:(.*)$/.exec(word) ?? []
    if (interval === undefined) return yesNoInterval.read(line) === 'yes' ? defaultKeystrokeInterval : 0
    const value = parseInteger(interval)
    if (value < 1 || value > 1000) throw new ValueFault('an interval has 1 to 1000 milliseconds')
    return value
  },
  print: (value) => [value === 0 ? 'no' : value === defaultKeystrokeInterval ? 'yes' : String(value)],
}

const yesNoInterval = choices(['yes', 'yes', 'true'], ['no', 'no', 'false'])
const defaultKeystrokeInterval = 20

/** A number that must not be 0. */
export const positiveInteger: ValueKind<number> = {
  read(line) {
    const value = integer.read(line)
    if (value === 0) throw new ValueFault('0 makes no sense here')
    return value
  },
  print: integer.print,
}

/**
 * Names of variables to send. A name with `-` in front takes back those that it fits, and is kept as such until lists
 * meet.
 */
export function withoutTakenBack(
  earlier: readonly string[],
  later: readonly string[],
  fits: (pattern: string, name: string) => boolean,
): readonly string[] {
  let names = [...earlier]
  for (const name of later) {
    if (name.startsWith('-')) names = names.filter((each) => !fits(name.slice(1), each))
    else names.push(name)
  }
  return names
}

/** Servers to go through, one after the other; none for `none`. */
export const jumps: ValueKind<readonly string[]> = {
  read({ rest }) {
    const list = rest
      .replace(/^[ \t=]+/, '')
      .replace(/#.*$/s, '')
      .trim()
    if (isNone(list)) return []
    const hops = list.split(',')
    for (const hop of hops) {
      if (!jumpPattern.test(hop)) throw new ValueFault(`"${shown(hop)}" is not [user@]host[:port]`)
    }
    return hops
  },
  print: (hops) => [hops.map((hop, index) => (index === hops.length - 1 ? normalized(hop) : hop)).join(',')],
}

const jumpPattern = /^(?:ssh:\/\/)?(?:[^@\s]+@)?(?:\[[^\]\s]+\]|[^:@[\]/\s]+)(?::\d{1,5})?\/?$/

/** A hop as ssh prints the last one. */
function normalized(hop: string): string {
  const [, user = '', bracketed, plain = '', portText = ''] =
    /^(?:ssh:\/\/)?([^@]+@)?(?:\[([^\]]+)\]|([^:]+?))(:\d+)?\/?$/.exec(hop) ?? []
  const host = bracketed ?? plain
  return `${user}${/:|^[\d.]+$/.test(host) ? `[${host}]` : host}${portText}`
}
