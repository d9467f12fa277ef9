/** sshd_config of a server: read once, and asked again about each user of each client. */

import type { ParsedConfig } from '../config/config-model.js'
import {
  allValues,
  asksAboutGroups,
  parseServerConfig,
  resolveGlobalServerConfig,
  resolveServerConfig,
  type ServerConfig,
  type ServerConfigQuery,
} from '../config/sshd-config.js'
import { type ServerConfigValues, type ServerKeyword, serverKeywords } from '../config/sshd-config-keywords.js'
import { includeReader, readNamedConfigFile } from '../io/config-files.js'

/** A file of sshd_config, and what it includes, as it was when it was read. */
export interface ServerConfigFile {
  readonly file: string
  /** What holds for everybody. */
  readonly global: ServerConfig
  /** Whether a condition, or a list of who may log in, names groups. */
  readonly asksAboutGroups: boolean
  /** What holds for one user of one client; see `printServerConfig`. @throws ConfigParseError */
  resolve(query: ServerConfigQuery): Promise<ServerConfig>
  /** Every value that a keyword has anywhere, behind whatever Match. */
  allValues<K extends ServerKeyword>(keyword: K): readonly NonNullable<ServerConfigValues[K]>[]
  /** A keyword as the manual writes it. */
  nameOf(keyword: ServerKeyword): string
}

/**
 * Reads sshd_config, as `sshd -T` does.
 * @throws ConfigParseError with `details.file` and `details.line`, when a file cannot be read or says what makes no sense
 * @example
 * const config = await readServerConfig('/etc/ssh/sshd_config')
 * const { values } = await config.resolve({ user: 'alice', address: '192.0.2.7' })
 */
export async function readServerConfig(path: string): Promise<ServerConfigFile> {
  const source = await readNamedConfigFile(path, { scope: 'system' })
  const config: ParsedConfig = await parseServerConfig(source, includeReader(false))
  return {
    file: source.file ?? path,
    global: await resolveGlobalServerConfig(config),
    asksAboutGroups: asksAboutGroups(config),
    resolve: (query) => resolveServerConfig(config, query),
    allValues: (keyword) => allValues(config, keyword),
    nameOf: (keyword) => serverKeywords[keyword].name,
  }
}
