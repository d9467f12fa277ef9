/** What callers of forwarding say: places, checked, and options. */

import { z } from 'zod'
import type {
  AcceptForward,
  ForwardedTcpInfo,
  ForwardedUnixInfo,
  ForwardOrigin,
  SocksInfo,
} from '../forwarding/forward-info.js'
import { abortSignal, callback, duration, parseOptions } from '../options-schema.js'

const host = z
  .string()
  .max(255)
  .regex(/^[^\p{Cc}\p{Z}]*$/u, 'expected no blanks and no control characters')
  // An IPv6 address as it is written before a port.
  .transform((text) => /^\[(.*:.*)\]$/.exec(text)?.[1] ?? text)
const port = z.int().max(65535)
const path = z
  .string()
  .min(1)
  .refine((text) => !text.includes('\0'), 'expected no zero character')

const listenPortSchema = z.strictObject({ listenHost: host, listenPort: port.min(0) })
const listenPathSchema = z.strictObject({ listenPath: path })
const destPortSchema = z.strictObject({
  destHost: host.refine((text) => text !== '', 'expected a host name or an address'),
  destPort: port.min(1),
})
const destPathSchema = z.strictObject({ destPath: path })
const handlerSchema = z.strictObject({ handler: callback<() => unknown>() })

/** A port to listen on, on either side. @throws OptionsError */
export function checkListenPort(what: string, listenHost: string, listenPort: number) {
  const parsed = parseOptions(what, listenPortSchema, { listenHost, listenPort })
  return { host: parsed.listenHost, port: parsed.listenPort }
}

/** A path to listen on, on either side. @throws OptionsError */
export function checkListenPath(what: string, listenPath: string) {
  return { path: parseOptions(what, listenPathSchema, { listenPath }).listenPath }
}

/** A port to connect to, on either side. @throws OptionsError */
export function checkDestPort(what: string, destHost: string, destPort: number) {
  const parsed = parseOptions(what, destPortSchema, { destHost, destPort })
  return { host: parsed.destHost, port: parsed.destPort }
}

/** A path to connect to, on either side. @throws OptionsError */
export function checkDestPath(what: string, destPath: string) {
  return { path: parseOptions(what, destPathSchema, { destPath }).destPath }
}

/** What handles connections in this process. @throws OptionsError */
export function checkHandler(what: string, handler: unknown): void {
  parseOptions(what, handlerSchema, { handler })
}

const forwardOptions = {
  /** Told, as the logger is, of what goes wrong with one connection; the others and the listener go on. */
  onError: callback<(error: Error) => void>().optional(),
  /** Gives up; once it listens, closes the listener. */
  signal: abortSignal.optional(),
}

export const openConnectionOptionsSchema = z.strictObject({
  /** Address of whoever the connection is for, which servers may log and decide by. Default 127.0.0.1. */
  originHost: host.optional(),
  /** Their port. Default 0. */
  originPort: port.min(0).optional(),
  /** Gives up opening; what opens all the same is closed. */
  signal: abortSignal.optional(),
})

export const openUnixConnectionOptionsSchema = z.strictObject({
  /** Gives up opening; what opens all the same is closed. */
  signal: abortSignal.optional(),
})

export const localPortOptionsSchema = z.strictObject({
  /** Whether to forward a connection: false, or a `ChannelOpenError`, drops it. Default: all of them. */
  accept: callback<AcceptForward<ForwardOrigin>>().optional(),
  ...forwardOptions,
})

export const localPathOptionsSchema = z.strictObject({
  ...localPortOptionsSchema.shape,
  /** Who may connect to the socket. Default 0o600: the user of this process alone. */
  mode: z.int().min(0).max(0o777).optional(),
  /** Removes a socket of that path which nobody listens on any more (OpenSSH's StreamLocalBindUnlink). Default false. */
  unlink: z.boolean().optional(),
})

export const socksOptionsSchema = z.strictObject({
  /** Whether to connect a program: false, or a `ChannelOpenError`, refuses. Default: all of them. */
  accept: callback<AcceptForward<SocksInfo>>().optional(),
  /** How long a program may take to say where it wants to be connected. Default 30 s; 0: no limit. */
  requestTimeout: duration.optional(),
  ...forwardOptions,
})

export const remotePortOptionsSchema = z.strictObject({
  /** Whether to take a connection: false, or a `ChannelOpenError` with its reason, refuses. Default: all of them. */
  accept: callback<AcceptForward<ForwardedTcpInfo>>().optional(),
  ...forwardOptions,
})

export const remotePathOptionsSchema = z.strictObject({
  /** Whether to take a connection: false, or a `ChannelOpenError` with its reason, refuses. Default: all of them. */
  accept: callback<AcceptForward<ForwardedUnixInfo>>().optional(),
  ...forwardOptions,
})

/** Options of `openConnection` and `openTcpChannel`. */
export type OpenConnectionOptions = z.input<typeof openConnectionOptionsSchema>
/** Options of `openUnixConnection` and `openUnixChannel`. */
export type OpenUnixConnectionOptions = z.input<typeof openUnixConnectionOptionsSchema>
/** Options of `forwardLocalPort` and `forwardLocalPortToPath`. */
export type LocalPortOptions = z.input<typeof localPortOptionsSchema>
/** Options of `forwardLocalPath` and `forwardLocalPathToPort`. */
export type LocalPathOptions = z.input<typeof localPathOptionsSchema>
/** Options of `forwardSocks`. */
export type SocksOptions = z.input<typeof socksOptionsSchema>
/** Options of `startServer`, `forwardRemotePort` and `forwardRemotePortToPath`. */
export type RemotePortOptions = z.input<typeof remotePortOptionsSchema>
/** Options of `startUnixServer`, `forwardRemotePath` and `forwardRemotePathToPort`. */
export type RemotePathOptions = z.input<typeof remotePathOptionsSchema>
