/** A server that connects to its client: the direction of TCP is the only thing that changes. */

import { ignoreError } from '@ssh/streams'
import type { z } from 'zod'
import { establishClient } from '../client/connect.js'
import { ConnectLimit } from '../client/connect-limit.js'
import { type Destination, parseDestination } from '../client/destination.js'
import { dialOptions } from '../client/dial-options.js'
import { checkStreamOptions, explainLoss, missingConnection, openStream } from '../client/open-stream.js'
import { localUserName } from '../io/files.js'
import { abortSignal, duration, parseOptions } from '../options-schema.js'
import { prepareServerOptions } from './prepare-server-options.js'
import { serveWithin } from './serve-stream.js'
import type { ServerConnection } from './server-connection.js'
import { serverConnectionOptionsSchema } from './server-options.js'

export const reverseServerOptionsSchema = serverConnectionOptionsSchema.extend({
  ...dialOptions,
  /** Limit for everything up to the client's login. Default: none. */
  connectTimeout: duration.optional(),
  /** Gives up before the client has logged in. */
  signal: abortSignal.optional(),
})

/** Options of `connectReverse`: those of a server, and how to connect. */
export type ReverseServerOptions = z.input<typeof reverseServerOptionsSchema>

const defaultPort = 22

/**
 * Connects to a client that waits for its server, and serves SSH there.
 * @param destination where the client listens; a user named in it is who a proxy command is told (`%r`), and nobody else
 * @returns the connection, once the client's user is in
 * @throws OptionsError, KeyImportError, KeyEncryptionError, ConfigParseError
 * @throws ConnectError, TimeoutError, AbortError; what connecting to a jump host fails with
 * @throws SshError what ended the connection before the user was in
 */
export async function serveReverse(destination: Destination, options: ReverseServerOptions): Promise<ServerConnection> {
  const given = parseOptions('connectReverse', reverseServerOptionsSchema, options)
  const { tunnel, proxyCommand, proxy, family, localAddress, localPort, tcpKeepalive, connectionAttempts, ...rest } =
    given
  const { connectTimeout, signal, ...serverOptions } = rest
  const { logger } = serverOptions
  const way = { tunnel, proxyCommand, proxy, family, localAddress, localPort, tcpKeepalive, connectionAttempts, logger }
  checkStreamOptions(way)
  const { host, port = defaultPort, username = localUserName() } = parseDestination(destination)
  const limit = new ConnectLimit(signal, connectTimeout)
  limit.where = `${host} port ${port}`
  try {
    limit.step = 'a key of this machine'
    const prepared = await limit.race(prepareServerOptions(serverOptions))
    limit.step = missingConnection(way, way)
    const target = { host, port, username }
    const forHops = { family, localAddress, localPort, tcpKeepalive, connectionAttempts, logger }
    const request = { target, originalHost: host, given: way, resolved: way, forHops, connect: establishClient }
    const stream = await openStream(request, limit.signal)
    stream.on('error', ignoreError)
    try {
      limit.step = "key exchange and the client's login"
      limit.signal.throwIfAborted()
      return await serveWithin(stream, prepared, limit.signal)
    } catch (error) {
      stream.destroy()
      throw explainLoss(stream, error)
    }
  } finally {
    limit.release()
  }
}
