/** Options of a server: one strict schema, checked at the edge. Types are inferred from it. */

import { z } from 'zod'
import { listenTunnel } from '../client/dial-options.js'
import type { AuthorizedKeys } from '../config/authorized-keys.js'
import { keySource, passphraseSource } from '../key-source.js'
import { abortSignal, callback, objectWith } from '../options-schema.js'
import { protocolOptions, softwareVersionText } from '../protocol-options.js'
import { forwardOptions } from './forwarding/forward-options.js'
import type { ServerFactory } from './server-callbacks.js'
import { x11ServerOptions } from './x11-options.js'

const authMethod = z.enum(['publickey', 'keyboard-interactive', 'password'])

/** What may differ from connection to connection: everything but where the server listens. */
export const serverConnectionOptionsSchema = z.strictObject({
  ...protocolOptions,
  /** Keys that prove this host: file path(s), the text or bytes of key files, or key objects. At least one. */
  serverHostKeys: z.union([keySource, z.array(keySource).min(1).readonly()]),
  /**
   * Names all host keys to clients that have logged in, and proves them on request, so that clients can learn of keys
   * to come (OpenSSH's UpdateHostKeys). Of several keys of a type the first identifies the host. Default false.
   */
  sendServerHostKeys: z.boolean().optional(),
  /** Passphrase of encrypted host keys, or a function that is asked for it. */
  passphrase: passphraseSource.optional(),
  /** Keys that may log in, as any user: authorized_keys file path(s), the text of such a file, or a parsed one. */
  authorizedClientKeys: z
    .union([
      z.string().min(1),
      z.array(z.string().min(1)).readonly(),
      objectWith<AuthorizedKeys>('parsed authorized keys', 'keys'),
    ])
    .optional(),
  /** Makes the object with this connection's callbacks. */
  serverFactory: callback<ServerFactory>().optional(),
  /** Lists of methods, one of which a user must complete, as sshd's AuthenticationMethods. Default: any one method. */
  requiredAuth: z.array(z.array(authMethod).min(1).readonly()).min(1).readonly().optional(),
  /** Text shown before login. */
  banner: z.string().optional(),
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
  /** Address or host name to listen on. Default: every address of this machine. */
  host: z.string().min(1).optional(),
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
  /** Connections that may be logging in at once; more are closed at once. Default 100. */
  maxStartups: z.int().min(1).optional(),
  /** Closes the server. */
  signal: abortSignal.optional(),
})

/** Options of `listen`. */
export type ServerOptions = z.input<typeof serverOptionsSchema>
export type ParsedServerOptions = z.output<typeof serverOptionsSchema>

/** Options of one connection of a server. */
export type ServerConnectionOptions = z.input<typeof serverConnectionOptionsSchema>
export type ParsedServerConnectionOptions = z.output<typeof serverConnectionOptionsSchema>
