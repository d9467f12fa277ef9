/**
 * What is said to a proxy before it connects us: HTTP CONNECT (RFC 9110 §9.3.6), SOCKS5 (RFC 1928, RFC 1929), and SOCKS4
 * with its 4a extension. No sockets: each dialogue is a generator that says what to send and takes what was answered.
 */

import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { printable } from '@ssh/wire'
import { ConnectError } from '../errors.js'
import type { ProxyAddress } from './proxy-url.js'

/** Something to say, and how to know its answer. */
export interface ProxyQuestion {
  readonly send: Uint8Array
  /**
   * How many of the bytes received so far, from the first of the answer on, are the answer; undefined while more is
   * needed to tell.
   * @throws ConnectError when they are the beginning of no answer
   */
  answerLength(received: Buffer): number | undefined
}

/** Asks, is given the whole answer, and so on; returns once the proxy has connected us. Throws ConnectError. */
export type ProxyDialogue = Generator<ProxyQuestion, void, Buffer>

/** Where the proxy is to connect. */
export interface ProxyTarget {
  readonly host: string
  readonly port: number
}

/** Most bytes of an answer that are looked at: the head of an HTTP response, with whatever headers a proxy adds. */
export const maximumAnswerLength = 16 * 1024

/** @param address of the target, where this machine has to resolve its name */
export function proxyDialogue(proxy: ProxyAddress, target: ProxyTarget, address: string | undefined): ProxyDialogue {
  switch (proxy.protocol) {
    case 'http':
      return httpConnect(proxy, target)
    case 'socks4':
    case 'socks4a':
      return socks4(proxy, { ...target, host: address ?? target.host })
    default:
      return socks5(proxy, { ...target, host: address ?? target.host })
  }
}

function* httpConnect(proxy: ProxyAddress, target: ProxyTarget): ProxyDialogue {
  const name = asciiName(target.host)
  const authority = `${name.includes(':') ? `[${name}]` : name}:${target.port}`
  const { username, password = '' } = proxy
  const login = Buffer.from(`${username ?? ''}:${password}`).toString('base64')
  const authorization = username === undefined && password === '' ? '' : `Proxy-Authorization: Basic ${login}\r\n`
  const head = yield {
    send: Buffer.from(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`),
    answerLength: headLength,
  }
  const [statusLine = ''] = head.toString('latin1').split(/\r?\n/, 1)
  const [, status = '', reason = ''] = /^HTTP\/1\.\d (\d{3})(?: (.*))?$/.exec(statusLine) ?? []
  if (status === '') throw badAnswer(proxy, `"${printable(statusLine, 64)}" is no HTTP status line`)
  if (status.startsWith('2')) return
  const why = httpHints.get(status)
  throw refused(proxy, target, [status, printable(reason, 128)].join(' ').trim(), {
    hint: why,
    details: { status: Number(status) },
  })
}

const httpHints = new Map([
  ['401', 'it wants user and password in the proxy address'],
  ['403', 'it does not allow that host or port'],
  ['405', 'it is no proxy for CONNECT'],
  ['407', 'it wants user and password in the proxy address, or those given are wrong'],
  ['502', 'it cannot reach that host'],
  ['503', 'it cannot reach that host'],
  ['504', 'the host did not answer it'],
])

const httpStart = Buffer.from('HTTP/1.')

function headLength(received: Buffer): number | undefined {
  const start = received.subarray(0, httpStart.length)
  if (!start.equals(httpStart.subarray(0, start.length))) {
    throw badAnswer({ protocol: 'http' }, `"${printable(start.toString('latin1'))}…" begins no HTTP response`)
  }
  // RFC 9112 §2.2: a line may also end by a bare LF.
  const end = /\n\r?\n/.exec(received.toString('latin1'))
  return end === null ? undefined : end.index + end[0].length
}

function* socks5(proxy: ProxyAddress, target: ProxyTarget): ProxyDialogue {
  const { username, password = '' } = proxy
  const destination = socksAddress(proxy, target.host)
  const offered = username === undefined ? [noAuth] : [noAuth, usernamePassword]
  const greeting = yield { send: Uint8Array.of(5, offered.length, ...offered), answerLength: always(2) }
  const [version, method = noMethod] = greeting
  if (version !== 5) throw badAnswer(proxy, `it speaks version ${version}, not 5`)
  if (method === noMethod) {
    const hint = username === undefined ? 'it wants user and password in the proxy address' : 'it takes no password'
    throw refused(proxy, target, 'no way to log in to it', { hint })
  }
  if (!offered.includes(method)) throw badAnswer(proxy, `it chose login method ${method}, which was not offered`)
  if (method === usernamePassword) {
    // RFC 1929 §2
    const login = [Uint8Array.of(1), counted(username ?? ''), counted(password)]
    const answer = yield { send: Buffer.concat(login), answerLength: always(2) }
    if (answer[1] !== 0) throw refused(proxy, target, 'user or password are wrong')
  }
  const reply = yield {
    send: Buffer.concat([Uint8Array.of(5, 1, 0), destination, portBytes(target.port)]),
    answerLength: (received) => socks5ReplyLength(proxy, received),
  }
  const code = reply[1] ?? 0
  if (code !== 0) throw refused(proxy, target, socks5Reasons[code] ?? `reason ${code}`, { details: { reply: code } })
}

const noAuth = 0
const usernamePassword = 2
const noMethod = 0xff

/** RFC 1928 §6 */
const socks5Reasons: readonly string[] = [
  '',
  'general failure',
  'its rules do not allow it',
  'the network is unreachable',
  'the host is unreachable',
  'nothing listens there',
  'the time to live expired',
  'it knows no such command',
  'it knows no such addresses',
]

/** Lengths of numeric addresses by their type (RFC 1928 §5). */
const addressLengths = new Map([
  [1, 4],
  [4, 16],
])
const nameType = 3

function socks5ReplyLength(proxy: ProxyAddress, received: Buffer): number | undefined {
  const [version, code, , type, nameLength] = received
  if (version !== undefined && version !== 5) throw badAnswer(proxy, `it speaks version ${version}, not 5`)
  // Some send no address with a refusal.
  if (code !== undefined && code !== 0) return 2
  if (type === undefined) return undefined
  if (type !== nameType && !addressLengths.has(type)) throw badAnswer(proxy, `${type} is no type of address`)
  const addressLength = type === nameType ? nameLength && nameLength + 1 : addressLengths.get(type)
  if (type === nameType && nameLength === 0) throw badAnswer(proxy, 'the name in its answer is empty')
  if (addressLength === undefined || received.length < 4 + addressLength + 2) return undefined
  return 4 + addressLength + 2
}

function socksAddress(proxy: ProxyAddress, host: string): Uint8Array {
  const numeric = numericAddress(host)
  if (numeric !== undefined) return Buffer.concat([Uint8Array.of(numeric.length === 4 ? 1 : 4), numeric])
  const name = Buffer.from(asciiName(host))
  if (name.length > 255) throw tooLong(proxy)
  return Buffer.concat([Uint8Array.of(nameType, name.length), name])
}

/** SOCKS4 as its authors wrote it down ("SOCKS: A protocol for TCP proxy across firewalls"); 4a adds a name. */
function* socks4(proxy: ProxyAddress, target: ProxyTarget): ProxyDialogue {
  const numeric = numericAddress(target.host)
  if (numeric?.length === 16) {
    throw refused(proxy, target, 'SOCKS4 knows no IPv6 addresses', { hint: 'use socks5://' })
  }
  const name = numeric === undefined ? asciiName(target.host) : undefined
  if (name !== undefined && name.length > 255) throw tooLong(proxy)
  const answer = yield {
    send: Buffer.concat([
      Uint8Array.of(4, 1),
      portBytes(target.port),
      // An address 0.0.0.x that is not 0.0.0.0 says that a name follows.
      numeric ?? Uint8Array.of(0, 0, 0, 1),
      Buffer.from(`${proxy.username ?? ''}\0`),
      Buffer.from(name === undefined ? '' : `${name}\0`),
    ]),
    answerLength: always(8),
  }
  const [version, code = 0] = answer
  // The version of an answer is 0; some send 4.
  if (version !== 0 && version !== 4) throw badAnswer(proxy, `it answers in version ${version}`)
  if (code !== granted)
    throw refused(proxy, target, socks4Reasons.get(code) ?? `reason ${code}`, { details: { reply: code } })
}

const granted = 90
const socks4Reasons = new Map([
  [91, 'rejected or failed'],
  [92, 'it could not ask who we are'],
  [93, 'it was told that we are somebody else'],
])

function always(length: number) {
  return (received: Buffer): number | undefined => (received.length < length ? undefined : length)
}

function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff)
}

/** Text behind one byte with its length; the proxy's address was checked to fit. */
function counted(text: string): Uint8Array {
  const bytes = Buffer.from(text)
  return Buffer.concat([Uint8Array.of(bytes.length), bytes])
}

/** Bytes of a numeric address; undefined for a name. A zone means nothing to another machine and is left out. */
function numericAddress(host: string): Uint8Array | undefined {
  const [address = ''] = host.split('%')
  switch (isIP(address)) {
    case 4:
      return Uint8Array.from(address.split('.').map(Number))
    case 6:
      return ipv6Bytes(address)
    default:
      return undefined
  }
}

function ipv6Bytes(address: string): Uint8Array {
  // The URL parser writes an embedded IPv4 address as two groups.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [before, after] = [groups(head), groups(tail ?? '')]
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}

/** A name as it is on the wire; a name that has no such form is left as it is, for the proxy to refuse. */
function asciiName(host: string): string {
  if (isIP(host) !== 0) return host
  return domainToASCII(host) || host
}

interface Refusal {
  readonly hint?: string | undefined
  readonly details?: Readonly<Record<string, unknown>>
}

function refused(proxy: ProxyAddress, target: ProxyTarget, why: string, { hint, details }: Refusal = {}): ConnectError {
  const { host, port } = target
  const advice = hint === undefined ? '' : `; ${hint}`
  return new ConnectError(
    'ERR_SSH_CONNECT_PROXY_REFUSED',
    `The ${nameOf(proxy)} proxy ${proxy.host} port ${proxy.port} did not connect to ${host} port ${port}: ${why}${advice}`,
    { details: { host, port, proxy: `${proxy.host}:${proxy.port}`, ...details } },
  )
}

function tooLong(proxy: ProxyAddress): ConnectError {
  const text = `No ${nameOf(proxy)} proxy can be asked for it: the name of the host is longer than 255 bytes`
  return new ConnectError('ERR_SSH_CONNECT_PROXY_REFUSED', text)
}

/** What came is no answer of such a proxy. */
export function badAnswer(proxy: Pick<ProxyAddress, 'protocol'>, why: string): ConnectError {
  return new ConnectError(
    'ERR_SSH_CONNECT_PROXY_PROTOCOL',
    `What answered is no ${nameOf(proxy)} proxy: ${why}; are address and kind of the proxy right?`,
  )
}

function nameOf({ protocol }: Pick<ProxyAddress, 'protocol'>): string {
  return protocol === 'http' ? 'HTTP' : protocol.startsWith('socks5') ? 'SOCKS5' : 'SOCKS4'
}
