/** Ports and paths of this machine whose connections go through the server. */

import type { Duplex } from 'node:stream'
import { fromDuplex } from '@ssh/streams'
import type { ByteChannel } from '@ssh/wire'
import { ChannelOpenError } from '../errors.js'
import { bridge } from '../forwarding/bridge.js'
import { type AcceptForward, type ForwardOrigin, refusalOf, type SocksInfo } from '../forwarding/forward-info.js'
import { Listener } from '../forwarding/listener.js'
import { serveSocks } from '../forwarding/socks-tunnel.js'
import { addressesOf } from '../io/socket-address.js'
import { type ListenPath, type ListenPort, StreamListener } from '../io/stream-listener.js'
import type { ForwardingScope, ForwardOptions } from './client-forwarding-scope.js'

/** Opens the far end of a tunnel. */
export type OpenFarEnd = (origin: ForwardOrigin, signal: AbortSignal) => Promise<ByteChannel>
/** Opens the far end that a program asks for. */
export type OpenSocksEnd = (info: SocksInfo, signal: AbortSignal) => Promise<ByteChannel>

interface LocalOptions<I> extends ForwardOptions {
  readonly accept?: AcceptForward<I> | undefined
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
    bridge(stream, async (signal) => {
      await admit(options.accept, origin, report)
      return open(origin, signal)
    }),
  )
}

/** Listens here, and carries each connection to what it asks for by SOCKS. */
export function forwardSocksLocally(
  scope: ForwardingScope,
  where: ListenPort,
  options: LocalOptions<SocksInfo>,
  open: OpenSocksEnd,
): Promise<Listener> {
  const report = scope.reporter(options)
  return listenLocally(scope, where, options, (stream, origin) =>
    serveSocks(stream, async ({ host, port }, signal) => {
      const info = { ...origin, destHost: host, destPort: port }
      await admit(options.accept, info, report)
      return open(info, signal)
    }),
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
    const stream = fromDuplex(socket)
    connections++
    try {
      await scope.during(stream, serve(stream, originOf(socket)))
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
): Promise<void> {
  const refusal = await refusalOf(accept, info, failed)
  if (refusal !== undefined) throw new NotAdmitted(refusal.reasonCode, refusal.description)
}

function originOf(socket: Duplex): ForwardOrigin {
  const { remoteAddress = '', remotePort = 0 } = addressesOf(socket)
  // An IPv4 address that an IPv6 socket met.
  return { originHost: remoteAddress.replace(/^::ffff:(?=\d+\.)/i, ''), originPort: remotePort }
}
