/** One connection of a SOCKS proxy: from the first byte to the tunnel. */

import { type ByteChannel, SshError } from '@ssh/wire'
import { Deferred } from '../deferred.js'
import { ChannelOpenError } from '../errors.js'
import { bridge } from './bridge.js'
import { HeldStream } from './held-stream.js'
import { SocksParser, type SocksRequest, socksFailure, socksSuccess } from './socks.js'
import type { SocksWaiting } from './socks-waiting.js'

/**
 * Reads what a program wants to be connected to, opens that, and joins the two. The program is told of success once the
 * far end is open, and not before.
 *
 * @param waiting limits how long the program may take, beside the others of its proxy
 * @param open makes the far end; its signal aborts when the program went away
 * @param ended gives up when it aborts before there is a far end
 * @returns resolves when both ends are closed, and when the program went away before there was a far end
 * @throws SshError `ERR_SSH_SOCKS_REFUSED`; what `open` rejects with; the first error of either end
 */
export function serveSocks(
  stream: ByteChannel,
  waiting: SocksWaiting,
  open: (request: SocksRequest, signal: AbortSignal) => Promise<ByteChannel>,
  ended?: AbortSignal,
): Promise<void> {
  const parser = new SocksParser()
  const requested = new Deferred<SocksRequest>()
  const held = new HeldStream(stream, {
    data(chunk) {
      const step = parser.receive(chunk)
      if (step.reply.length > 0) stream.write(step.reply)
      if (step.type === 'more') return undefined
      if (step.type === 'request') requested.resolve(step.request)
      else requested.reject(step.error)
      return step.type === 'request' ? step.used : chunk.length
    },
    end: () => requested.reject(endedEarly()),
  })
  const connect = async (signal: AbortSignal): Promise<ByteChannel> => {
    const begun = waiting.begin((error) => requested.reject(error))
    signal.addEventListener('abort', () => requested.reject(endedEarly()), { once: true })
    const request = await requested.promise.finally(begun)
    try {
      const far = await open(request, signal)
      held.write(socksSuccess(request.version))
      return far
    } catch (error) {
      held.write(socksFailure(request.version, error instanceof ChannelOpenError ? error.reasonCode : undefined))
      throw error
    }
  }
  return bridge(held, connect, ended)
}

function endedEarly(): SshError {
  return new SshError('ERR_SSH_SOCKS_REFUSED', 'A program left the SOCKS proxy before its request was complete')
}
