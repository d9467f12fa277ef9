/** Connections that a client wants from here: direct-tcpip (RFC 4254 §7.2), direct-streamlocal (OpenSSH PROTOCOL §2.4). */

import { type ByteChannel, channelTypes, openFailureReasons, printable, SshError } from '@ssh/wire'
import { ConnectLimit } from '../../client/connect-limit.js'
import type { ChannelOpenRequest } from '../../connection/channel-open.js'
import { pipe } from '../../forwarding/pipe.js'
import { type ConnectTarget, connectStream } from '../../io/connect-stream.js'
import { handOver } from '../../stream-handler.js'
import type { ServerCallbacks } from '../server-callbacks.js'
import { faultOfDestination, faultOfListenAddress, faultOfNativePath, faultOfPath } from './forward-address.js'
import {
  type ConnectionAnswer,
  isOnwardConnection,
  isOtherDestination,
  type OnwardConnection,
  type TunnelHandler,
} from './forward-answers.js'
import {
  type ForwardCallback,
  type ForwardHost,
  type ForwardRefusal,
  ForwardRefused,
  prohibited,
  refusalBy,
} from './forward-host.js'
import type { ForwardRequest } from './forward-policy.js'
import type { Tunnels } from './tunnels.js'

/** A request, and how each kind of answer is carried out. */
interface Wanted<I> {
  readonly request: ForwardRequest
  readonly callback: ForwardCallback
  /** What is wrong with it, whoever would answer. */
  readonly fault: string | undefined
  readonly target: ConnectTarget
  /** What a handler is told. */
  readonly info: I
  ask(callbacks: ServerCallbacks): ConnectionAnswer<I> | undefined | Promise<ConnectionAnswer<I> | undefined>
  openOnward(connection: OnwardConnection, signal: AbortSignal): Promise<ByteChannel>
}

const tooMany: ForwardRefusal = {
  reasonCode: openFailureReasons.resourceShortage,
  description: 'too many forwarded connections',
}

export class ConnectionRequests {
  readonly #host: ForwardHost
  readonly #tunnels: Tunnels

  constructor(host: ForwardHost, tunnels: Tunnels) {
    this.#host = host
    this.#tunnels = tunnels
    host.incoming.onChannel('direct-tcpip', (request) => this.#tcpRequested(request))
    host.incoming.onChannel('direct-streamlocal@openssh.com', (request) => this.#unixRequested(request))
  }

  #tcpRequested(request: ChannelOpenRequest): void {
    const { hostToConnect, portToConnect, originatorAddress, originatorPort } = channelTypes.decode(
      'direct-tcpip',
      request.typeData,
    )
    const destHost = hostToConnect.toLowerCase()
    const info = {
      connection: this.#host.connection,
      destHost,
      destPort: portToConnect,
      // Only said, so one that cannot be is no reason to refuse.
      originHost: faultOfListenAddress(originatorAddress, 0) === undefined ? originatorAddress : '',
      originPort: originatorPort > 65535 ? 0 : originatorPort,
    }
    const { destPort, originHost, originPort } = info
    this.#requested(request, {
      request: { kind: 'tcpip', direction: 'open', host: destHost, port: destPort },
      callback: 'connectionRequested',
      fault: faultOfDestination(destHost, destPort),
      target: { host: destHost, port: destPort },
      info,
      ask: (callbacks) => callbacks.connectionRequested?.(destHost, destPort, originHost, originPort),
      openOnward: (connection, signal) =>
        connection.openTcpChannel(destHost, destPort, { originHost, originPort, signal }),
    })
  }

  #unixRequested(request: ChannelOpenRequest): void {
    const { socketPath: path } = channelTypes.decode('direct-streamlocal@openssh.com', request.typeData)
    this.#requested(request, {
      request: { kind: 'streamlocal', direction: 'open' },
      callback: 'unixConnectionRequested',
      fault: faultOfPath(path),
      target: { path },
      info: { connection: this.#host.connection, path },
      ask: (callbacks) => callbacks.unixConnectionRequested?.(path),
      openOnward: (connection, signal) => connection.openUnixChannel(path, { signal }),
    })
  }

  #requested<I>(request: ChannelOpenRequest, wanted: Wanted<I>): void {
    const verdict = this.#host.judge(wanted.request, wanted.callback, wanted.fault)
    if (typeof verdict === 'object') return reject(request, verdict)
    if (this.#tunnels.isFull) return reject(request, tooMany)
    this.#tunnels
      .occupy(async () => {
        const answer = verdict === 'native' || (await this.#host.ask(wanted.callback, (to) => wanted.ask(to)))
        await this.#carryOut(request, wanted, answer)
      })
      .catch((error: unknown) => {
        // Once the channel is open there is nobody left to tell, and what broke a tunnel is no news.
        if (!request.isPending) return
        reject(request, error instanceof ForwardRefused ? error.refusal : connectRefusal(error))
        this.#host.note('connect-failed', { ...wanted.target, error })
      })
  }

  async #carryOut<I>(
    request: ChannelOpenRequest,
    wanted: Wanted<I>,
    answer: ConnectionAnswer<I> | undefined,
  ): Promise<void> {
    if (answer === true) return this.#connect(request, wanted.target)
    if (typeof answer === 'function') return this.#handle(request, wanted, answer)
    if (isOnwardConnection(answer)) {
      const far = await wanted.openOnward(answer, this.#host.ended)
      if (!request.isPending) return far.abort()
      return pipe(request.accept(), far)
    }
    if (isOtherDestination(answer)) return this.#connect(request, answer)
    throw new ForwardRefused(prohibited('the server refuses this connection'))
  }

  async #connect(request: ChannelOpenRequest, target: ConnectTarget): Promise<void> {
    const fault = 'path' in target ? faultOfNativePath(target.path) : faultOfDestination(target.host, target.port)
    if (fault !== undefined) throw new ForwardRefused(prohibited(fault))
    const limit = new ConnectLimit(this.#host.ended, this.#host.settings.connectTimeoutMs)
    const socket = await connectStream(target, limit.signal).finally(() => limit.release())
    const far = this.#tunnels.sockets.channelOf(socket)
    if (!request.isPending) return far.abort()
    await pipe(request.accept(), far)
  }

  /** Resolves when the channel is closed, whatever becomes of the handler. */
  async #handle<I>(request: ChannelOpenRequest, wanted: Wanted<I>, handler: TunnelHandler<I>): Promise<void> {
    if (!request.isPending) return
    await handOver(request.accept(), handler, wanted.info, (error) => this.#host.failed(wanted.callback, error))
  }
}

function reject(request: ChannelOpenRequest, { reasonCode, description }: ForwardRefusal): void {
  request.reject(reasonCode, description)
}

/** What is said of a connection that could not be made. Where it was to go only the builder knows. */
function connectRefusal(error: unknown): ForwardRefusal {
  const refusal = refusalBy(error)
  if (refusal !== undefined) return refusal
  const { connectFailed: reasonCode } = openFailureReasons
  if (!SshError.isSshError(error)) return { reasonCode, description: 'it failed' }
  if (error.code === 'ERR_SSH_CONNECT_TIMEOUT') return { reasonCode, description: 'it took too long' }
  const { systemCode = error.code } = error.details
  return { reasonCode, description: printable(String(systemCode)) }
}
