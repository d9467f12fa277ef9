/** What `ssh -G` and `sshd -T` print, from what was found in the same files. */

import type { ConfigTokens } from './config-tokens.js'
import type { ClientConfig } from './ssh-config.js'
import { clientKeywords } from './ssh-config-keywords.js'
import type { ServerConfig } from './sshd-config.js'
import { serverKeywords } from './sshd-config-keywords.js'

/** Keywords that `ssh -G` prints as they are written, tokens and all. */
const printedAsWritten = new Set([
  'certificateFile',
  'identityFile',
  'knownHostsCommand',
  'localCommand',
  'proxyCommand',
  'revokedHostKeys',
])

/** Texts by keyword in lower case; several for what is printed on several lines. */
export type PrintedConfig = ReadonlyMap<string, readonly string[]>

/**
 * The values of all keywords, those that no file sets included, in the form of `ssh -G`: to be shown, or compared.
 */
export function printClientConfig(config: ClientConfig): PrintedConfig {
  const { originalHost, host, port, username, values, written, tokens } = config
  const printed = new Map<string, readonly string[]>([['host', [originalHost]]])
  const texts = new Map<string, unknown>(Object.entries(values))
  for (const [key, value] of Object.entries(written)) if (printedAsWritten.has(key)) texts.set(key, value)
  for (const [key, row] of Object.entries(clientKeywords)) {
    const value = texts.get(key) ?? homeExpanded(key, fallbackOf(row), tokens)
    printRow(row, value, printed)
  }
  printed.set('hostname', [host])
  printed.set('port', [String(port)])
  printed.set('user', [username])
  if (values.updateHostKeys === undefined) printed.set('updatehostkeys', [String(updatesHostKeys(config))])
  if (values.clearAllForwardings) {
    for (const name of ['localforward', 'remoteforward', 'dynamicforward']) printed.delete(name)
    printed.set('tunnel', ['false'])
  }
  return printed
}

/** ssh's own default: where the user's file is the usual one, and names are not trusted. */
export function updatesHostKeys({ written }: ClientConfig): boolean {
  const { userKnownHostsFile, verifyHostKeyDns = 'no' } = written
  const isUsual =
    userKnownHostsFile === undefined ||
    (userKnownHostsFile.length === 1 && userKnownHostsFile[0] === '~/.ssh/known_hosts')
  return isUsual && verifyHostKeyDns === 'no'
}

function homeExpanded(key: string, fallback: unknown, tokens: ConfigTokens): unknown {
  if (key !== 'userKnownHostsFile' || !Array.isArray(fallback)) return fallback
  return fallback.map((path: unknown) => String(path).replace(/^~/, tokens.get('d') ?? '~'))
}

/**
 * The values of all keywords, those that no file sets included, in the form of `sshd -T`. Addresses to listen on are
 * printed as they are written, and not looked up.
 */
export function printServerConfig({ values }: ServerConfig): PrintedConfig {
  const printed = new Map<string, readonly string[]>()
  const texts = new Map<string, unknown>(Object.entries(values))
  for (const [key, row] of Object.entries(serverKeywords)) printRow(row, texts.get(key) ?? fallbackOf(row), printed)
  const {
    port: ports = [22],
    listenAddress = [
      { host: '0.0.0.0', port: undefined },
      { host: '::', port: undefined },
    ],
  } = values
  const addresses = listenAddress.flatMap(({ host, port }) =>
    (port === undefined ? ports : [port]).map((each) => ({ host, port: each })),
  )
  printed.set('listenaddress', serverKeywords.listenAddress.kind.print(addresses))
  return printed
}

function fallbackOf(row: object): unknown {
  return 'fallback' in row ? row.fallback : undefined
}

/** A row prints what it has read, or what stands in it. */
function printRow(
  { name, kind }: { readonly name: string; readonly kind: object },
  value: unknown,
  printed: Map<string, readonly string[]>,
): void {
  const lines = value === undefined ? [] : (kind as { print(value: unknown): readonly string[] }).print(value)
  if (lines.length > 0) printed.set(name.toLowerCase(), lines)
}
