/** Options of a client connection: one strict schema, checked at the edge. Types are inferred from it. */

import type { Duplex } from 'node:stream'
import { z } from 'zod'
import type { KnownHosts } from '../config/known-hosts.js'
import { keySource, passphraseSource } from '../key-source.js'
import { abortSignal, algorithmList, callback, duration, objectWith } from '../options-schema.js'
import { protocolOptions, softwareVersionText } from '../protocol-options.js'
import { agentOptions } from './agent-options.js'
import { configOptions } from './config-options.js'
import { dialOptions } from './dial-options.js'

/** A host key as a verifier sees it. */
export interface OfferedHostKey {
  readonly host: string
  readonly port: number
  /** Key type, for instance `ssh-ed25519`. */
  readonly algorithm: string
  /** `SHA256:…`, as ssh-keygen prints it. */
  readonly fingerprint: string
  /** Public key blob (RFC 4253 §6.6). */
  readonly blob: Uint8Array
}

/** One round of keyboard-interactive (RFC 4256 §3.2). */
export interface KeyboardPrompt {
  readonly prompt: string
  /** Whether the answer may be shown while it is typed. */
  readonly echo: boolean
}

export type PasswordSource = string | (() => string | null | undefined | Promise<string | null | undefined>)
export type HostKeyVerifier = (key: OfferedHostKey) => boolean | Promise<boolean>
export type KnownHostsLookup = (
  host: string,
  port: number,
) => string | KnownHosts | null | Promise<string | KnownHosts | null>
export type KeyboardInteractiveHandler = (
  name: string,
  instructions: string,
  prompts: readonly KeyboardPrompt[],
) => readonly string[] | null | Promise<readonly string[] | null>
export type PasswordChangeHandler = (
  prompt: string,
) => { oldPassword: string; newPassword: string } | null | Promise<{ oldPassword: string; newPassword: string } | null>

/** Authentication methods a client can try. */
export const clientAuthMethods = ['publickey', 'keyboard-interactive', 'password'] as const

export const clientOptionsSchema = z.strictObject({
  ...protocolOptions,
  ...dialOptions,
  ...configOptions,
  /** TCP port. Default 22. */
  port: z.int().min(1).max(65535).optional(),
  /** Login name. Default: the user who runs this process. */
  username: z.string().min(1).optional(),
  /** Password, or a function that is asked for it when the server wants one. */
  password: z.union([z.string(), callback<Exclude<PasswordSource, string>>()]).optional(),
  /** Called when the server says that the password has expired. Default: the login fails. */
  passwordChange: callback<PasswordChangeHandler>().optional(),
  /**
   * Keys to log in with. Of a file that is encrypted, or of which only the `.pub` is here, the agent may hold the key.
   * Default: the agent's, those first that are in a file here too, then id_ed25519, id_ecdsa and id_rsa in ~/.ssh. `null`: no
   * public key login, and no agent for it.
   */
  clientKeys: z.union([keySource, z.array(keySource).readonly(), z.null()]).optional(),
  ...agentOptions,
  /** Passphrase of encrypted keys, or a function that is asked for it, once for each file that needs one. */
  passphrase: passphraseSource.optional(),
  /** Methods to try, in order. Default: publickey, keyboard-interactive, password. */
  preferredAuth: z
    .union([z.string().transform((text) => text.split(',').map((name) => name.trim())), z.array(z.string()).readonly()])
    .pipe(z.array(z.enum(clientAuthMethods)).readonly())
    .optional(),
  /** Answers the server's questions. Default: a single hidden prompt for a password is answered by `password`. */
  keyboardInteractive: callback<KeyboardInteractiveHandler>().optional(),
  /** Refuses a server that lets us in without any proof of who we are. Default false. */
  disableTrivialAuth: z.boolean().optional(),
  /**
   * Host keys to trust: file path(s), the text of such a file, a parsed one, or a function. Default: the user's and
   * the system's files. `null` turns the check off.
   */
  knownHosts: z
    .union([
      z.string().min(1),
      z.array(z.string().min(1)).readonly(),
      objectWith<KnownHosts>('parsed known hosts', 'entries'),
      callback<KnownHostsLookup>(),
      z.null(),
    ])
    .optional(),
  /** What to do with the key of a host nobody knows: refuse it, or accept and remember it. Default `strict`. */
  hostKeyPolicy: z.enum(['strict', 'accept-new']).optional(),
  /** Accept exactly the host key with this fingerprint (`SHA256:…`), or one of these; known_hosts is not asked. */
  hostKeyFingerprint: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).readonly()]).optional(),
  /**
   * Asked about the key of a host that known_hosts does not know. Only `true` accepts it; with `accept-new` it is then
   * remembered. A changed or revoked key is refused without asking.
   */
  verifyHostKey: callback<HostKeyVerifier>().optional(),
  /** Name to look the host up by in known_hosts, in place of host and port. */
  hostKeyAlias: z.string().min(1).optional(),
  /** Host key algorithms, in order. Default: those of the keys on file for this host first. */
  serverHostKeyAlgs: algorithmList.optional(),
  /** Limit for everything up to the login. Default: none. */
  connectTimeout: duration.optional(),
  /** A connected stream to speak over, in place of a new TCP connection. */
  sock: objectWith<Duplex>('a duplex stream', 'write', 'on', 'destroy')
    .refine((stream) => stream.readableEncoding === null && stream.readableObjectMode === false, {
      message: 'expected a stream of bytes, without an encoding or object mode',
    })
    .optional(),
  /** Software version in our identification string, printable ASCII without blanks. */
  clientVersion: softwareVersionText.optional(),
  /** Gives up connecting. */
  signal: abortSignal.optional(),
})

export const rekeyOptionsSchema = z.strictObject({
  /** Gives up waiting; keys change all the same once it has begun. */
  signal: abortSignal.optional(),
})

/** Options of `rekey`. */
export type RekeyOptions = z.input<typeof rekeyOptionsSchema>

/** Options of `connect`. */
export type ClientOptions = z.input<typeof clientOptionsSchema>

/** The same, checked and with durations and sizes as numbers. */
export type ParsedClientOptions = z.output<typeof clientOptionsSchema>
