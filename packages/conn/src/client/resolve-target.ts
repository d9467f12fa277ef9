/** What a destination means: where to connect, as whom, and with which options. */

import type { ParsedConfig } from '../config/config-model.js'
import { parseClientConfig, resolveClientConfig } from '../config/ssh-config.js'
import {
  includeReader,
  readConfigFile,
  readNamedConfigFile,
  systemConfigFile,
  userConfigFile,
} from '../io/config-files.js'
import { configMachine } from '../io/config-machine.js'
import type { ClientTarget } from './client-link.js'
import type { ParsedClientOptions } from './client-options.js'
import type { Configured } from './configured.js'
import { type Destination, parseDestination } from './destination.js'
import { optionsFromConfig, type ResolvedClientOptions, withoutUndefined } from './options-from-config.js'

/** A destination with everything said about it, by its own text, by the options and by ssh_config. */
export interface ResolvedTarget {
  readonly target: ClientTarget
  readonly options: ResolvedClientOptions
  /** What ssh_config says of sessions and forwardings. */
  readonly configured: Configured
}

/**
 * Asks ssh_config about a destination. What the destination and the options say goes before what files say.
 * @param signal ends a command that `Match exec` runs
 * @throws OptionsError when the destination is none, also the one that a file makes of it
 * @throws ConfigParseError when a file cannot be read, is not to be trusted, or says what cannot be done
 * @throws AbortError
 */
export async function resolveTarget(
  destination: Destination,
  options: ParsedClientOptions,
  signal?: AbortSignal,
): Promise<ResolvedTarget> {
  const { host, port = options.port, username = options.username } = parseDestination(destination)
  const configs = await readConfigs(options.config)
  const machine = configMachine({ mayExecute: options.configCommands ?? true, signal })
  const config = await resolveClientConfig(configs, { host, port, username, machine })
  for (const warning of config.warnings) {
    options.logger?.warn?.({ layer: 'config', event: 'line-without-effect', ...warning })
  }
  const fromConfig = optionsFromConfig(config, options, machine.variables)
  for (const notice of fromConfig.notices) {
    options.logger?.warn?.({ layer: 'config', event: 'keyword-not-followed', ...notice })
  }
  // A name that a file has made up is held to the same as one that a user has written.
  const target = parseDestination({ host: config.host, port: config.port, username: config.username })
  return {
    target: { host: target.host, port: config.port, username: config.username },
    options: { ...fromConfig.options, ...withoutUndefined(options), tokens: config.tokens },
    configured: fromConfig.configured,
  }
}

async function readConfigs(source: ParsedClientOptions['config']): Promise<readonly ParsedConfig[]> {
  if (source === null) return []
  const include = includeReader(true)
  if (source !== undefined) {
    const paths = typeof source === 'string' ? [source] : source
    // Named by whoever calls: theirs to trust, as what `ssh -F` names. What it includes is not.
    const texts = await Promise.all(paths.map((path) => readNamedConfigFile(path)))
    return await Promise.all(texts.map((text) => parseClientConfig(text, include)))
  }
  const texts = await Promise.all([
    readConfigFile(userConfigFile, { scope: 'user', isPrivate: true }),
    readConfigFile(systemConfigFile, { scope: 'system' }),
  ])
  return await Promise.all(texts.flatMap((text) => (text === undefined ? [] : [parseClientConfig(text, include)])))
}
