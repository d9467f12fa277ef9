/** Options of a server: one strict schema, checked at the edge. Types are inferred from it. */

import type { Signer } from '@ssh/crypto'
import { z } from 'zod'
import type { KeySource, PassphraseSource } from '../client/client-options.js'
import type { AuthorizedKeys } from '../config/authorized-keys.js'
import type { Logger } from '../log.js'
import { abortSignal, algorithmList, bytes, callback, duration, objectWith, size } from '../options-schema.js'
import type { ServerFactory } from './server-callbacks.js'

const keySource: z.ZodType<KeySource> = z.union([
  z.string().min(1),
  bytes,
  objectWith<Signer>('a private key', 'sign', 'publicKey'),
])

const authMethod = z.enum(['publickey', 'keyboard-interactive', 'password'])

/** What may differ from connection to connection: everything but where the server listens. */
export const serverConnectionOptionsSchema = z.strictObject({
  /** Keys that prove this host: file path(s), the text or bytes of key files, or key objects. At least one. */
  serverHostKeys: z.union([keySource, z.array(keySource).min(1).readonly()]),
  /** Passphrase of encrypted host keys, or a function that is asked for it. */
  passphrase: z.union([z.string(), callback<Exclude<PassphraseSource, string>>()]).optional(),
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
  /** Key exchange algorithms, in order. Default: those that are cheap for a server. */
  kexAlgs: algorithmList.optional(),
  /** Ciphers, in order, for both directions. */
  encryptionAlgs: algorithmList.optional(),
  /** MACs, in order, for both directions; not used with AEAD ciphers. */
  macAlgs: algorithmList.optional(),
  /** Compression methods, in order. Default: none. */
  compressionAlgs: algorithmList.optional(),
  /** Signature algorithms that users' keys may sign with. */
  signatureAlgs: algorithmList.optional(),
  /** Change keys after this many bytes. Default 1 GiB. */
  rekeyBytes: size.optional(),
  /** Change keys after this long. Default 1 h; 0 turns it off. */
  rekeyInterval: duration.optional(),
  /** Limit for key exchange and login. Default 120 s; 0 turns it off. */
  loginTimeout: duration.optional(),
  /** Pause without traffic after which the client is asked for a sign of life. Default 0, off. */
  keepaliveInterval: duration.optional(),
  /** Unanswered keepalives after which the connection counts as lost. Default 3. */
  keepaliveCountMax: z.int().min(1).optional(),
  /** Failed login attempts after which the connection ends. Default 6. */
  maxAuthTries: z.int().min(1).optional(),
  /** Sessions one connection may have open. Default 10. */
  maxSessions: z.int().min(0).optional(),
  /** Software version in our identification string, printable ASCII without blanks. */
  serverVersion: z
    .string()
    .regex(/^[\x21-\x2c\x2e-\x7e]{1,200}$/, 'expected printable ASCII without blanks or "-"')
    .optional(),
  /** Receives structured events. Default: none. */
  logger: objectWith<Logger>('a logger', 'debug').optional(),
})

export const serverOptionsSchema = serverConnectionOptionsSchema.extend({
  /** Address or host name to listen on. Default: every address of this machine. */
  host: z.string().min(1).optional(),
  /** TCP port. Default 22; 0 takes a free one, see `port` of the server. */
  port: z.int().min(0).max(65535).optional(),
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
