/** What `ssh -G` prints, from what was found in the same files. */

import type { ConfigTokens } from './config-tokens.js'
import type { ClientConfig } from './ssh-config.js'
import { clientKeywords } from './ssh-config-keywords.js'

/** Keywords that `ssh -G` prints as they are written, tokens and all. */
const printedAsWritten = new Set([
  'certificateFile',
  'identityFile',
  'knownHostsCommand',
  'localCommand',
  'proxyCommand',
  'revokedHostKeys',
])

/** Keywords that add up over lines, and are printed one value per line. */
export type PrintedConfig = ReadonlyMap<string, readonly string[]>

/**
 * The values of all keywords, those that no file sets included, in the form of `ssh -G`: to be shown, or compared.
 * @returns texts by keyword in lower case; several for what is printed on several lines
 */
export function printClientConfig(config: ClientConfig): PrintedConfig {
  const { originalHost, host, port, username, values, written, tokens } = config
  const printed = new Map<string, readonly string[]>([['host', [originalHost]]])
  const texts = new Map<string, unknown>(Object.entries(values))
  for (const [key, value] of Object.entries(written)) if (printedAsWritten.has(key)) texts.set(key, value)
  for (const [key, row] of Object.entries(clientKeywords)) {
    const { name, kind } = row
    const fallback = 'fallback' in row ? row.fallback : undefined
    const value = texts.get(key) ?? homeExpanded(key, fallback, tokens)
    // Rows print what they have read themselves.
    const lines = value === undefined ? [] : (kind as { print(value: unknown): readonly string[] }).print(value)
    if (lines.length > 0) printed.set(name.toLowerCase(), lines)
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
