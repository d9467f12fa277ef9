/**
 * Ports and paths that the other end listens on for us: asking for them, routing the channels it opens, giving them
 * back. RFC 4254 §7.1 and §7.2, OpenSSH PROTOCOL §2.4.
 */

import { channelTypes, globalRequests, openFailureReasons, printable, tcpipForwardReply } from '@ssh/wire'
import type { ChannelOpenRequest } from '../connection/channel-open.js'
import type { Incoming } from '../connection/incoming.js'
import type { Mux } from '../connection/mux.js'
import { ChannelListenError } from '../errors.js'
import type { ForwardedTcpInfo, ForwardedUnixInfo, ForwardOrigin } from './forward-info.js'
import { type ListenProtocol, ListenTable, type RemoteListening } from './listen-table.js'

/** Answers a channel that was opened for what we asked for: accepts or rejects it, now or later. */
export type OnForwarded<I> = (request: ChannelOpenRequest, info: I) => void

type Requester = Pick<Mux, 'globalRequest'>

interface TcpPlace {
  /** In lower case. */
  readonly host: string
  readonly port: number
}

/** Everything that one connection's other end listens on for us. */
export class RemoteListeners {
  readonly #ports: ListenTable<TcpPlace, ForwardOrigin>
  readonly #paths: ListenTable<string, undefined>
  readonly #incoming: Incoming
  #isRegistered = false

  constructor(mux: Requester, incoming: Incoming) {
    this.#incoming = incoming
    this.#ports = new ListenTable(portProtocol(mux), notListening)
    this.#paths = new ListenTable(pathProtocol(mux), notListening)
  }

  /**
   * Asks the other end to listen on a port.
   * @param host RFC 4254 §7.1: empty is every address, and so is `*`; `localhost` the loopback ones
   * @param port 0 leaves the choice to the other end
   * @throws ChannelListenError when it refuses, or does not say which port it chose
   * @throws AbortError; what ended the connection
   */
  async listenOnPort(
    host: string,
    port: number,
    onForwarded: OnForwarded<ForwardedTcpInfo>,
    signal?: AbortSignal,
  ): Promise<RemoteListening<TcpPlace>> {
    this.#register()
    // What ssh calls `*` the RFC calls an empty address, and sshd alone knows both.
    const place = { host: host === '*' ? '' : host.toLowerCase(), port }
    return this.#ports.listen(
      place,
      (request, bound, origin) => onForwarded(request, { listenHost: bound.host, listenPort: bound.port, ...origin }),
      signal,
    )
  }

  /**
   * Asks the other end to listen on a Unix socket.
   * @throws ChannelListenError when it refuses; AbortError; what ended the connection
   */
  async listenOnPath(
    path: string,
    onForwarded: OnForwarded<ForwardedUnixInfo>,
    signal?: AbortSignal,
  ): Promise<RemoteListening<string>> {
    this.#register()
    return this.#paths.listen(path, (request, listenPath) => onForwarded(request, { listenPath }), signal)
  }

  /** Nothing is answered before something was asked for: until then such channels are as unknown as any. */
  #register(): void {
    if (this.#isRegistered) return
    this.#isRegistered = true
    this.#incoming.onChannel('forwarded-tcpip', (request) => {
      const said = channelTypes.decode('forwarded-tcpip', request.typeData)
      const named = { host: said.connectedAddress.toLowerCase(), port: said.connectedPort }
      this.#ports.opened(request, named, { originHost: said.originatorAddress, originPort: said.originatorPort })
    })
    this.#incoming.onChannel('forwarded-streamlocal@openssh.com', (request) => {
      const { socketPath } = channelTypes.decode('forwarded-streamlocal@openssh.com', request.typeData)
      this.#paths.opened(request, socketPath, undefined)
    })
  }
}

/** What is said to whoever opens a channel for something that we did not ask for, or gave back. */
const notListening = {
  reasonCode: openFailureReasons.administrativelyProhibited,
  description: 'this client does not listen there',
} as const

function portProtocol(mux: Requester): ListenProtocol<TcpPlace> {
  const named = ({ host, port }: TcpPlace) => ({ bindAddress: host, bindPort: port })
  return {
    request: (place, onReply) =>
      mux.globalRequest(listenPort, globalRequests.encode(listenPort, named(place)), onReply),
    cancel: (place, onReply) => mux.globalRequest(cancelPort, globalRequests.encode(cancelPort, named(place)), onReply),
    bound: boundPlace,
    isSame: (a, b) => a.host === b.host && a.port === b.port && a.port !== 0,
    refused: portRefused,
    route: routeByPort,
  }
}

const listenPort = 'tcpip-forward'
const cancelPort = 'cancel-tcpip-forward'

function pathProtocol(mux: Requester): ListenProtocol<string> {
  return {
    request: (socketPath, onReply) =>
      mux.globalRequest(listenPath, globalRequests.encode(listenPath, { socketPath }), onReply),
    cancel: (socketPath, onReply) =>
      mux.globalRequest(cancelPath, globalRequests.encode(cancelPath, { socketPath }), onReply),
    bound: (path) => path,
    isSame: (a, b) => a === b,
    refused: pathRefused,
    route: (path, listening) => listening.find((place) => place === path),
  }
}

const listenPath = 'streamlocal-forward@openssh.com'
const cancelPath = 'cancel-streamlocal-forward@openssh.com'

/** Only the reply to port 0 says a port; what others say is not looked at. */
function boundPlace({ host, port }: TcpPlace, reply: Uint8Array): TcpPlace | undefined {
  if (port !== 0) return { host, port }
  if (reply.length !== 4) return undefined
  const { boundPort } = tcpipForwardReply.decode(reply)
  return boundPort > 0 && boundPort <= 65535 ? { host, port: boundPort } : undefined
}

/**
 * Whose channel it is. Servers spell the address in their own way (`127.0.0.1` for `localhost`, `0.0.0.0` for an empty
 * one), and some say port 0 where they chose the port.
 */
function routeByPort({ host, port }: TcpPlace, listening: readonly TcpPlace[]): TcpPlace | undefined {
  const exact = listening.find((place) => place.host === host && place.port === port)
  if (exact !== undefined) return exact
  const samePort = listening.filter((place) => place.port === port)
  if (port !== 0) return only(samePort)
  return only(listening.filter((place) => place.host === host)) ?? only(listening)
}

function only<T>(list: readonly T[]): T | undefined {
  return list.length === 1 ? list[0] : undefined
}

function portRefused({ host, port }: TcpPlace): ChannelListenError {
  const where = `${host === '' ? 'every address' : printable(host)}${port === 0 ? '' : ` port ${port}`}`
  const privileged = port > 0 && port < 1024 ? ', or belong to root, as those below 1024 do on most systems' : ''
  return new ChannelListenError(
    `The server refused to listen on ${where}. It may forbid forwarding (AllowTcpForwarding, PermitListen or ` +
      `GatewayPorts of sshd, no-port-forwarding of the key), or the port may be taken${privileged}`,
    { details: { host, port } },
  )
}

function pathRefused(path: string): ChannelListenError {
  return new ChannelListenError(
    `The server refused to listen on ${printable(path)}. It may forbid forwarding (AllowStreamLocalForwarding of ` +
      'sshd, no-port-forwarding of the key), there may be a file of that name (StreamLocalBindUnlink), or the user ' +
      'may not write to the folder',
    { details: { path } },
  )
}
