/** What a destination means: where to connect, as whom, and with which options. */

import { localUserName } from '../io/files.js'
import type { ClientTarget } from './client-link.js'
import type { ParsedClientOptions } from './client-options.js'
import { type Destination, parseDestination } from './destination.js'

const defaultPort = 22

/** A destination with everything said about it, by its own text, by the options and by ssh_config. */
export interface ResolvedTarget {
  readonly target: ClientTarget
  readonly options: ParsedClientOptions
}

/**
 * @throws OptionsError when the destination is none
 */
export async function resolveTarget(destination: Destination, options: ParsedClientOptions): Promise<ResolvedTarget> {
  const { host, port = options.port ?? defaultPort, username = options.username } = parseDestination(destination)
  return { target: { host, port, username: username ?? localUserName() }, options }
}
