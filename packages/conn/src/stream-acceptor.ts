/** Streams that are accepted: at a port of this machine, or at a port of the server at the far end of a tunnel. */

import type { Duplex } from 'node:stream'
import type { z } from 'zod'
import { ClientConnection } from './client/client-connection.js'
import { establishClient } from './client/connect.js'
import { ConnectLimit } from './client/connect-limit.js'
import type { ListenConnection, listenTunnel } from './client/dial-options.js'
import { connectHops, parseHops } from './client/tunnel.js'
import { Deferred } from './deferred.js'
import type { ListenAddress } from './forwarding/listener.js'
import { TcpListener } from './io/tcp-listener.js'
import type { Logger } from './log.js'

/** Where to listen. */
export interface AcceptOptions {
  /** One or several, all on one port. Undefined: every address. */
  readonly host: string | readonly string[] | undefined
  /** 0 takes a free one. */
  readonly port: number
  /** Connections that the operating system queues; has no effect in a tunnel. */
  readonly backlog: number
  /** An IPv6 address takes no IPv4 clients; has no effect in a tunnel. */
  readonly ipv6Only?: boolean | undefined
  /** Other processes may listen on the port as well; has no effect in a tunnel. */
  readonly reusePort?: boolean | undefined
  readonly tunnel: z.output<typeof listenTunnel> | undefined
  /** Gives up. */
  readonly signal: AbortSignal | undefined
  readonly logger: Logger | undefined
  /** @param originHost numeric address of whoever connected, in a tunnel as its server says */
  onStream(stream: Duplex, originHost: string | undefined): void
  /** Accepting one stream failed; the next one may fit again. */
  onError(error: Error): void
}

/** Where streams are accepted. */
export interface StreamAcceptor {
  readonly addresses: readonly ListenAddress[]
  /** Resolves when nothing is accepted any more: `close` was called, or the tunnel is gone. */
  readonly closed: Promise<void>
  /** Stops accepting; streams that are open stay. */
  close(): void
  /**
   * Nobody needs the streams any more: closes what they came through, if that was made here. Resolves when no socket is
   * open; never rejects.
   */
  release(): Promise<void>
}

/**
 * Starts to accept.
 * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED`; ChannelListenError when the tunnel's server refuses
 * @throws OptionsError; what connecting to a jump host fails with; AbortError
 */
export async function acceptStreams(options: AcceptOptions): Promise<StreamAcceptor> {
  const { tunnel, signal, logger } = options
  if (tunnel === undefined || (typeof tunnel === 'string' && tunnel.toLowerCase() === 'none'))
    return acceptAtAll(options, acceptHere)
  if (typeof tunnel === 'object' && 'startServer' in tunnel) return acceptAtAll(options, acceptThere(tunnel))
  const hops = parseHops(tunnel)
  const limit = new ConnectLimit(signal, undefined)
  const link = await connectHops(hops, logger === undefined ? {} : { logger }, establishClient, limit.signal).finally(
    () => limit.release(),
  )
  try {
    const acceptor = await acceptAtAll(options, acceptThere(new ClientConnection(link)))
    return { ...acceptor, release: () => link.close() }
  } catch (error) {
    link.destroy(link.closedError())
    throw error
  }
}

interface AcceptAtOptions extends AcceptOptions {
  readonly host: string | undefined
}

/** Hosts after the first get the port that the first got. */
async function acceptAtAll(
  options: AcceptOptions,
  accept: (options: AcceptAtOptions) => Promise<StreamAcceptor>,
): Promise<StreamAcceptor> {
  const [host, ...others] = typeof options.host === 'object' ? options.host : [options.host]
  const first = await accept({ ...options, host })
  if (others.length === 0) return first
  const port = first.addresses[0]?.port ?? options.port
  const acceptors = [first]
  const all: StreamAcceptor = {
    addresses: [],
    closed: first.closed,
    close: () => {
      for (const acceptor of acceptors) acceptor.close()
    },
    release: async () => {
      all.close()
      await Promise.all(acceptors.map((acceptor) => acceptor.release()))
    },
  }
  try {
    for (const other of others) acceptors.push(await accept({ ...options, host: other, port }))
  } catch (error) {
    await all.release()
    throw error
  }
  return { ...all, addresses: acceptors.flatMap(({ addresses }) => addresses) }
}

async function acceptHere(options: AcceptAtOptions): Promise<StreamAcceptor> {
  const { host, port, backlog, ipv6Only, reusePort, onStream, onError } = options
  const listener = await TcpListener.open({
    host,
    port,
    backlog,
    ipv6Only,
    reusePort,
    onConnection: (socket) => onStream(socket, socket.remoteAddress),
    onError,
  })
  const { address } = listener
  const closed = new Deferred<void>()
  return {
    addresses: address === undefined ? [] : [{ address: address.address, port: address.port }],
    closed: closed.promise,
    close: () => {
      listener.close()
      closed.resolve()
    },
    // Only then every socket is closed as well.
    release: () => listener.closed,
  }
}

function acceptThere(connection: ListenConnection): (options: AcceptAtOptions) => Promise<StreamAcceptor> {
  return async ({ host = '', port, signal, onStream }) => {
    const listener = await connection.startServer(
      (stream, { originHost }) => onStream(stream, originHost),
      host,
      port,
      signal === undefined ? {} : { signal },
    )
    return {
      addresses: listener.addresses,
      closed: listener.closed,
      close: () => void listener.close(),
      release: async () => {},
    }
  }
}
