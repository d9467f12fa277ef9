/** Ports and paths of the server whose connections come here: to a handler in this process, or on to elsewhere. */

import { openFailureReasons } from '@ssh/wire'
import type { ChannelOpenRequest } from '../connection/channel-open.js'
import { ConnectError } from '../errors.js'
import { type AcceptForward, refusalOf } from '../forwarding/forward-info.js'
import { Listener, type ListenerParts } from '../forwarding/listener.js'
import { pipe } from '../forwarding/pipe.js'
import { type ConnectTarget, connectStream } from '../io/connect-stream.js'
import { handOver, type StreamHandler } from '../stream-handler.js'
import { unlessAborted } from '../unless-aborted.js'
import type { ForwardingScope, ForwardOptions } from './client-forwarding-scope.js'

/** Takes one connection that was made to the server. */
export type ConnectionHandler<I> = StreamHandler<I>

interface RemoteOptions<I> extends ForwardOptions {
  readonly accept?: AcceptForward<I> | undefined
}

/** Takes one accepted channel until it is closed. */
export type Deliver<I> = (request: ChannelOpenRequest, info: I) => Promise<void>

/** Channels to a handler. */
export function toHandler<I>(
  scope: ForwardingScope,
  options: RemoteOptions<I>,
  handle: ConnectionHandler<I>,
): Deliver<I> {
  const report = scope.reporter(options)
  return (request, info) => handOver(request.accept(), handle, info, report)
}

/** Channels to a port or a path that this machine reaches. */
export function toTarget<I>(scope: ForwardingScope, target: ConnectTarget): Deliver<I> {
  return async (request) => {
    const socket = await connectStream(target, scope.ended).catch((error: unknown) => {
      const code = error instanceof ConnectError ? error.details.systemCode : undefined
      request.reject(openFailureReasons.connectFailed, `cannot connect: ${String(code ?? 'failed')}`)
      throw error
    })
    const stream = scope.sockets.channelOf(socket)
    if (request.isPending) await pipe(stream, request.accept())
    else stream.abort()
  }
}

/**
 * Makes a listener of what the server listens on.
 * @param listen asks the server; channels go to what it is handed
 */
export async function forwardRemotely<I>(
  scope: ForwardingScope,
  options: RemoteOptions<I>,
  deliver: Deliver<I>,
  listen: (
    onForwarded: (request: ChannelOpenRequest, info: I) => void,
  ) => Promise<Pick<ListenerParts, 'addresses' | 'path' | 'stop'>>,
): Promise<Listener> {
  scope.checkOpen()
  const report = scope.reporter(options)
  let connections = 0
  const carry = async (request: ChannelOpenRequest, info: I): Promise<void> => {
    connections++
    try {
      const refusal = await unlessAborted(refusalOf(options.accept, info, report), scope.ended)
      if (refusal !== undefined) request.reject(refusal.reasonCode, refusal.description)
      else if (request.isPending) await deliver(request, info)
    } catch (error) {
      report(error)
    } finally {
      connections--
    }
  }
  const parts = await listen((request, info) => void carry(request, info))
  return scope.keep(new Listener({ ...parts, connections: () => connections }), options.signal)
}
