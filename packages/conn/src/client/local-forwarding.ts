/** Ports and paths of this machine that lead through a server, whoever opens the way: a connection, or one after another. */

import type { ByteChannel } from '@ssh/wire'
import type { Listener } from '../forwarding/listener.js'
import type { OpenTcpTunnelOptions, OpenTunnelOptions } from '../forwarding/open-tunnel.js'
import { parseOptions } from '../options-schema.js'
import { forwardLocally, forwardSocksLocally, type OpenFarEnd } from './client-forwarding-local.js'
import {
  checkDestPath,
  checkDestPort,
  checkListenPath,
  checkListenPort,
  type LocalPathOptions,
  type LocalPortOptions,
  localPathOptionsSchema,
  localPortOptionsSchema,
  type SocksOptions,
  socksOptionsSchema,
} from './client-forwarding-options.js'
import { type ForwardingLife, ForwardingScope } from './client-forwarding-scope.js'

/** Opens what a server reaches. */
export interface FarEnds {
  openTcp(host: string, port: number, options: OpenTcpTunnelOptions): Promise<ByteChannel>
  openUnix(path: string, options: OpenTunnelOptions): Promise<ByteChannel>
}

export class LocalForwarding {
  readonly #scope: ForwardingScope
  readonly #far: FarEnds

  constructor(scope: ForwardingScope, far: FarEnds) {
    this.#scope = scope
    this.#far = far
  }

  /** Forwarding that is of no connection: listeners stay until `life` is over, and far ends are opened as there is one. */
  static lasting(life: ForwardingLife, far: FarEnds): LocalForwarding {
    return new LocalForwarding(new ForwardingScope(life), far)
  }

  /** Whether listeners keep the process alive, those to come as well. */
  keepProcessAlive(keep: boolean): void {
    this.#scope.keepProcessAlive(keep)
  }

  async forwardLocalPort(
    listenHost: string,
    listenPort: number,
    destHost: string,
    destPort: number,
    options: LocalPortOptions = {},
  ): Promise<Listener> {
    const what = 'forwardLocalPort'
    const where = checkListenPort(what, listenHost, listenPort)
    const open = this.#toPort(checkDestPort(what, destHost, destPort))
    return forwardLocally(this.#scope, where, parseOptions(what, localPortOptionsSchema, options), open)
  }

  async forwardLocalPortToPath(
    listenHost: string,
    listenPort: number,
    destPath: string,
    options: LocalPortOptions = {},
  ): Promise<Listener> {
    const what = 'forwardLocalPortToPath'
    const where = checkListenPort(what, listenHost, listenPort)
    const open = this.#toPath(checkDestPath(what, destPath))
    return forwardLocally(this.#scope, where, parseOptions(what, localPortOptionsSchema, options), open)
  }

  async forwardLocalPath(listenPath: string, destPath: string, options: LocalPathOptions = {}): Promise<Listener> {
    const what = 'forwardLocalPath'
    const { path } = checkListenPath(what, listenPath)
    const open = this.#toPath(checkDestPath(what, destPath))
    const { mode, unlink, ...parsed } = parseOptions(what, localPathOptionsSchema, options)
    return forwardLocally(this.#scope, { path, mode, unlink }, parsed, open)
  }

  async forwardLocalPathToPort(
    listenPath: string,
    destHost: string,
    destPort: number,
    options: LocalPathOptions = {},
  ): Promise<Listener> {
    const what = 'forwardLocalPathToPort'
    const { path } = checkListenPath(what, listenPath)
    const open = this.#toPort(checkDestPort(what, destHost, destPort))
    const { mode, unlink, ...parsed } = parseOptions(what, localPathOptionsSchema, options)
    return forwardLocally(this.#scope, { path, mode, unlink }, parsed, open)
  }

  async forwardSocks(listenHost: string, listenPort: number, options: SocksOptions = {}): Promise<Listener> {
    const what = 'forwardSocks'
    const where = checkListenPort(what, listenHost, listenPort)
    const parsed = parseOptions(what, socksOptionsSchema, options)
    return forwardSocksLocally(this.#scope, where, parsed, ({ destHost, destPort, ...origin }, signal) =>
      this.#far.openTcp(destHost, destPort, { ...origin, signal }),
    )
  }

  #toPort({ host, port }: { readonly host: string; readonly port: number }): OpenFarEnd {
    return (origin, signal) => this.#far.openTcp(host, port, { ...origin, signal })
  }

  #toPath({ path }: { readonly path: string }): OpenFarEnd {
    return (_origin, signal) => this.#far.openUnix(path, { signal })
  }
}
