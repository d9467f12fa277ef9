/** The ways in for servers. */

import type { Duplex } from 'node:stream'
import {
  type Destination,
  listenServer,
  reverseServerOptionsSchema,
  type ServerConnection,
  serveReverse,
  serverOptionsSchema,
  serveStream,
  streamServerOptionsSchema,
} from '@ssh/conn'
import { protocolOptions } from './protocol-options.js'
import type { ConnectReverseOptions, ListenOptions, RunServerOptions } from './server-options.js'
import { SshServer } from './ssh-server.js'

/**
 * Listens for SSH connections.
 *
 * @throws OptionsError when an option is unknown or of the wrong kind, or nobody could log in
 * @throws KeyImportError, KeyEncryptionError when a host key cannot be used
 * @throws ConfigParseError when the authorized keys cannot be read
 * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED` when the port cannot be had
 * @throws ChannelListenError when the server at the far end of `tunnel` refuses; what connecting to a jump host fails with
 * @throws AbortError
 * @example
 * await using server = await listen({
 *   host: '127.0.0.1', port: 8022, serverHostKeys: ['ssh_host_key'], authorizedClientKeys: 'authorized_keys',
 *   processFactory: (process) => {
 *     process.stdout.write(`hello ${process.info.username}\n`)
 *     process.exit(0)
 *   },
 * })
 */
export async function listen(options: ListenOptions): Promise<SshServer> {
  return new SshServer(await listenServer(protocolOptions('listen', options, serverOptionsSchema)), options)
}

/**
 * Serves SSH on a stream that is connected to a client already. The stream is the connection's from now on: it is closed
 * with it, and on every error.
 *
 * @returns the connection, once the user is in
 * @throws as {@link listen}, and what ended the connection before the user was in
 */
export async function runServer(stream: Duplex, options: RunServerOptions): Promise<ServerConnection> {
  return serveStream(stream, protocolOptions('runServer', options, streamServerOptionsSchema))
}

/**
 * Connects to a client that waits for its server (`listenReverse`, or AsyncSSH's `listen_reverse`), and serves SSH
 * there: for machines that can be reached by nobody, and can reach out.
 *
 * @param destination where the client listens
 * @returns the connection, once the client's user is in
 * @throws as {@link listen}, and what ended the connection before the user was in
 * @throws ConnectError, TimeoutError when the client cannot be reached; what connecting to a jump host fails with
 * @example
 * const connection = await connectReverse({ host: 'control.example', port: 2222 }, {
 *   serverHostKeys: ['ssh_host_key'], authorizedClientKeys: 'authorized_keys', sftpFactory: { root: '/srv' },
 * })
 * await connection.closed
 */
export async function connectReverse(
  destination: Destination,
  options: ConnectReverseOptions,
): Promise<ServerConnection> {
  return serveReverse(destination, protocolOptions('connectReverse', options, reverseServerOptionsSchema))
}
