/** Options of a server: one strict schema, checked at the edge. Types are inferred from it. */

import { z } from 'zod'
import { listenTunnel } from '../client/dial-options.js'
import { keySource, passphraseSource } from '../key-source.js'
import { abortSignal, callback, duration, objectWith } from '../options-schema.js'
import { protocolOptions, softwareVersionText } from '../protocol-options.js'
import { authorizedKeysSource } from './authorized-keys-source.js'
import { forwardOptions } from './forwarding/forward-options.js'
import type { ServerConfigFile } from './resolve-config.js'
import type { ServerFactory } from './server-callbacks.js'
import type { ServerConnection, ServerConnectionInfo } from './server-connection.js'
import type { UserLookup } from './user-lookup.js'
import { userPatterns } from './user-patterns.js'
import { x11ServerOptions } from './x11-options.js'

const authMethod = z.enum(['publickey', 'keyboard-interactive', 'password'])

const startupRange = z
  .tuple([z.int().min(1), z.int().min(1).max(100), z.int().min(1)])
  .refine(([start, , full]) => start < full, 'expected [start, rate, full] with start below full')

/** What may differ from connection to connection: everything but where the server listens. */
export const serverConnectionOptionsSchema = z.strictObject({
  ...protocolOptions,
  /**
   * File of sshd_config; what is given in code goes before what it says, and is asked again about each user who logs in.
   * What it does not say is as without it, where that is not more than sshd would allow. Default: none.
   */
  config: z
    .union([z.string().min(1), objectWith<ServerConfigFile>('a file of sshd_config that was read', 'resolve')])
    .optional(),
  /**
   * Finds what `config` needs to know of a user: home, number, groups. Default: /etc/passwd and /etc/group, in which the
   * users of a network's directory are not.
   */
  userLookup: callback<UserLookup>().optional(),
  /**
   * Keys that prove this host: file path(s), the text or bytes of key files, or key objects. At least one, unless `config`
   * names some.
   */
  serverHostKeys: z.union([keySource, z.array(keySource).min(1).readonly()]).optional(),
  /**
   * Names all host keys to clients that have logged in, and proves them on request, so that clients can learn of keys
   * to come (OpenSSH's UpdateHostKeys). Of several keys of a type the first identifies the host. Default false.
   */
  sendServerHostKeys: z.boolean().optional(),
  /** Passphrase of encrypted host keys, or a function that is asked for it. */
  passphrase: passphraseSource.optional(),
  /** Keys that may log in, as any user: authorized_keys file path(s), the text of such a file, or a parsed one. */
  authorizedClientKeys: authorizedKeysSource.optional(),
  /** Makes the object with this connection's callbacks. */
  serverFactory: callback<ServerFactory>().optional(),
  /** Lists of methods, one of which a user must complete, as sshd's AuthenticationMethods. Default: any one method. */
  requiredAuth: z.array(z.array(authMethod).min(1).readonly()).min(1).readonly().optional(),
  /** Text shown before login. */
  banner: z.string().optional(),
  /**
   * Who may log in, as sshd's AllowUsers: patterns of names with `*` and `?`, or `name@host` where host is a pattern, an
   * address or a CIDR block. Whoever fits none is refused as with a wrong password. Default: everybody.
   */
  allowUsers: userPatterns.optional(),
  /** Who may not log in, as sshd's DenyUsers; goes before `allowUsers`. Default: nobody. */
  denyUsers: userPatterns.optional(),
  /** Whether `validatePassword` is asked about passwords that are empty; otherwise they are wrong. Default false. */
  permitEmptyPassword: z.boolean().optional(),
  /** Called with each connection once its user is in. What it throws is logged and ends nothing. */
  onConnection: callback<(connection: ServerConnection) => unknown>().optional(),
  /** Called when a connection ends before its user was in. What it throws is logged. */
  onHandshakeError: callback<(error: Error, info: ServerConnectionInfo) => unknown>().optional(),
  /** Ends a connection on which no channel was open for so long, sshd's UnusedConnectionTimeout. Default: 0, never. */
  idleTimeout: duration.optional(),
  /** Failed login attempts after which the connection ends. Default 6. */
  maxAuthTries: z.int().min(1).optional(),
  /** Sessions one connection may have open. Default 10. */
  maxSessions: z.int().min(0).optional(),
  ...forwardOptions,
  ...x11ServerOptions,
  /**
   * Whether clients may lend their agent to their sessions (`ssh -A`), unless the key that let the user in has
   * no-agent-forwarding. Nothing uses it unless a handler does. Default true.
   */
  agentForwarding: z.boolean().optional(),
  /** Software version in our identification string, printable ASCII without blanks. */
  serverVersion: softwareVersionText.optional(),
})

export const serverOptionsSchema = serverConnectionOptionsSchema.extend({
  /** Address or host name to listen on, or several, on one port. Default: every address of this machine. */
  host: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).readonly()]).optional(),
  /** Keeps an IPv6 address to IPv6: `'::'` takes IPv4 clients as well otherwise. Default false. */
  ipv6Only: z.boolean().optional(),
  /** TCP port. Default 22; 0 takes a free one, see `port` of the server. */
  port: z.int().min(0).max(65535).optional(),
  /**
   * Listens on a server's port and not on this machine's: `'user@jump'`, jump hosts, or an open connection, as `tunnel` of
   * `connect`. Jump hosts that were connected here close with this server. Where a client comes from only that server
   * knows, so `info` has no addresses, and keys with `from="…"` do not log in.
   */
  tunnel: listenTunnel.optional(),
  /** Connections that the operating system queues before they are accepted. Default 511. */
  backlog: z.int().min(1).optional(),
  /** Lets several processes listen on the port, among which the system divides connections. Needs Node 22.12. Default false. */
  reusePort: z.boolean().optional(),
  /**
   * Connections that may be logging in at once; more are told so in a line and closed. `[start, rate, full]` as sshd's
   * MaxStartups: of those that come, none up to `start`, `rate` percent from there, and all at `full`. Default 100.
   */
  maxStartups: z.union([z.int().min(1), startupRange]).optional(),
  /** Of these, those of one address. Default: no limit of its own. */
  perSourceMaxStartups: z.int().min(1).optional(),
  /**
   * How many bits of an IPv4 and of an IPv6 address make one source for `perSourceMaxStartups`: `[24, 64]` counts whole
   * networks. Default `[32, 128]`: each address by itself.
   */
  perSourceNetBlockSize: z
    .tuple([z.int().min(0).max(32), z.int().min(0).max(128)])
    .readonly()
    .optional(),
  /** Connections that may be open, logged in or not. Default: no limit. */
  maxConnections: z.int().min(1).optional(),
  /** Of these, those of one address. Default: no limit. */
  maxConnectionsPerAddress: z.int().min(1).optional(),
  /** Closes the server. */
  signal: abortSignal.optional(),
})

/** Options of `listen`. */
export type ServerOptions = z.input<typeof serverOptionsSchema>
export type ParsedServerOptions = z.output<typeof serverOptionsSchema>

/** Options of one connection of a server. */
export type ServerConnectionOptions = z.input<typeof serverConnectionOptionsSchema>
export type ParsedServerConnectionOptions = z.output<typeof serverConnectionOptionsSchema>
