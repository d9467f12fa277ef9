/** Sets up what ssh_config says shall be forwarded: LocalForward, RemoteForward, DynamicForward. */

import type { Duplex } from 'node:stream'
import { fromDuplex } from '@ssh/streams'
import { openFailureReasons } from '@ssh/wire'
import type { ForwardEndpoint, ForwardSpec } from '../config/forward-spec.js'
import { ChannelOpenError } from '../errors.js'
import type { Listener } from '../forwarding/listener.js'
import { serveSocks } from '../forwarding/socks-tunnel.js'
import { SocksWaiting } from '../forwarding/socks-waiting.js'
import { schedule } from '../io/clock.js'
import { connectStream } from '../io/connect-stream.js'
import type { Logger } from '../log.js'
import type { ClientConnection } from './client-connection.js'
import type { ConfiguredForwards } from './configured.js'

/** Whose forwardings are set up; what they are is what its configuration says. */
export interface ForwardingOptions {
  /** Told of those that cannot be set up, where that is no reason to give up. */
  readonly logger?: Logger | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Sets up forwardings, all at once. They end with the connection.
 * @returns listeners of those that were set up
 * @throws with ExitOnForwardFailure, what the first that cannot be set up fails with; those that could be are closed
 */
export async function startConfiguredForwards(
  connection: ClientConnection,
  forwards: ConfiguredForwards,
  { logger, signal }: ForwardingOptions = {},
): Promise<readonly Listener[]> {
  const starter = new Starter(connection, forwards, signal)
  const starting = [
    ...forwards.local.map((spec) => starter.local(spec)),
    ...forwards.dynamic.map((spec) => starter.dynamic(spec)),
    ...forwards.remote.map((spec) => starter.remote(spec)),
  ]
  const outcomes = await Promise.allSettled(starting)
  const listeners = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []))
  if (failures.length > 0 && (forwards.exitOnFailure || signal?.aborted)) {
    await Promise.all(listeners.map((listener) => listener.close()))
    throw failures[0]
  }
  for (const error of failures) logger?.warn?.({ layer: 'forwarding', event: 'configured-forward-failed', error })
  return listeners
}

class Starter {
  readonly #connection: ClientConnection
  readonly #forwards: ConfiguredForwards
  readonly #signal: { readonly signal?: AbortSignal }

  constructor(connection: ClientConnection, forwards: ConfiguredForwards, signal: AbortSignal | undefined) {
    this.#connection = connection
    this.#forwards = forwards
    this.#signal = signal === undefined ? {} : { signal }
  }

  local({ listen, connect }: ForwardSpec): Promise<Listener> {
    const connection = this.#connection
    if (connect === undefined) return this.dynamic({ listen, connect })
    const options = this.#signal
    if ('path' in listen) {
      const { socketMask, unlinksSockets } = this.#forwards
      const withMode = { ...options, mode: 0o777 & ~socketMask, unlink: unlinksSockets }
      return 'path' in connect
        ? connection.forwardLocalPath(listen.path, connect.path, withMode)
        : connection.forwardLocalPathToPort(listen.path, connect.host ?? 'localhost', connect.port, withMode)
    }
    const host = this.#listenHere(listen.host)
    return 'path' in connect
      ? connection.forwardLocalPortToPath(host, listen.port, connect.path, options)
      : connection.forwardLocalPort(host, listen.port, connect.host ?? 'localhost', connect.port, options)
  }

  async dynamic({ listen }: ForwardSpec): Promise<Listener> {
    if ('path' in listen) throw new TypeError('SOCKS is spoken on ports only')
    return this.#connection.forwardSocks(this.#listenHere(listen.host), listen.port, this.#signal)
  }

  remote({ listen, connect }: ForwardSpec): Promise<Listener> {
    const connection = this.#connection
    const options = this.#signal
    if (connect === undefined) return this.#remoteSocks(listen)
    if ('path' in listen) {
      return 'path' in connect
        ? connection.forwardRemotePath(listen.path, connect.path, options)
        : connection.forwardRemotePathToPort(listen.path, connect.host ?? 'localhost', connect.port, options)
    }
    const host = listenThere(listen.host)
    return 'path' in connect
      ? connection.forwardRemotePortToPath(host, listen.port, connect.path, options)
      : connection.forwardRemotePort(host, listen.port, connect.host ?? 'localhost', connect.port, options)
  }

  #remoteSocks(listen: ForwardEndpoint): Promise<Listener> {
    const waiting = new SocksWaiting(schedule)
    const serve = (stream: Duplex) =>
      serveSocks(fromDuplex(stream), waiting, async ({ host, port }, signal) => {
        if (!isPermitted(this.#forwards.permitRemoteOpen, host, port)) {
          throw new ChannelOpenError(
            openFailureReasons.administrativelyProhibited,
            'PermitRemoteOpen does not name this destination',
          )
        }
        return fromDuplex(await connectStream({ host, port }, signal))
      })
    return 'path' in listen
      ? this.#connection.startUnixServer(serve, listen.path, this.#signal)
      : this.#connection.startServer(serve, listenThere(listen.host), listen.port, this.#signal)
  }

  #listenHere(host: string | undefined): string {
    return host ?? (this.#forwards.gatewayPorts ? '' : 'localhost')
  }
}

/** Without an address the server listens where only its own programs reach it. */
function listenThere(host: string | undefined): string {
  if (host === undefined) return 'localhost'
  return host === '*' ? '' : host
}

/** @param permitted `host:port` with `*` for any; undefined: anything */
function isPermitted(permitted: readonly string[] | undefined, host: string, port: number): boolean {
  if (permitted === undefined) return true
  return permitted.some((text) => {
    const [, bracketed, plain, portText] = /^(?:\[([^\]]*)\]|([^:[\]/]*))[:/](.+)$/.exec(text) ?? []
    const name = bracketed ?? plain ?? ''
    const isHost = name === '*' || name.toLowerCase() === host.toLowerCase()
    return isHost && (portText === '*' || Number(portText) === port)
  })
}
