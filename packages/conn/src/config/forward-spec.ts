/** What LocalForward, RemoteForward and DynamicForward of ssh_config say: where to listen, and where that leads. */

import type { ConfigLine } from './config-line.js'
import { expandTokens, type Variables } from './config-tokens.js'
import { shown, ValueFault, type ValueKind } from './config-values.js'

/** A TCP port or a Unix socket. */
export type ForwardEndpoint = { readonly host: string | undefined; readonly port: number } | { readonly path: string }

/** One forwarding. */
export interface ForwardSpec {
  readonly listen: ForwardEndpoint
  /** Undefined: whoever connects says where to, by SOCKS. */
  readonly connect: ForwardEndpoint | undefined
}

/** A forwarding as written, with variables that are looked up later; and the forwarding, when it has none. */
export interface WrittenForward {
  readonly text: string
  readonly spec: ForwardSpec | undefined
}

export type ForwardKeyword = 'local' | 'remote' | 'dynamic'

/** A forwarding behind one of the three keywords; several lines add up. */
export function forwarding(kind: ForwardKeyword): ValueKind<readonly WrittenForward[]> {
  return {
    read(line) {
      const text = textOf(kind, line)
      return [{ text, spec: text.includes('${') ? undefined : parseForward(kind, text) }]
    },
    print: (forwards) =>
      forwards.flatMap(({ spec }) => {
        if (spec === undefined) return []
        const { listen, connect } = spec
        if (kind === 'dynamic') return [printEndpoint(listen)]
        return [`${printEndpoint(listen)} ${connect === undefined ? '[socks]:0' : printEndpoint(connect)}`]
      }),
  }
}

function textOf(kind: ForwardKeyword, { words }: ConfigLine): string {
  const [listen = '', connect, ...others] = words
  if (listen === '') throw new ValueFault('a value is missing')
  const isTooMuch = others.length > 0 || (kind === 'dynamic' && connect !== undefined)
  if (isTooMuch) throw new ValueFault(`"${shown(words.slice(-1).join(''))}" is too much`)
  if (connect === undefined && kind === 'local') throw new ValueFault('it does not say where the forwarding leads')
  return connect === undefined ? listen : `${listen}:${connect}`
}

/**
 * A forwarding with its variables looked up, and tokens in paths.
 * @throws ValueFault, ConfigParseError
 */
export function expandForward(
  kind: ForwardKeyword,
  { text, spec }: WrittenForward,
  variables: Variables,
  expandPath: (path: string) => string,
): WrittenForward {
  const parsed = spec ?? parseForward(kind, expandVariables(text, variables))
  const expanded = (endpoint: ForwardEndpoint) => ('path' in endpoint ? { path: expandPath(endpoint.path) } : endpoint)
  return {
    text,
    spec: { listen: expanded(parsed.listen), connect: parsed.connect && expanded(parsed.connect) },
  }
}

/** Variables alone: a `%` may be a token of a path. */
function expandVariables(text: string, variables: Variables): string {
  return text
    .split(/(%+)/)
    .map((part) => expandTokens(part.replaceAll('%', '%%'), { keyword: 'A forwarding', tokens: new Map(), variables }))
    .join('')
}

/**
 * Reads `[host:]port:host:port`, `port`, a path in place of either end; an address with colons stands in brackets.
 * @throws ValueFault
 */
export function parseForward(kind: ForwardKeyword, text: string): ForwardSpec {
  const fields = splitFields(text.trimStart())
  const [first, second, third, fourth] = fields ?? []
  if (first === undefined || fields === undefined || fields.length > 4) throw invalid(text)
  const tcp = (host: Field | undefined, port: Field): ForwardEndpoint => ({
    host: host?.text,
    port: portOf(port, text),
  })
  const path = (field: Field): ForwardEndpoint => ({ path: field.text })
  let spec: ForwardSpec
  if (second === undefined) spec = { listen: first.isPath ? path(first) : tcp(undefined, first), connect: undefined }
  else if (third === undefined) {
    if (second.isPath) spec = { listen: first.isPath ? path(first) : tcp(undefined, first), connect: path(second) }
    else spec = { listen: tcp(first, second), connect: undefined }
  } else if (fourth === undefined) {
    if (first.isPath) spec = { listen: path(first), connect: tcp(second, third) }
    else if (third.isPath) spec = { listen: tcp(first, second), connect: path(third) }
    else spec = { listen: tcp(undefined, first), connect: tcp(second, third) }
  } else spec = { listen: tcp(first, second), connect: tcp(third, fourth) }
  check(kind, spec, text)
  return spec
}

function check(kind: ForwardKeyword, { listen, connect }: ForwardSpec, text: string): void {
  if (kind === 'dynamic' ? connect !== undefined || 'path' in listen : kind === 'local' && connect === undefined) {
    throw invalid(text)
  }
  if (connect !== undefined && 'port' in connect && connect.port === 0) throw invalid(text)
  if (kind !== 'remote' && 'port' in listen && listen.port === 0) throw invalid(text)
  for (const end of [listen, connect]) {
    if (end !== undefined && 'path' in end && end.path.length > maximumPathLength) {
      throw new ValueFault(`a path of more than ${maximumPathLength} characters is none for a socket`)
    }
  }
}

/** Room for the path in a sockaddr_un of Linux, with its end. */
const maximumPathLength = 107

interface Field {
  readonly text: string
  readonly isPath: boolean
}

/** Fields between colons, where brackets hold one together and `\` takes the meaning of what follows it away. */
function splitFields(text: string): Field[] | undefined {
  const fields: Field[] = []
  let rest = text
  while (rest !== '') {
    const bracketed = /^\[([^\]]*)\](?::|$)/.exec(rest)
    if (bracketed?.[1] !== undefined) {
      fields.push({ text: bracketed[1], isPath: bracketed[1].includes('/') })
      rest = rest.slice(bracketed[0].length)
    } else {
      const [whole = '', field = ''] = /^((?:\\.|[^:\\])*)(?::|$)/s.exec(rest) ?? []
      if (whole === '' || rest.startsWith('[')) return undefined
      const unescaped = field.replace(/\\(.)/gs, '$1')
      fields.push({ text: unescaped, isPath: /(?<!\\)\//.test(field) })
      rest = rest.slice(whole.length)
    }
  }
  return fields
}

function portOf(field: Field, text: string): number {
  const port = Number(field.text)
  if (!/^\d{1,5}$/.test(field.text) || port > 65535) throw invalid(text)
  return port
}

function invalid(text: string): ValueFault {
  return new ValueFault(
    `"${shown(text)}" is no forwarding; expected [host:]port host:port, or paths of sockets in their places`,
  )
}

function printEndpoint(endpoint: ForwardEndpoint): string {
  if ('path' in endpoint) return endpoint.path
  return endpoint.host === undefined ? String(endpoint.port) : `[${endpoint.host}]:${endpoint.port}`
}
