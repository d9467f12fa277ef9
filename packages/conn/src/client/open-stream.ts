/** The stream a client speaks over: given, or TCP to the target. */

import type { Duplex } from 'node:stream'
import { dial } from '../io/dial.js'
import type { ClientTarget } from './client-link.js'
import type { ParsedClientOptions } from './client-options.js'

/**
 * Opens the stream to a server. What it is made of (a jump host's connection, a proxy's process) ends with it.
 * @param signal gives up, with its reason
 * @throws ConnectError with the system's error as `cause`
 * @throws AbortError, or the signal's reason
 */
export function openStream(target: ClientTarget, options: ParsedClientOptions, signal: AbortSignal): Promise<Duplex> {
  if (options.sock !== undefined) return Promise.resolve(options.sock)
  return dial({ host: target.host, port: target.port, signal })
}
