/** A server of one connection, on a stream that somebody else connected. */

import type { Duplex } from 'node:stream'
import { ignoreError } from '@ssh/streams'
import type { SshError } from '@ssh/wire'
import type { z } from 'zod'
import { ConnectLimit } from '../client/connect-limit.js'
import { abortSignal, parseOptions } from '../options-schema.js'
import { acceptConnection, type PreparedServerOptions } from './accept-connection.js'
import { prepareServerOptions } from './prepare-server-options.js'
import type { ServerConnection } from './server-connection.js'
import { serverConnectionOptionsSchema } from './server-options.js'

export const streamServerOptionsSchema = serverConnectionOptionsSchema.extend({
  /** Gives up while the client logs in. */
  signal: abortSignal.optional(),
})

/** Options of a server on one stream. */
export type StreamServerOptions = z.input<typeof streamServerOptionsSchema>

/**
 * Serves SSH on a connected stream, which is the connection's from now on: it is closed with it, and on every error.
 * @returns the connection, once the user is in
 * @throws OptionsError, KeyImportError, KeyEncryptionError, ConfigParseError
 * @throws SshError what ended the connection before
 * @throws AbortError
 */
export async function serveStream(stream: Duplex, options: StreamServerOptions): Promise<ServerConnection> {
  // An error that comes before anybody reads must not crash the process; whoever reads will be told of it.
  stream.on('error', ignoreError)
  let limit: ConnectLimit | undefined
  try {
    const { signal, ...parsed } = parseOptions('runServer', streamServerOptionsSchema, options)
    limit = new ConnectLimit(signal, undefined)
    const prepared = await prepareServerOptions(parsed)
    limit.signal.throwIfAborted()
    return await serveWithin(stream, prepared, limit.signal)
  } catch (error) {
    stream.destroy()
    throw error
  } finally {
    limit?.release()
  }
}

/**
 * Serves SSH on a stream until the user is in.
 * @param limit aborts with the error to fail with
 */
export async function serveWithin(
  stream: Duplex,
  prepared: PreparedServerOptions,
  limit: AbortSignal,
): Promise<ServerConnection> {
  const link = acceptConnection(stream, prepared)
  const giveUp = () => link.destroy(limit.reason as SshError)
  limit.addEventListener('abort', giveUp, { once: true })
  try {
    await link.authenticated
    return link.connection
  } finally {
    limit.removeEventListener('abort', giveUp)
  }
}
