/**
 * Places that a client wants listened on here, and the channels that bring it what connects there: tcpip-forward and
 * forwarded-tcpip (RFC 4254 §7.1, §7.2), their streamlocal forms (OpenSSH PROTOCOL §2.4).
 */

import type { Duplex } from 'node:stream'
import { ignoreError, toDuplex } from '@ssh/streams'
import { globalRequests, openFailureReasons, printable } from '@ssh/wire'
import type { GlobalRequest } from '../../connection/global-requests.js'
import { ChannelOpenError } from '../../errors.js'
import { bridge } from '../../forwarding/bridge.js'
import {
  type AcceptForward,
  type ForwardedTcpInfo,
  type ForwardedUnixInfo,
  type ForwardOrigin,
  refusalOf,
} from '../../forwarding/forward-info.js'
import { Listener } from '../../forwarding/listener.js'
import { openTunnel } from '../../forwarding/open-tunnel.js'
import { originOf } from '../../io/socket-address.js'
import { type ListenPath, type ListenPort, StreamListener } from '../../io/stream-listener.js'
import { unlessAborted } from '../../unless-aborted.js'
import type { ServerCallbacks } from '../server-callbacks.js'
import { Forward, type Place, pathKey, pathPlace, portKey, portPlace } from './forward.js'
import { faultOfListenAddress, faultOfNativePath, faultOfPath, hostToListenOn } from './forward-address.js'
import {
  isOnwardListener,
  isOnwardServer,
  type ListenAnswer,
  type OnwardListener,
  type OnwardServer,
} from './forward-answers.js'
import { type ForwardCallback, type ForwardHost, ForwardRefused, prohibited } from './forward-host.js'
import type { ForwardRequest } from './forward-policy.js'
import type { Tunnels } from './tunnels.js'

/** A request, and how each kind of answer is carried out. */
interface Wanted<I> {
  readonly request: ForwardRequest
  readonly callback: ForwardCallback
  /** What is wrong with it, whoever would answer. */
  readonly fault: string | undefined
  /** What is wrong with it when this process is to listen. */
  readonly nativeFault: string | undefined
  /** Undefined while the port is open. */
  readonly key: string | undefined
  readonly where: ListenPort | ListenPath
  ask(callbacks: ServerCallbacks): ListenAnswer<I> | undefined | Promise<ListenAnswer<I> | undefined>
  listenOnward(connection: OnwardServer, onStream: OnStream, signal: AbortSignal): Promise<OnwardListener>
  /** @returns undefined when there is no such port */
  placeAt(port: number): Place | undefined
  /** What is said of a connection to whoever decides about it. */
  info(place: Place, origin: ForwardOrigin): I
}

type OnStream = (stream: Duplex, origin: ForwardOrigin) => void

/** What a Unix socket knows of who connects to it. */
const nobody: ForwardOrigin = { originHost: '', originPort: 0 }

export class ListenRequests {
  readonly #host: ForwardHost
  readonly #tunnels: Tunnels
  /** All of them, those included that are not answered yet. */
  readonly #forwards = new Set<Forward>()
  readonly #byKey = new Map<string, Forward>()

  constructor(host: ForwardHost, tunnels: Tunnels) {
    this.#host = host
    this.#tunnels = tunnels
    const { incoming } = host
    incoming.onGlobalRequest('tcpip-forward', (request) => this.#portRequested(request))
    incoming.onGlobalRequest('streamlocal-forward@openssh.com', (request) => this.#pathRequested(request))
    incoming.onGlobalRequest('cancel-tcpip-forward', (request) => {
      const { bindAddress, bindPort } = globalRequests.decode('cancel-tcpip-forward', request.data)
      this.#cancel(request, portKey(bindAddress, bindPort))
    })
    incoming.onGlobalRequest('cancel-streamlocal-forward@openssh.com', (request) => {
      const { socketPath } = globalRequests.decode('cancel-streamlocal-forward@openssh.com', request.data)
      this.#cancel(request, pathKey(socketPath))
    })
  }

  /** The connection is over: nothing listens for it any more. */
  end(): void {
    for (const forward of this.#forwards) this.#close(forward)
  }

  /**
   * Opens a channel to a client for what came to a place it asked for.
   * @param key `portKey` or `pathKey`
   * @throws ChannelOpenError when it never asked, refuses, or has too many tunnels open; AbortError; what ended the
   *   connection
   */
  open(key: string, origin: ForwardOrigin, signal: AbortSignal | undefined): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const forward = this.#byKey.get(key)
      if (forward === undefined) throw notAskedFor(key)
      if (this.#tunnels.isFull) throw tooManyTunnels(this.#host.settings.maxTunnels)
      this.#tunnels
        .occupy(async () => {
          const place = await unlessAborted(forward.place, signal)
          const channel = await openTunnel(this.#host.opener, place.channelType, place.typeData(origin), signal)
          const closed = new Promise<void>((settle) => channel.handle({ onClose: () => settle() }))
          resolve(toDuplex(channel))
          await closed
        })
        .catch(reject)
    })
  }

  #portRequested(request: GlobalRequest): void {
    const { bindAddress, bindPort } = globalRequests.decode('tcpip-forward', request.data)
    const host = bindAddress.toLowerCase()
    const isChosen = bindPort === 0
    const unheard = isChosen && !request.wantReply ? 'nobody would learn the port' : undefined
    this.#requested<ForwardedTcpInfo>(request, {
      request: { kind: 'tcpip', direction: 'listen', host, port: bindPort },
      callback: 'serverRequested',
      fault: faultOfListenAddress(host, bindPort) ?? unheard,
      nativeFault: undefined,
      key: isChosen ? undefined : portKey(host, bindPort),
      where: { host: hostToListenOn(host, this.#host.settings.gatewayPorts), port: bindPort },
      ask: (callbacks) => callbacks.serverRequested?.(host, bindPort),
      listenOnward: (connection, onStream, signal) => connection.startServer(onStream, host, bindPort, { signal }),
      placeAt: (port) => {
        const actual = isChosen ? port : bindPort
        return actual >= 1 && actual <= 65535 ? portPlace(bindAddress, actual, isChosen) : undefined
      },
      info: ({ port }, origin) => ({ listenHost: host, listenPort: port, ...origin }),
    })
  }

  #pathRequested(request: GlobalRequest): void {
    const { socketPath: path } = globalRequests.decode('streamlocal-forward@openssh.com', request.data)
    const { streamLocalBindMask, streamLocalBindUnlink } = this.#host.settings
    this.#requested<ForwardedUnixInfo>(request, {
      request: { kind: 'streamlocal', direction: 'listen' },
      callback: 'unixServerRequested',
      fault: faultOfPath(path),
      nativeFault: faultOfNativePath(path),
      key: pathKey(path),
      where: { path, mode: 0o777 & ~streamLocalBindMask, unlink: streamLocalBindUnlink },
      ask: (callbacks) => callbacks.unixServerRequested?.(path),
      listenOnward: (connection, onStream, signal) =>
        connection.startUnixServer((stream) => onStream(stream, nobody), path, { signal }),
      placeAt: () => pathPlace(path),
      info: () => ({ listenPath: path }),
    })
  }

  #requested<I>(request: GlobalRequest, wanted: Wanted<I>): void {
    const { key } = wanted
    const verdict = this.#host.judge(wanted.request, wanted.callback, wanted.fault)
    const isTaken = key !== undefined && this.#byKey.has(key)
    if (typeof verdict === 'object' || isTaken || this.#forwards.size >= this.#host.settings.maxForwards) {
      request.reply(false)
      return
    }
    const forward = new Forward()
    this.#forwards.add(forward)
    if (key !== undefined) this.#byKey.set(key, forward)
    this.#begin(request, wanted, forward, verdict).catch((error: unknown) => {
      this.#close(forward)
      request.reply(false)
      this.#host.note('listen-failed', { ...wanted.where, error })
    })
  }

  async #begin<I>(
    request: GlobalRequest,
    wanted: Wanted<I>,
    forward: Forward,
    verdict: 'ask' | 'native',
  ): Promise<void> {
    const answer = verdict === 'native' || (await this.#host.ask(wanted.callback, (to) => wanted.ask(to)))
    const listener = await this.#listen(wanted, forward, answer)
    forward.listensBy(listener)
    if (forward.closing.aborted) throw new ForwardRefused(prohibited('the client has cancelled its request'))
    const place = wanted.placeAt(listener.port)
    if (place === undefined || (this.#byKey.get(place.key) ?? forward) !== forward) {
      throw new ForwardRefused(
        prohibited(`the listener is at port ${listener.port}, which cannot be told to the client`),
      )
    }
    this.#byKey.set(place.key, forward)
    // Before anything that connects: a client that left the port to us does not know it until then.
    request.reply(true, place.reply)
    forward.isAt(place)
    const over = () => this.#close(forward)
    listener.closed.then(over, over)
  }

  async #listen<I>(wanted: Wanted<I>, forward: Forward, answer: ListenAnswer<I> | undefined): Promise<OnwardListener> {
    if (answer === true) return this.#listenNatively(wanted, forward, undefined)
    if (typeof answer === 'function') return this.#listenNatively(wanted, forward, answer)
    if (isOnwardServer(answer)) {
      const onStream: OnStream = (stream, { originHost, originPort }) =>
        this.#accepted(wanted, forward, stream, { originHost, originPort }, undefined)
      return wanted.listenOnward(answer, onStream, forward.closing)
    }
    if (isOnwardListener(answer)) return answer
    throw new ForwardRefused(prohibited('the server refuses to listen there'))
  }

  async #listenNatively<I>(
    wanted: Wanted<I>,
    forward: Forward,
    accept: AcceptForward<I> | undefined,
  ): Promise<Listener> {
    if (wanted.nativeFault !== undefined) throw new ForwardRefused(prohibited(wanted.nativeFault))
    const listener = await StreamListener.open(
      wanted.where,
      {
        onConnection: (socket: Duplex) => this.#accepted(wanted, forward, socket, originOf(socket), accept),
        onError: (error) => this.#host.note('accept-failed', { ...wanted.where, error }),
      },
      forward.closing,
    )
    const { addresses, path } = listener
    return new Listener({ addresses, path, connections: () => 0, stop: () => listener.close() })
  }

  /** Somebody connected; the client gets a channel for it. */
  #accepted<I>(
    wanted: Wanted<I>,
    forward: Forward,
    stream: Duplex,
    origin: ForwardOrigin,
    accept: AcceptForward<I> | undefined,
  ): void {
    if (this.#tunnels.isFull) {
      stream.on('error', ignoreError).destroy()
      this.#host.note('too-many-tunnels', { limit: this.#host.settings.maxTunnels })
      return
    }
    const open = async (gone: AbortSignal) => {
      const place = await unlessAborted(forward.place, gone)
      const failed = (error: unknown) => this.#host.failed(wanted.callback, error)
      const refusal = await unlessAborted(refusalOf(accept, wanted.info(place, origin), failed), gone)
      if (refusal !== undefined) throw new ForwardRefused(refusal)
      return openTunnel(this.#host.opener, place.channelType, place.typeData(origin), gone)
    }
    this.#tunnels
      .occupy(() => bridge(this.#tunnels.sockets.channelOf(stream), open, this.#host.ended))
      .catch((error: unknown) => this.#host.note('forwarded-connection-failed', { ...wanted.where, error }))
  }

  #cancel(request: GlobalRequest, key: string): void {
    const forward = this.#byKey.get(key)
    if (forward !== undefined) this.#close(forward)
    request.reply(forward !== undefined)
  }

  #close(forward: Forward): void {
    this.#forwards.delete(forward)
    for (const [key, known] of this.#byKey) if (known === forward) this.#byKey.delete(key)
    forward.close()
  }
}

function notAskedFor(key: string): ChannelOpenError {
  const { administrativelyProhibited } = openFailureReasons
  const text = `The client did not ask for what connects to ${printable(key)}, or does not want it any more`
  return new ChannelOpenError(administrativelyProhibited, text)
}

function tooManyTunnels(limit: number): ChannelOpenError {
  const text = `The connection has ${limit} forwarded connections open, which is its limit; see maxTunnels`
  return new ChannelOpenError(openFailureReasons.resourceShortage, text, { details: { limit } })
}
