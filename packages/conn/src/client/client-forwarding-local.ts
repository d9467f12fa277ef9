/** Ports and paths of this machine whose connections go through the server. */

import type { Duplex } from 'node:stream'
import type { ByteChannel } from '@ssh/wire'
import { ChannelOpenError } from '../errors.js'
import { bridge } from '../forwarding/bridge.js'
import { type AcceptForward, type ForwardOrigin, refusalOf, type SocksInfo } from '../forwarding/forward-info.js'
import { Listener } from '../forwarding/listener.js'
import { serveSocks } from '../forwarding/socks-tunnel.js'
import { SocksWaiting } from '../forwarding/socks-waiting.js'
import { schedule } from '../io/clock.js'
import { originOf } from '../io/socket-address.js'
import { type ListenPath, type ListenPort, StreamListener } from '../io/stream-listener.js'
import { unlessAborted } from '../unless-aborted.js'
import type { ForwardingScope, ForwardOptions } from './client-forwarding-scope.js'

/** Opens the far end of a tunnel. */
export type OpenFarEnd = (origin: ForwardOrigin, signal: AbortSignal) => Promise<ByteChannel>
/** Opens the far end that a program asks for. */
export type OpenSocksEnd = (info: SocksInfo, signal: AbortSignal) => Promise<ByteChannel>

interface LocalOptions<I> extends ForwardOptions {
  readonly accept?: AcceptForward<I> | undefined
}

interface SocksOptions extends LocalOptions<SocksInfo> {
  /** Milliseconds; 0: no limit. */
  readonly requestTimeout?: number | undefined
}

/** Listens here, and carries each connection to what `open` opens. */
export function forwardLocally(
  scope: ForwardingScope,
  where: ListenPort | ListenPath,
  options: LocalOptions<ForwardOrigin>,
  open: OpenFarEnd,
): Promise<Listener> {
  const report = scope.reporter(options)
  return listenLocally(scope, where, options, (stream, origin) =>
    bridge(
      stream,
      async (signal) => {
        await admit(options.accept, origin, report, signal)
        return open(origin, signal)
      },
      scope.ended,
    ),
  )
}

/** Listens here, and carries each connection to what it asks for by SOCKS. */
export function forwardSocksLocally(
  scope: ForwardingScope,
  where: ListenPort,
  options: SocksOptions,
  open: OpenSocksEnd,
): Promise<Listener> {
  const report = scope.reporter(options)
  const waiting = new SocksWaiting(schedule, options.requestTimeout)
  return listenLocally(scope, where, options, (stream, origin) =>
    serveSocks(
      stream,
      waiting,
      async ({ host, port }, signal) => {
        const info = { ...origin, destHost: host, destPort: port }
        await admit(options.accept, info, report, signal)
        return open(info, signal)
      },
      scope.ended,
    ),
  )
}

async function listenLocally(
  scope: ForwardingScope,
  where: ListenPort | ListenPath,
  options: ForwardOptions,
  serve: (stream: ByteChannel, origin: ForwardOrigin) => Promise<void>,
): Promise<Listener> {
  scope.checkOpen()
  const report = scope.reporter(options)
  let connections = 0
  const carry = async (socket: Duplex): Promise<void> => {
    connections++
    try {
      await serve(scope.sockets.channelOf(socket), originOf(socket))
    } catch (error) {
      if (!(error instanceof NotAdmitted)) report(error)
    } finally {
      connections--
    }
  }
  const handlers = { onConnection: (socket: Duplex) => void carry(socket), onError: report }
  const listening = await StreamListener.open(where, handlers, options.signal)
  const listener = new Listener({
    addresses: listening.addresses,
    path: listening.path,
    connections: () => connections,
    keepProcessAlive: (keep) => listening.keepProcessAlive(keep),
    stop: () => listening.close(),
  })
  try {
    scope.checkOpen()
  } catch (error) {
    await listener.close()
    throw error
  }
  return scope.keep(listener, options.signal)
}

/** A decision, not a failure. */
class NotAdmitted extends ChannelOpenError {}

async function admit<I>(
  accept: AcceptForward<I> | undefined,
  info: I,
  failed: (error: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  const refusal = await unlessAborted(refusalOf(accept, info, failed), signal)
  if (refusal !== undefined) throw new NotAdmitted(refusal.reasonCode, refusal.description)
}
