/** What a destination means: where to connect, as whom, and with which options. */

import { readClientConfig } from './client-config.js'
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
  const { config: files, configCommands, username, port, logger } = options
  const config = await readClientConfig(destination, { config: files, configCommands, username, port, signal })
  for (const warning of config.warnings) {
    logger?.warn?.({ layer: 'config', event: 'line-without-effect', ...warning })
  }
  const fromConfig = optionsFromConfig(config, options)
  for (const notice of fromConfig.notices) {
    logger?.warn?.({ layer: 'config', event: 'keyword-not-followed', ...notice })
  }
  // A name that a file has made up is held to the same as one that a user has written.
  const target = { host: config.host, port: config.port, username: config.username }
  parseDestination(target)
  return {
    target,
    options: { ...fromConfig.options, ...withoutUndefined(options), tokens: config.tokens },
    configured: fromConfig.configured,
  }
}
