/** Options of a client that listens for its servers. */

import { z } from 'zod'
import { abortSignal, callback } from '../options-schema.js'
import { clientOptionsSchema } from './client-options.js'
import type { Destination } from './destination.js'
import { listenTunnel } from './dial-options.js'

/** Fields beside those of a client. */
const fields = {
  /** Address or host name to listen on. Default: every address of this machine. */
  host: z.string().min(1).optional(),
  /** TCP port; 0 takes a free one, see `port` of the listener. */
  port: z.int().min(0).max(65535),
  /**
   * Which server is expected, as for `connect`: the name its host key is known by, and the user to log in as. Default:
   * the address that it connects from.
   */
  destination: z
    .custom<Destination>((value) => typeof value === 'string' || (typeof value === 'object' && value !== null), {
      message: 'expected a destination',
    })
    .optional(),
  /** Listens on a server's port and not on this machine's: `'user@jump'`, jump hosts, or an open connection. */
  tunnel: listenTunnel.optional(),
  /** Connections that the operating system queues before they are accepted. Default 511. */
  backlog: z.int().min(1).optional(),
  /** Servers that may be logging us in, or wait to be taken, at once; more are closed at once. Default 100. */
  maxStartups: z.int().min(1).optional(),
  /** Called with each connection that has logged in; may be async. What it throws ends that connection. */
  acceptor: callback<(connection: never) => unknown>().optional(),
  /** Closes the listener. */
  signal: abortSignal.optional(),
}

export const reverseListenOptionsSchema = clientOptionsSchema
  .omit({
    sock: true,
    tunnel: true,
    proxyCommand: true,
    proxy: true,
    family: true,
    localAddress: true,
    localPort: true,
    tcpKeepalive: true,
    connectionAttempts: true,
    port: true,
    signal: true,
  })
  .extend(fields)

/** Options of `listenReverse`; `C` is what a connection is there. */
export type ReverseListenOptions<C> = Omit<z.input<typeof reverseListenOptionsSchema>, 'acceptor'> & {
  /** Called with each connection that has logged in; may be async. What it throws ends that connection. */
  readonly acceptor?: ((connection: C) => unknown) | undefined
}
