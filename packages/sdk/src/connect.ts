/** The ways in for clients: a connection, one command, one process. */

import type { Duplex } from 'node:stream'
import { assertOptions, type Destination, parseOptions } from '@ssh/conn'
import type { ClientOptions } from './client/client-options.js'
import { divideOptions } from './client/divide-options.js'
import { connectClient, type SshClientConnection } from './client/ssh-client-connection.js'
import type { SshClientProcess } from './process/client-process.js'
import {
  type OutputEncoding,
  type OutputOf,
  type ProcessOptions,
  processOptionsSchema,
  type RunOptions,
  runOptionsSchema,
} from './process/process-options.js'
import type { Command } from './process/quote.js'
import type { CompletedProcess } from './process/result.js'
import { assertCommand } from './process/run.js'

/**
 * Connects to a server and logs in.
 *
 * The host key is checked against known_hosts before anything secret is sent; one that is unknown or changed is refused.
 *
 * @param destination `'host'`, `'user@host'`, `'user@host:port'`, `'[v6]:port'`, `'ssh://user@host:port'`, or the parts
 * @throws OptionsError when an option is unknown or of the wrong kind
 * @throws ConnectError when the server cannot be reached, by TCP or as `tunnel`, `proxy` or `proxyCommand` say
 * @throws TimeoutError after `connectTimeout` or `loginTimeout`
 * @throws HostKeyNotVerifiable when the host key is not to be believed
 * @throws KeyExchangeFailed when there is no common algorithm; `details.ours` and `details.theirs`
 * @throws PermissionDenied when nothing let us in; `details.attempts` and `details.serverMethods`
 * @throws KeyImportError, KeyEncryptionError when a key cannot be used
 * @throws ConnectionLost, DisconnectError, ProtocolError when the connection breaks on the way
 * @throws AbortError when `signal` fires
 * @example
 * await using conn = await connect('user@host', { clientKeys: ['~/.ssh/id_ed25519'] })
 * @example
 * await using conn = await connect('user@inner', { tunnel: 'user@gate.example' }) // OpenSSH's ProxyJump
 */
export function connect(destination: Destination, options: ClientOptions = {}): Promise<SshClientConnection> {
  return connectClient(destination, options)
}

/**
 * Logs in over a stream that is connected to a server already. The stream is the connection's from now on: it is closed
 * with it, and when logging in fails.
 *
 * @param destination whose host key is expected, and who logs in
 * @throws as {@link connect}
 */
export async function runClient(
  stream: Duplex,
  destination: Destination,
  options: Omit<ClientOptions, 'sock'> = {},
): Promise<SshClientConnection> {
  assertOptions('runClient', options)
  return connect(destination, { ...options, sock: stream })
}

/**
 * Runs one command on a connection of its own, which is closed afterwards.
 * @param options those of `connect` and of `run` together
 * @throws as `connect` and `SshClientConnection.run`
 */
export async function run<E extends OutputEncoding | undefined = undefined>(
  destination: Destination,
  command: Command,
  options: ClientOptions & RunOptions & { readonly encoding?: E } = {},
): Promise<CompletedProcess<OutputOf<E>>> {
  const { forConnection, forProcess } = divideOptions('run', options, runOptionsSchema)
  parseOptions('run', runOptionsSchema, forProcess)
  assertCommand(command, forProcess)
  await using conn = await connect(destination, forConnection)
  return await conn.run<E>(command, forProcess)
}

/**
 * Starts one process on a connection of its own, which is closed with it.
 * @param options those of `connect` and of `createProcess` together
 * @throws as `connect` and `SshClientConnection.createProcess`
 */
export async function createProcess<E extends OutputEncoding | undefined = undefined>(
  destination: Destination,
  command?: Command,
  options: ClientOptions & ProcessOptions & { readonly encoding?: E } = {},
): Promise<SshClientProcess<OutputOf<E>>> {
  const { forConnection, forProcess } = divideOptions('createProcess', options, processOptionsSchema)
  parseOptions('createProcess', processOptionsSchema, forProcess)
  const conn = await connect(destination, forConnection)
  try {
    const remote = await conn.createProcess<E>(command, forProcess)
    const close = () => void conn.close()
    remote.closed.then(close, close)
    return remote
  } catch (error) {
    await conn.close()
    throw error
  }
}
