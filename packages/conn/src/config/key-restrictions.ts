/** Options in front of a key in authorized_keys: what the key may do. sshd(8), AUTHORIZED_KEYS FILE FORMAT. */

import { printable } from '@ssh/wire'
import { faultOfAddressList } from './address-list.js'
import { isPlausibleName, LineFault } from './key-line.js'

/** What a key may do. Everything that is not restricted is allowed. */
export interface KeyRestrictions {
  /** Run this, whatever the client asks for. */
  readonly command: string | undefined
  /** Set for the session. */
  readonly environment: ReadonlyMap<string, string>
  /** Patterns and CIDR blocks that the client's host name or address must match. */
  readonly from: string | undefined
  /** Milliseconds since 1970; not valid from then on. */
  readonly expiryTime: number | undefined
  readonly allowPty: boolean
  readonly allowPortForwarding: boolean
  readonly allowAgentForwarding: boolean
  readonly allowX11Forwarding: boolean
  /** Whether a login script of the user (`~/.ssh/rc`) may run. */
  readonly allowUserRc: boolean
  /** Destinations that direct-tcpip may reach; undefined: any. */
  readonly permitOpen: readonly PermittedEndpoint[] | undefined
  /** Addresses that tcpip-forward may listen on; undefined: any. */
  readonly permitListen: readonly PermittedEndpoint[] | undefined
}

export interface PermittedEndpoint {
  /** In lower case, without brackets; `*`: any. */
  readonly host: string
  /** 0: any. */
  readonly port: number
}

export const noRestrictions: KeyRestrictions = {
  command: undefined,
  environment: new Map(),
  from: undefined,
  expiryTime: undefined,
  allowPty: true,
  allowPortForwarding: true,
  allowAgentForwarding: true,
  allowX11Forwarding: true,
  allowUserRc: true,
  permitOpen: undefined,
  permitListen: undefined,
}

type Draft = { -readonly [K in keyof KeyRestrictions]: KeyRestrictions[K] }

/** Options that are a name alone; each also exists with `no-` in front, which denies. */
const permissions = new Map<string, keyof KeyRestrictions & `allow${string}`>([
  ['pty', 'allowPty'],
  ['port-forwarding', 'allowPortForwarding'],
  ['agent-forwarding', 'allowAgentForwarding'],
  ['x11-forwarding', 'allowX11Forwarding'],
  ['user-rc', 'allowUserRc'],
])

/** Options with a value. Where two contradict each other the line is refused, or the narrower one counts. */
const valued = new Map<string, (draft: Draft, value: string) => void>([
  [
    'command',
    (draft, value) => {
      if (draft.command !== undefined) throw new LineFault('it has more than one command')
      draft.command = value
    },
  ],
  [
    'from',
    (draft, value) => {
      if (draft.from !== undefined) throw new LineFault('it has more than one from')
      const fault = faultOfAddressList(value)
      if (fault !== undefined) throw new LineFault(`from has ${printable(fault)}`)
      draft.from = value
    },
  ],
  [
    'environment',
    (draft, value) => {
      const [, name, content] = /^(\w+)=(.*)$/s.exec(value) ?? []
      if (name === undefined || content === undefined) throw new LineFault('environment is not NAME=value')
      if (!draft.environment.has(name)) draft.environment = new Map(draft.environment).set(name, content)
    },
  ],
  [
    'expiry-time',
    (draft, value) => {
      const time = parseTime(value)
      if (time === undefined) throw new LineFault('expiry-time is not YYYYMMDD[HHMM[SS]][Z]')
      draft.expiryTime = Math.min(time, draft.expiryTime ?? time)
    },
  ],
  [
    'permitopen',
    (draft, value) => {
      draft.permitOpen = [...(draft.permitOpen ?? []), parseEndpoint('permitopen', value)]
    },
  ],
  [
    'permitlisten',
    (draft, value) => {
      draft.permitListen = [...(draft.permitListen ?? []), parseListenEndpoint('permitlisten', value)]
    },
  ],
])

/**
 * Reads `option,option="value",…`. Names are compared without case; the later of two permissions counts.
 * @throws LineFault for an option nobody here enforces, and for anything malformed
 */
export function parseKeyOptions(text: string): KeyRestrictions {
  const draft: Draft = { ...noRestrictions }
  for (const { name, written, value } of splitOptions(text)) {
    const permission = permissions.get(name.replace(/^no-/, ''))
    const setValue = valued.get(name)
    if (value !== undefined && setValue !== undefined) setValue(draft, value)
    else if (value === undefined && permission !== undefined) draft[permission] = !name.startsWith('no-')
    else if (value === undefined && name === 'restrict') for (const each of permissions.values()) draft[each] = false
    else throw refusedOption(written, value !== undefined)
  }
  return draft
}

function refusedOption(name: string, hasValue: boolean): LineFault {
  if (name.toLowerCase() === 'cert-authority') return new LineFault('certificate authorities are not supported here')
  const form = hasValue ? ' with a value' : ''
  return new LineFault(
    `${isPlausibleName(name) ? `the option "${name}"` : 'an option'}${form} is not supported, and leaving it out would grant more`,
  )
}

interface KeyOption {
  /** In lower case. */
  readonly name: string
  readonly written: string
  readonly value: string | undefined
}

function splitOptions(text: string): KeyOption[] {
  const options: KeyOption[] = []
  let at = 0
  for (;;) {
    const start = at
    while (at < text.length && text[at] !== '=' && text[at] !== ',' && text[at] !== '"') at++
    const written = text.slice(start, at)
    if (written === '') throw new LineFault('an option has no name')
    let value: string | undefined
    if (text[at] === '=') {
      ;[value, at] = readQuoted(text, at + 1)
    }
    options.push({ name: written.toLowerCase(), written, value })
    if (at === text.length) return options
    if (text[at] !== ',') throw new LineFault('options must be separated by commas')
    at++
  }
}

/** A quoted value, in which `\"` is a quote and every other backslash itself; and where it ends. */
function readQuoted(text: string, start: number): [value: string, end: number] {
  if (text[start] !== '"') throw new LineFault('a value is not quoted')
  let value = ''
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '"') return [value, at + 1]
    if (text[at] === '\\' && text[at + 1] === '"') at++
    value += text[at]
  }
  throw new LineFault('a quote is not closed')
}

/**
 * Reads `host:port`, `[address]:port`, with `*` for any host or any port.
 * @param option what is read, for the error
 * @throws LineFault
 */
export function parseEndpoint(option: string, text: string): PermittedEndpoint {
  const [, v6, host = v6, port] = /^(?:\[([^[\]]+)\]|([^:[\]]+)):(\*|[1-9]\d{0,4})$/.exec(text) ?? []
  if (host === undefined || port === undefined || Number(port) > 65535) {
    throw new LineFault(`${option} is not host:port with a port of 1 to 65535 or *`)
  }
  return { host: host.toLowerCase(), port: port === '*' ? 0 : Number(port) }
}

/** As {@link parseEndpoint}, where a port alone stands for any host. @throws LineFault */
export function parseListenEndpoint(option: string, text: string): PermittedEndpoint {
  return parseEndpoint(option, text.includes(':') ? text : `*:${text}`)
}

/** YYYYMMDD[HHMM[SS]] in local time, or with a final Z in UTC; undefined when there is no such time. */
function parseTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z)?$/.exec(text)
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0))
  const fields = [year, month - 1, day, hour, minute, second] as const
  const isUtc = match[7] !== undefined
  const date = isUtc ? new Date(Date.UTC(...fields)) : new Date(...fields)
  const read = isUtc
    ? [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
    : [date.getFullYear(), date.getMonth(), date.getDate()]
  // A Date carries what overflows into the next field: the 31st of June comes back as the 1st of July.
  const isReal = read.every((value, index) => value === fields[index]) && hour < 24 && minute < 60 && second < 60
  return isReal ? date.getTime() : undefined
}
