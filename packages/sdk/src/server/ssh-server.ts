/** A listening server: what `listen` returns. */

import {
  assertOptions,
  type SshServer as ProtocolServer,
  parseOptions,
  type ServerConnection,
  serverOptionsSchema,
} from '@ssh/conn'
import { protocolOptions, withoutSessionOptions } from './protocol-options.js'
import { type CloseOptions, closeOptionsSchema, type ListenOptions, type UpdateOptions } from './server-options.js'

/** A listening server. Made by `listen`. */
export class SshServer {
  readonly #server: ProtocolServer
  #options: ListenOptions

  /** Made by `listen`. */
  constructor(server: ProtocolServer, options: ListenOptions) {
    this.#server = server
    this.#options = options
  }

  /** The port it listens on. */
  get port(): number {
    return this.#server.port
  }

  /** Where it listens; nowhere once it is closed. */
  get addresses(): readonly { readonly address: string; readonly port: number }[] {
    return this.#server.addresses
  }

  /** Connections that are open, logged in or not. */
  get connections(): ReadonlySet<ServerConnection> {
    return this.#server.connections
  }

  /** Resolves when the server and all its connections are closed. */
  get closed(): Promise<void> {
    return this.#server.closed
  }

  /**
   * Changes options for connections that come later; those that are open keep theirs. On an error nothing changes.
   * @throws OptionsError when an option is unknown or of the wrong kind, or nobody could log in
   * @throws KeyImportError, KeyEncryptionError when a host key cannot be used
   */
  async update(options: UpdateOptions): Promise<void> {
    assertOptions('update', options)
    const merged = { ...this.#options, ...options }
    const { serverFactory } = protocolOptions('update', merged, serverOptionsSchema)
    await this.#server.update({ ...withoutSessionOptions(options), serverFactory })
    this.#options = merged
  }

  /** Stops accepting, and ends every connection; resolves when all are closed. @throws OptionsError */
  async close(options: CloseOptions = {}): Promise<void> {
    const { drain = 0 } = parseOptions('close', closeOptionsSchema, options)
    await this.#server.close({ drain })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
