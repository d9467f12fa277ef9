/** Forwarding of a client connection: RFC 4254 §7, OpenSSH PROTOCOL §2.4. `ClientConnection` says what each call does. */

import type { Duplex } from 'node:stream'
import { toDuplex } from '@ssh/streams'
import type { Channel } from '../connection/channel.js'
import type { Mux } from '../connection/mux.js'
import type { ForwardedTcpInfo, ForwardedUnixInfo } from '../forwarding/forward-info.js'
import type { Listener } from '../forwarding/listener.js'
import { openTcpTunnel, openUnixTunnel } from '../forwarding/open-tunnel.js'
import { RemoteListeners } from '../forwarding/remote-listeners.js'
import type { ListenPath, ListenPort } from '../io/stream-listener.js'
import { parseOptions } from '../options-schema.js'
import {
  checkDestPath,
  checkDestPort,
  checkHandler,
  checkListenPath,
  checkListenPort,
  type OpenConnectionOptions,
  type OpenUnixConnectionOptions,
  openConnectionOptionsSchema,
  openUnixConnectionOptionsSchema,
  type RemotePathOptions,
  type RemotePortOptions,
  remotePathOptionsSchema,
  remotePortOptionsSchema,
} from './client-forwarding-options.js'
import {
  type ConnectionHandler,
  type Deliver,
  forwardRemotely,
  toHandler,
  toTarget,
} from './client-forwarding-remote.js'
import { type ForwardingLink, ForwardingScope } from './client-forwarding-scope.js'
import { LocalForwarding } from './local-forwarding.js'

export class ClientForwarding extends LocalForwarding {
  readonly #mux: Mux
  readonly #scope: ForwardingScope
  readonly #remote: RemoteListeners

  constructor(link: ForwardingLink) {
    const { mux } = link.peer
    const scope = new ForwardingScope(link)
    super(scope, {
      openTcp: (host, port, options) => openTcpTunnel(mux, host, port, options),
      openUnix: (path, options) => openUnixTunnel(mux, path, options),
    })
    this.#mux = mux
    this.#scope = scope
    this.#remote = new RemoteListeners(mux, link.incoming)
  }

  // Single tunnels

  async openTcpChannel(host: string, port: number, options: OpenConnectionOptions = {}): Promise<Channel> {
    const to = checkDestPort('openConnection', host, port)
    const parsed = parseOptions('openConnection', openConnectionOptionsSchema, options)
    this.#scope.checkOpen()
    return openTcpTunnel(this.#mux, to.host, to.port, parsed)
  }

  async openUnixChannel(path: string, options: OpenUnixConnectionOptions = {}): Promise<Channel> {
    const to = checkDestPath('openUnixConnection', path)
    const parsed = parseOptions('openUnixConnection', openUnixConnectionOptionsSchema, options)
    this.#scope.checkOpen()
    return openUnixTunnel(this.#mux, to.path, parsed)
  }

  async openConnection(host: string, port: number, options?: OpenConnectionOptions): Promise<Duplex> {
    return toDuplex(await this.openTcpChannel(host, port, options))
  }

  async openUnixConnection(path: string, options?: OpenUnixConnectionOptions): Promise<Duplex> {
    return toDuplex(await this.openUnixChannel(path, options))
  }

  // Listening there

  async startServer(
    handler: ConnectionHandler<ForwardedTcpInfo>,
    listenHost: string,
    listenPort: number,
    options: RemotePortOptions = {},
  ): Promise<Listener> {
    const what = 'startServer'
    checkHandler(what, handler)
    const where = checkListenPort(what, listenHost, listenPort)
    const parsed = parseOptions(what, remotePortOptionsSchema, options)
    return this.#listenOnPort(where, parsed, toHandler(this.#scope, parsed, handler))
  }

  async startUnixServer(
    handler: ConnectionHandler<ForwardedUnixInfo>,
    listenPath: string,
    options: RemotePathOptions = {},
  ): Promise<Listener> {
    const what = 'startUnixServer'
    checkHandler(what, handler)
    const where = checkListenPath(what, listenPath)
    const parsed = parseOptions(what, remotePathOptionsSchema, options)
    return this.#listenOnPath(where, parsed, toHandler(this.#scope, parsed, handler))
  }

  async forwardRemotePort(
    listenHost: string,
    listenPort: number,
    destHost: string,
    destPort: number,
    options: RemotePortOptions = {},
  ): Promise<Listener> {
    const what = 'forwardRemotePort'
    const where = checkListenPort(what, listenHost, listenPort)
    const deliver = toTarget(this.#scope, checkDestPort(what, destHost, destPort))
    return this.#listenOnPort(where, parseOptions(what, remotePortOptionsSchema, options), deliver)
  }

  async forwardRemotePortToPath(
    listenHost: string,
    listenPort: number,
    destPath: string,
    options: RemotePortOptions = {},
  ): Promise<Listener> {
    const what = 'forwardRemotePortToPath'
    const where = checkListenPort(what, listenHost, listenPort)
    const deliver = toTarget(this.#scope, checkDestPath(what, destPath))
    return this.#listenOnPort(where, parseOptions(what, remotePortOptionsSchema, options), deliver)
  }

  async forwardRemotePath(listenPath: string, destPath: string, options: RemotePathOptions = {}): Promise<Listener> {
    const what = 'forwardRemotePath'
    const where = checkListenPath(what, listenPath)
    const deliver = toTarget(this.#scope, checkDestPath(what, destPath))
    return this.#listenOnPath(where, parseOptions(what, remotePathOptionsSchema, options), deliver)
  }

  async forwardRemotePathToPort(
    listenPath: string,
    destHost: string,
    destPort: number,
    options: RemotePathOptions = {},
  ): Promise<Listener> {
    const what = 'forwardRemotePathToPort'
    const where = checkListenPath(what, listenPath)
    const deliver = toTarget(this.#scope, checkDestPort(what, destHost, destPort))
    return this.#listenOnPath(where, parseOptions(what, remotePathOptionsSchema, options), deliver)
  }

  #listenOnPort(where: ListenPort, options: RemotePortOptions, deliver: Deliver<ForwardedTcpInfo>): Promise<Listener> {
    return forwardRemotely(this.#scope, options, deliver, async (onForwarded) => {
      const { place, stop } = await this.#remote.listenOnPort(where.host, where.port, onForwarded, options.signal)
      return { addresses: [{ address: place.host, port: place.port }], stop }
    })
  }

  #listenOnPath(where: ListenPath, options: RemotePathOptions, deliver: Deliver<ForwardedUnixInfo>): Promise<Listener> {
    return forwardRemotely(this.#scope, options, deliver, async (onForwarded) => {
      const { place, stop } = await this.#remote.listenOnPath(where.path, onForwarded, options.signal)
      return { addresses: [], path: place, stop }
    })
  }
}
