/** Options of `listen`: those of the protocol, and who answers sessions. */

import {
  callback,
  duration,
  type ReverseServerOptions,
  type ServerCallbacks,
  type ServerConnection,
  type ServerConnectionInfo,
  type ServerConnectionOptions,
  type ServerOptions,
} from '@ssh/conn'
import type { SftpHandler } from '@ssh/sftp'
import { z } from 'zod'
import type { SshServerProcess } from '../process/server-process.js'

type MaybePromise<T> = T | Promise<T>

/** A command, shell or subsystem of a client, with the facts of its connection as `info`. */
export type ServerProcess = SshServerProcess<ServerConnectionInfo>

/** Runs one command or shell of a client; ends it by `process.exit` or `process.redirect`. */
export type ProcessHandler = (process: ServerProcess) => unknown

/**
 * The streams form of {@link ProcessHandler}. The session ends with status 0 when the promise it returns is fulfilled,
 * with 1 when that is rejected; without a promise, when `stdout` is ended.
 */
export type StreamsHandler = (
  stdin: ServerProcess['stdin'],
  stdout: ServerProcess['stdout'],
  stderr: ServerProcess['stderr'],
) => unknown

export const sftpFolderSchema = z.strictObject({
  /** Directory that is `/` to the client; nothing outside it can be reached. Default: the whole file system. */
  root: z.string().min(1).exactOptional(),
  /** Where relative paths start, as the client sees it. */
  startDirectory: z.string().min(1).exactOptional(),
  /** Bits of a mode that a client may set. Default 0777. */
  modeMask: z.int().min(0).max(0o7777).exactOptional(),
  /** Refuses everything that would change a file. Default false. */
  readOnly: z.boolean().exactOptional(),
})

/** Files of this machine that SFTP serves. */
export type SftpFolder = z.infer<typeof sftpFolderSchema>

/** Makes what one SFTP session sees: a handler, or where on this machine its files are. */
export type SftpSessionFactory = (session: {
  readonly connection: ServerConnection
  readonly username: string
}) => MaybePromise<SftpHandler<unknown> | SftpFolder>

/** What SFTP serves: `true` the whole file system as this process's user, one folder, or what a function makes. */
export type SftpFactory = boolean | SftpFolder | SftpSessionFactory

/** Callbacks of one connection: those of the protocol, and who answers a session. */
export interface SshServerCallbacks extends Omit<ServerCallbacks, 'sessionRequested'> {
  /**
   * The client wants a session. False refuses it, a handler answers it, and true leaves it to the options
   * `processFactory`, `sessionFactory` and `sftpFactory`. Default: true.
   */
  sessionRequested?(): MaybePromise<boolean | ProcessHandler>
}

/** Makes the callbacks for one connection. */
export type SshServerFactory = (connection: ServerConnection) => MaybePromise<SshServerCallbacks>

/** What answers sessions, in place of the protocol's plain callback. */
export const sessionOptionsSchema = z.strictObject({
  /** Makes the object with a connection's callbacks. */
  serverFactory: callback<SshServerFactory>().optional(),
  /** Runs each command and shell. */
  processFactory: callback<ProcessHandler>().optional(),
  /** The same with the three streams in place of a process; `processFactory` goes first. */
  sessionFactory: callback<StreamsHandler>().optional(),
  /** Serves SFTP: `true` the whole file system as this process's user, `{ root }` one folder, or a factory. */
  sftpFactory: z.union([z.boolean(), sftpFolderSchema, callback<SftpSessionFactory>()]).optional(),
  /**
   * Latest version of SFTP to speak; a client that offers less gets what it offers. Default 3, which OpenSSH speaks too.
   */
  sftpVersion: z.literal([3, 4, 5, 6]).exactOptional(),
  /**
   * Whether clients may copy with SCP (`scp -O`) what `sftpFactory` serves, by the same rules. The commands `scp -t` and
   * `scp -f` are answered here then, before `processFactory` sees them; all others are left alone. Default false.
   */
  allowScp: z.boolean().optional(),
  /** Whether clients get a terminal when they ask for one. Default true. */
  allowPty: z.boolean().optional(),
  /**
   * Variables that clients may set: names, in which `*` stands for any text and `?` for any character, as sshd's AcceptEnv.
   * Others are refused. Default: all, as nobody but the handler sees them.
   */
  acceptEnv: z.array(z.string().min(1)).readonly().optional(),
  /**
   * Whether lines are edited here for commands and shells with a terminal: see `process.terminal`. False gives handlers
   * every byte as it is typed. Default true.
   */
  lineEditor: z.boolean().optional(),
  /** Whether what is typed in such a line is shown. Default true. */
  lineEcho: z.boolean().optional(),
  /** Lines that a user can call back; 0 keeps none. Default 1000. */
  lineHistory: z.int().min(0).max(100_000).optional(),
  /** Characters in a line; more are refused with a beep. Default 1024. */
  maxLineLength: z.int().min(1).max(1_048_576).optional(),
})

export type ParsedSessionOptions = z.output<typeof sessionOptionsSchema>

/** Options of `listen`. */
export type ListenOptions = Omit<ServerOptions, 'serverFactory'> & z.input<typeof sessionOptionsSchema>

/** Options about where a server listens, and how many it lets through. */
type ListeningOptionName = Exclude<keyof ServerOptions, keyof ServerConnectionOptions | 'signal'>

/** Options of `update`: all but where the server listens. */
export type UpdateOptions = Partial<Omit<ListenOptions, ListeningOptionName | 'signal'>>

/** Options of `runServer`: all but where a server listens. `signal` gives up while the client logs in. */
export type RunServerOptions = Omit<ListenOptions, ListeningOptionName>

/** Options of `connectReverse`: those of a server, and how to connect, as for `connect`. */
export type ConnectReverseOptions = Omit<ReverseServerOptions, 'serverFactory'> & z.input<typeof sessionOptionsSchema>

export const closeOptionsSchema = z.strictObject({
  /** How long open sessions and forwarded connections are given to end by themselves; none is added meanwhile. Default 0. */
  drain: duration.optional(),
})

/** Options of `close` of a server. */
export type CloseOptions = z.input<typeof closeOptionsSchema>
