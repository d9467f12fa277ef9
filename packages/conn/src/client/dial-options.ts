/** Options of how the stream to the other end is made: straight by TCP, or through something in between. */

import type { Duplex } from 'node:stream'
import { z } from 'zod'
import type { ForwardedTcpInfo } from '../forwarding/forward-info.js'
import type { Listener } from '../forwarding/listener.js'
import { parseProxyUrl } from '../io/proxy-url.js'
import { objectWith } from '../options-schema.js'
import type { ClientOptions } from './client-options.js'
import type { Destination } from './destination.js'

/** A connection that can be tunnelled through: what `connect` returns. */
export interface TunnelConnection {
  /** Connects from the server to `host`; see `ClientConnection`. */
  openConnection(host: string, port: number, options?: { readonly signal?: AbortSignal }): Promise<Duplex>
}

/** One jump host of a tunnel. */
export interface TunnelHop {
  readonly destination: Destination
  /**
   * Options of `connect` for this hop, in place of what it would inherit. How it is reached (`sock`, `tunnel`,
   * `proxyCommand`, `proxy`) only the first hop may say.
   */
  readonly options?: ClientOptions
}

/** A connection whose server can be listened on: what `connect` returns. */
export interface ListenConnection {
  /** Has the server listen; see `ClientConnection`. */
  startServer(
    handler: (stream: Duplex, info: ForwardedTcpInfo) => unknown,
    listenHost: string,
    listenPort: number,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Pick<Listener, 'addresses' | 'closed' | 'close'>>
}

const tunnelHop = z.custom<TunnelHop>(
  (value) => typeof value === 'object' && value !== null && 'destination' in value,
  { message: 'expected { destination, options }' },
)

/** Whose port is listened on: that of the last of some jump hosts, or that of an open connection's server. */
export const listenTunnel = z.union([
  z.string().min(1),
  z.array(tunnelHop).min(1).readonly(),
  objectWith<ListenConnection>('a connection', 'startServer'),
])

/** Fields of every schema of something that connects. */
export const dialOptions = {
  /**
   * Jump hosts to go through, as OpenSSH's ProxyJump: `'user@jump:port,user@jump2'`, a list of
   * `{ destination, options }`, or an open connection. Each hop has its own host key check, login and section of
   * ssh_config. Of these options it takes over what is trusted, keys and agent, patience and the logger, but no password
   * and no answer to a question: those are for the host behind it, unless a hop's own options have them. Hops connected
   * here close with the connection, an open connection that was given does not. `'none'`: no tunnel, whatever ssh_config
   * says.
   */
  tunnel: z
    .union([
      z.string().min(1),
      z.array(tunnelHop).min(1).readonly(),
      objectWith<TunnelConnection>('a connection', 'openConnection'),
    ])
    .optional(),
  /**
   * Program whose standard input and output are the connection, as OpenSSH's ProxyCommand: a list is an argv and runs
   * without a shell, text is a command that takes the place of the user's shell. `%h`, `%n`, `%p` and `%r` become host, host as given, port and user;
   * `%%` is a percent sign. `null`, or the text `'none'`: none, whatever ssh_config says.
   */
  proxyCommand: z.union([z.string().min(1), z.array(z.string()).min(1).readonly(), z.null()]).optional(),
  /**
   * Proxy to connect through: `'http://user:password@host:port'` (CONNECT), `'socks5://…'`, `'socks5h://…'` (the proxy
   * resolves the host's name), `'socks4://…'` or `'socks4a://…'`. Percent-encode what is special in user and password.
   */
  proxy: z.string().superRefine(refuseBadProxy).optional(),
  /** Only addresses of this family: 4 or 6. Default: both, side by side. */
  family: z.union([z.literal(4), z.literal(6)]).optional(),
  /** Address of this machine to connect from. Default: the system's choice. */
  localAddress: z.union([z.ipv4(), z.ipv6()]).optional(),
  /** Port of this machine to connect from. Default: a free one. */
  localPort: z.int().min(1).max(65535).optional(),
  /** Whether the operating system checks on a TCP connection that is silent. Default true. */
  tcpKeepalive: z.boolean().optional(),
  /** How often connecting by TCP is tried, a second apart. Default 1. */
  connectionAttempts: z.int().min(1).optional(),
}

const dialOptionsSchema = z.object(dialOptions)

/** These options, checked. */
export type ParsedDialOptions = z.output<typeof dialOptionsSchema>

function refuseBadProxy(text: string, context: z.RefinementCtx): void {
  try {
    parseProxyUrl(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
  }
}
