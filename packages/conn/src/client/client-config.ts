/** What ssh_config of this machine says about a host. */

import { z } from 'zod'
import type { ParsedConfig } from '../config/config-model.js'
import { type ClientConfig, parseClientConfig, resolveClientConfig } from '../config/ssh-config.js'
import {
  includeReader,
  readConfigFile,
  readNamedConfigFile,
  systemConfigFile,
  userConfigFile,
} from '../io/config-files.js'
import { configMachine } from '../io/config-machine.js'
import { abortSignal, parseOptions } from '../options-schema.js'
import { configOptions } from './config-options.js'
import { type Destination, parseDestination } from './destination.js'

const clientConfigOptionsSchema = z.strictObject({
  config: configOptions.config,
  configCommands: configOptions.configCommands,
  /** Login name, before what files say. */
  username: z.string().min(1).optional(),
  /** TCP port, before what files say. */
  port: z.int().min(1).max(65535).optional(),
  /** Gives up. */
  signal: abortSignal.optional(),
})

/** Options of {@link readClientConfig}. */
export type ClientConfigOptions = z.input<typeof clientConfigOptionsSchema>

/**
 * Asks ssh_config about a host, as `connect` does, and `ssh -G`: see `printClientConfig`.
 * @throws OptionsError
 * @throws ConfigParseError with `details.file` and `details.line`, when a file cannot be read, is not to be trusted, or says
 *   what makes no sense
 * @throws AbortError
 * @example
 * const { host, port, values } = await readClientConfig('alias')
 */
export async function readClientConfig(
  destination: Destination,
  options: ClientConfigOptions = {},
): Promise<ClientConfig> {
  const {
    config,
    configCommands = true,
    signal,
    ...given
  } = parseOptions('readClientConfig', clientConfigOptionsSchema, options)
  const { host, port = given.port, username = given.username } = parseDestination(destination)
  const machine = configMachine({ mayExecute: configCommands, signal })
  return resolveClientConfig(await readConfigs(config), { host, port, username, machine })
}

async function readConfigs(source: ClientConfigOptions['config']): Promise<readonly ParsedConfig[]> {
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
