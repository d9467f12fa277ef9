/** A server of one connection, on a stream that somebody else connected. */

import type { Duplex } from 'node:stream'
import { ignoreError } from '@ssh/streams'
import { AbortError } from '@ssh/wire'
import type { z } from 'zod'
import { abortSignal, parseOptions } from '../options-schema.js'
import { acceptConnection } from './accept-connection.js'
import { prepareServerOptions } from './prepare-server-options.js'
import type { ServerConnection } from './server-connection.js'
import { serverConnectionOptionsSchema } from './server-options.js'

const streamServerOptionsSchema = serverConnectionOptionsSchema.extend({
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
  try {
    const { signal, ...parsed } = parseOptions('runServer', streamServerOptionsSchema, options)
    const prepared = await prepareServerOptions(parsed)
    if (signal?.aborted) throw new AbortError(signal.reason)
    const link = acceptConnection(stream, prepared)
    const giveUp = () => link.destroy(new AbortError(signal?.reason))
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      await link.authenticated
      return link.connection
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  } catch (error) {
    stream.destroy()
    throw error
  }
}
