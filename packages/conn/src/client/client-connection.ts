/** The public face of a client connection, below processes and files: sessions, keys, life and end. */

import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { PublicKey } from '@ssh/crypto'
import { AbortError, parseDuration } from '@ssh/wire'
import type { Channel } from '../connection/channel.js'
import { type ConnectionAlgorithms, describeAlgorithms } from '../connection-algorithms.js'
import type { AgentGrant } from '../forwarding/agent-forward.js'
import type { ForwardedTcpInfo, ForwardedUnixInfo } from '../forwarding/forward-info.js'
import type { Listener } from '../forwarding/listener.js'
import { X11Client } from '../forwarding/x11-client.js'
import type { SocketAddresses } from '../io/socket-address.js'
import { parseOptions } from '../options-schema.js'
import { type OpenSessionOptions, openSession } from '../session/open-session.js'
import type { SessionClient } from '../session/session-client.js'
import type { TunForwarding } from '../tun-join.js'
import type { TunStream } from '../tun-stream.js'
import { unlessAborted } from '../unless-aborted.js'
import { ClientForwarding } from './client-forwarding.js'
import type {
  LocalPathOptions,
  LocalPortOptions,
  OpenConnectionOptions,
  OpenUnixConnectionOptions,
  RemotePathOptions,
  RemotePortOptions,
  SocksOptions,
} from './client-forwarding-options.js'
import type { ConnectionHandler } from './client-forwarding-remote.js'
import type { ClientEvents, ClientLink, ClientTarget } from './client-link.js'
import { type RekeyOptions, rekeyOptionsSchema } from './client-options.js'
import { SessionSlots } from './session-slots.js'
import { forwardTunnel, openTunnel, type TunForwardOptions, type TunOptions } from './tun.js'
import { type PreparedX11, prepareX11, type X11ForwardingOptions } from './x11-forwarding.js'

/** Facts of a connection. */
export interface ClientConnectionInfo extends ClientTarget, SocketAddresses {
  /** Our identification string. */
  readonly clientVersion: string
  /** The server's identification string, control characters escaped. */
  readonly serverVersion: string
  readonly algorithms: ConnectionAlgorithms
}

/** How to open a session. */
export interface SessionChannelOptions extends OpenSessionOptions {
  /** The session ends by itself soon: when the server has no room, others may wait for it. Default false. */
  readonly isShort?: boolean
}

/**
 * An authenticated connection to a server.
 *
 * No event is essential and none can crash the process: what waits is told by its own promise, and `closed` tells why
 * the connection ended.
 */
export class ClientConnection extends EventEmitter<ClientEvents> {
  readonly #link: ClientLink
  readonly #slots = new SessionSlots()
  readonly #forwarding: ClientForwarding
  #x11: X11Client | undefined

  constructor(link: ClientLink) {
    super()
    this.#link = link
    this.#forwarding = new ClientForwarding(link)
    link.deliverTo((event, ...values) => {
      ;(this as EventEmitter).emit(event, ...values)
    })
    ;(this as EventEmitter).on('newListener', (event) => link.deliverEarly(event))
  }

  /** Facts of this connection. */
  get info(): ClientConnectionInfo {
    const { target, addresses, localIdentification, peer, algorithms } = this.#link
    return {
      ...target,
      ...addresses,
      clientVersion: localIdentification,
      serverVersion: peer.transport.remoteIdentification ?? '',
      algorithms: describeAlgorithms(established(algorithms)),
    }
  }

  /** Resolves when the connection ended as it should, rejects with what broke it. Never an unhandled rejection. */
  get closed(): Promise<void> {
    return this.#link.closed
  }

  /** Whether the connection is over, or about to be. */
  get isClosed(): boolean {
    return this.#link.isClosed
  }

  /** The server's host key. */
  getServerHostKey(): PublicKey {
    return established(this.#link.hostKey)
  }

  /**
   * Opens a session channel, on which nothing is started yet.
   * @throws ChannelOpenError when the server refuses
   * @throws ConnectionLost `ERR_SSH_CONNECTION_CLOSED` when the connection is over
   * @throws AbortError
   */
  async openSessionChannel(options: SessionChannelOptions = {}): Promise<SessionClient> {
    const { isShort = false, ...rest } = options
    return this.#slots.open(isShort, rest.signal, () => {
      if (this.isClosed) throw this.#link.closedError()
      return openSession(this.#link.peer.mux, rest)
    })
  }

  /**
   * Finds the X display of this side and its cookie, to open it to the programs of sessions (RFC 4254 §6.3): see
   * `grantTo` of what it returns.
   *
   * The server never sees the cookie, only one invented for each session and good as long as that; each X client is
   * looked at before it reaches the display.
   *
   * @throws X11Error `ERR_SSH_X11_NO_DISPLAY`, `ERR_SSH_X11_DISPLAY`, `ERR_SSH_X11_MALFORMED_AUTHORITY`
   * @throws ConfigParseError when the Xauthority file cannot be read
   * @throws OptionsError, AbortError
   */
  prepareX11(options: X11ForwardingOptions = {}): Promise<PreparedX11> {
    this.#x11 ??= new X11Client(this.#link.incoming, (why) =>
      this.#link.logger?.warn?.({ layer: 'forwarding', event: 'x11-client-refused', why }),
    )
    return prepareX11(this.#x11, options)
  }

  /**
   * Lends an agent of this side to the programs of one session: send `agentForwarding` with `start` of the session when
   * this returns a grant. It ends with the session, or when `revoke` is called. Whoever controls the server can log in
   * elsewhere by it meanwhile. That the server refuses need not mean that it does not use the agent: OpenSSH agrees for one
   * session of a connection, refuses the others, and shows the agent to all of them.
   *
   * @param agent true: that of the option `agentPath`; text: the one at this path. Default: what `agentForwarding` of
   *   `connect` says
   * @returns undefined when none is to be lent, or there is none
   */
  grantAgent(session: SessionClient, agent?: boolean | string): AgentGrant | undefined {
    return this.#link.agentForwarding.grantTo(session, agent)
  }

  // Forwarding: RFC 4254 §7, OpenSSH PROTOCOL §2.4

  /**
   * Connects from the server to a TCP port. Its ends pass one direction at a time, as a socket's do.
   * @throws ChannelOpenError when the server refuses or cannot connect; `reasonCode` and the message say why
   * @throws OptionsError, AbortError; what ended the connection
   */
  openConnection(host: string, port: number, options?: OpenConnectionOptions): Promise<Duplex> {
    return this.#forwarding.openConnection(host, port, options)
  }

  /**
   * Connects from the server to a Unix socket.
   * @throws ChannelOpenError when the server refuses or cannot connect
   * @throws OptionsError, AbortError; what ended the connection
   */
  openUnixConnection(path: string, options?: OpenUnixConnectionOptions): Promise<Duplex> {
    return this.#forwarding.openUnixConnection(path, options)
  }

  /** {@link openConnection} as a channel, for what is to be joined to another one. What arrives is kept until `attach`. */
  openTcpChannel(host: string, port: number, options?: OpenConnectionOptions): Promise<Channel> {
    return this.#forwarding.openTcpChannel(host, port, options)
  }

  /** {@link openUnixConnection} as a channel. */
  openUnixChannel(path: string, options?: OpenUnixConnectionOptions): Promise<Channel> {
    return this.#forwarding.openUnixChannel(path, options)
  }

  /**
   * Has the server listen on a port, and hands each connection to `handler` in this process. What a handler throws or
   * rejects with resets its connection and goes to `onError`.
   * @param listenHost address of the server (RFC 4254 §7.1): empty is every one, `localhost` the loopback ones. Servers
   *   may listen on the loopback only, whatever is asked for (GatewayPorts of sshd)
   * @param listenPort 0 leaves the choice to the server; see `port` of the listener
   * @throws ChannelListenError when the server refuses
   * @throws OptionsError, AbortError; what ended the connection
   */
  startServer(
    handler: ConnectionHandler<ForwardedTcpInfo>,
    listenHost: string,
    listenPort: number,
    options?: RemotePortOptions,
  ): Promise<Listener> {
    return this.#forwarding.startServer(handler, listenHost, listenPort, options)
  }

  /**
   * Has the server listen on a Unix socket, and hands each connection to `handler` in this process.
   * @throws ChannelListenError when the server refuses
   * @throws OptionsError, AbortError; what ended the connection
   */
  startUnixServer(
    handler: ConnectionHandler<ForwardedUnixInfo>,
    listenPath: string,
    options?: RemotePathOptions,
  ): Promise<Listener> {
    return this.#forwarding.startUnixServer(handler, listenPath, options)
  }

  /**
   * Listens on a port here, and carries each connection through the server to a port that it reaches (`ssh -L`).
   * @param listenHost address of this machine: empty is every one, `localhost` both loopback addresses
   * @param listenPort 0 takes a free one; see `port` of the listener
   * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED`
   * @throws OptionsError, AbortError; what ended the connection
   */
  forwardLocalPort(
    listenHost: string,
    listenPort: number,
    destHost: string,
    destPort: number,
    options?: LocalPortOptions,
  ): Promise<Listener> {
    return this.#forwarding.forwardLocalPort(listenHost, listenPort, destHost, destPort, options)
  }

  /** As {@link forwardLocalPort}, to a Unix socket that the server reaches. */
  forwardLocalPortToPath(
    listenHost: string,
    listenPort: number,
    destPath: string,
    options?: LocalPortOptions,
  ): Promise<Listener> {
    return this.#forwarding.forwardLocalPortToPath(listenHost, listenPort, destPath, options)
  }

  /**
   * Listens on a Unix socket here, and carries each connection through the server to a Unix socket that it reaches. Only
   * the user of this process may connect, unless `mode` says otherwise; the socket is removed when the listener closes.
   * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED`
   * @throws OptionsError, AbortError; what ended the connection
   */
  forwardLocalPath(listenPath: string, destPath: string, options?: LocalPathOptions): Promise<Listener> {
    return this.#forwarding.forwardLocalPath(listenPath, destPath, options)
  }

  /** As {@link forwardLocalPath}, to a port that the server reaches. */
  forwardLocalPathToPort(
    listenPath: string,
    destHost: string,
    destPort: number,
    options?: LocalPathOptions,
  ): Promise<Listener> {
    return this.#forwarding.forwardLocalPathToPort(listenPath, destHost, destPort, options)
  }

  /**
   * Has the server listen on a port, and carries each connection to a port that this machine reaches (`ssh -R`). See
   * {@link startServer} for `listenHost` and `listenPort`.
   * @throws ChannelListenError when the server refuses
   * @throws OptionsError, AbortError; what ended the connection
   */
  forwardRemotePort(
    listenHost: string,
    listenPort: number,
    destHost: string,
    destPort: number,
    options?: RemotePortOptions,
  ): Promise<Listener> {
    return this.#forwarding.forwardRemotePort(listenHost, listenPort, destHost, destPort, options)
  }

  /** As {@link forwardRemotePort}, to a Unix socket of this machine. */
  forwardRemotePortToPath(
    listenHost: string,
    listenPort: number,
    destPath: string,
    options?: RemotePortOptions,
  ): Promise<Listener> {
    return this.#forwarding.forwardRemotePortToPath(listenHost, listenPort, destPath, options)
  }

  /**
   * Has the server listen on a Unix socket, and carries each connection to a Unix socket of this machine.
   * @throws ChannelListenError when the server refuses
   * @throws OptionsError, AbortError; what ended the connection
   */
  forwardRemotePath(listenPath: string, destPath: string, options?: RemotePathOptions): Promise<Listener> {
    return this.#forwarding.forwardRemotePath(listenPath, destPath, options)
  }

  /** As {@link forwardRemotePath}, to a port that this machine reaches. */
  forwardRemotePathToPort(
    listenPath: string,
    destHost: string,
    destPort: number,
    options?: RemotePathOptions,
  ): Promise<Listener> {
    return this.#forwarding.forwardRemotePathToPort(listenPath, destHost, destPort, options)
  }

  /**
   * A SOCKS proxy on a port here, whose connections leave from the server (`ssh -D`): SOCKS 4, 4a and 5, CONNECT, no
   * authentication. A program is told of success once the server has connected.
   * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED`
   * @throws OptionsError, AbortError; what ended the connection
   */
  forwardSocks(listenHost: string, listenPort: number, options?: SocksOptions): Promise<Listener> {
    return this.#forwarding.forwardSocks(listenHost, listenPort, options)
  }

  /**
   * Opens a tunnel for IP packets to a device of the server (`ssh -w`; OpenSSH PROTOCOL §2.3): what is written to the
   * stream and read from it are single packets. OpenSSH's server takes it with PermitTunnel, and from root.
   *
   * @param unit number of the device there; default: one that the server chooses
   * @throws ChannelOpenError when the server refuses
   * @throws OptionsError, AbortError; what ended the connection
   */
  openTun(unit?: number, options: TunOptions = {}): Promise<TunStream> {
    return openTunnel(this.#link, 'tun', unit, options)
  }

  /** As {@link openTun}, for Ethernet frames. */
  openTap(unit?: number, options: TunOptions = {}): Promise<TunStream> {
    return openTunnel(this.#link, 'tap', unit, options)
  }

  /**
   * Joins a tunnel device of this machine with one of the server: a network of two. Addresses and routes are left to you:
   * see `interfaceName` of what is returned.
   *
   * @param localUnit number of the device here; default: one that is free
   * @param remoteUnit number of the device there; default: one that the server chooses
   * @throws TunError `ERR_SSH_TUN_UNSUPPORTED`, `ERR_SSH_TUN_NO_HELPER`, `ERR_SSH_TUN_DEVICE` when there is none here
   * @throws ChannelOpenError when the server refuses
   * @throws OptionsError, AbortError; what ended the connection
   */
  forwardTun(localUnit?: number, remoteUnit?: number, options: TunForwardOptions = {}): Promise<TunForwarding> {
    return forwardTunnel(this.#link, 'tun', localUnit, remoteUnit, options)
  }

  /** As {@link forwardTun}, for Ethernet frames. */
  forwardTap(localUnit?: number, remoteUnit?: number, options: TunForwardOptions = {}): Promise<TunForwarding> {
    return forwardTunnel(this.#link, 'tap', localUnit, remoteUnit, options)
  }

  /**
   * Changes keys now (RFC 4253 §9). Resolves once new keys are in use.
   * @throws ConnectionLost, OptionsError, AbortError
   */
  async rekey(options: RekeyOptions = {}): Promise<void> {
    const { signal } = parseOptions('rekey', rekeyOptionsSchema, options)
    if (signal?.aborted) throw new AbortError(signal.reason)
    await unlessAborted(this.#link.rekey(), signal)
  }

  /**
   * Changes when a silent server is asked for a sign of life.
   * @param interval milliseconds or text like `'30s'`; 0 turns it off
   * @param countMax unanswered questions after which the connection counts as lost; unchanged when absent
   * @throws OptionsError
   */
  setKeepalive(interval: number | string, countMax?: number): void {
    const { peer } = this.#link
    peer.setKeepalive({ intervalMs: parseDuration(interval), countMax: countMax ?? peer.keepaliveLimits.countMax })
  }

  /**
   * Sends SSH_MSG_DEBUG (RFC 4253 §11.3); does nothing once the connection is over.
   * @param alwaysDisplay whether the server should show it; default false
   */
  sendDebug(message: string, alwaysDisplay = false): void {
    this.#link.sendDebug(message, alwaysDisplay)
  }

  /** Sends what can be sent, says goodbye and closes; resolves when the socket is closed. Never rejects. */
  close(): Promise<void> {
    return this.#link.close()
  }

  /** Ends at once; whatever is open or pending fails with `reason`. */
  abort(reason?: Error): void {
    this.#link.abort(reason)
  }

  /** Keeps the process alive while the connection is open (the default), and while it listens for forwarding. */
  ref(): this {
    return this.#keepProcessAlive(true)
  }

  /** Lets the process exit although the connection is open, and although it listens for forwarding. */
  unref(): this {
    return this.#keepProcessAlive(false)
  }

  #keepProcessAlive(keep: boolean): this {
    this.#link.keepProcessAlive(keep)
    this.#forwarding.keepProcessAlive(keep)
    return this
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** What every link that logged in has. */
function established<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('The link was never established')
  return value
}
