/** What `scp` takes: paths here and on other machines, and how they are copied. */

import { abortSignal, callback, type Destination, size } from '@ssh/conn'
import type { SftpProgress } from '@ssh/sftp'
import { z } from 'zod'
import type { ClientOptions } from './client-options.js'
import type { SshClientConnection } from './ssh-client-connection.js'

export const scpTransferSchema = z.strictObject({
  /** Copies permissions (set-user-ID and the like included), access and modification times. Default false. */
  preserve: z.boolean().optional(),
  /** Copies directories with all they hold; without it a directory is an error. Default false. */
  recurse: z.boolean().optional(),
  /**
   * Whether what a local symbolic link points to is copied, as scp(1) does. SCP cannot carry links: false leaves out
   * those that are met in directories. Default true.
   */
  followSymlinks: z.boolean().optional(),
  /**
   * Takes paths as they are. Default false: `*`, `?`, `[…]` and `{a,b}` in sources are patterns unless a backslash stands
   * before them, and `~` at the start of a remote path is a home directory.
   */
  literalPaths: z.boolean().optional(),
  /** Bytes read or written at once, 4 MiB at most. Default 256 KiB. */
  blockSize: size.refine((bytes) => bytes >= 1, 'must be 1 byte or more').optional(),
  /** Told how far it is: at the end of each file, and every 100 ms at most in between. */
  progress: callback<(event: SftpProgress) => void>().optional(),
  /**
   * Called with what could not be copied (the error's `srcpath` and `dstpath`); the rest is copied all the same.
   * Default: the first error ends the copying.
   */
  onError: callback<(error: Error) => void>().optional(),
  /** Gives up: ends the copying with an AbortError, and removes half a file of this machine. */
  signal: abortSignal.optional(),
})

export type ParsedScpOptions = z.output<typeof scpTransferSchema>

/** How files are copied. */
export type ScpTransferOptions = z.input<typeof scpTransferSchema>

/** Options of `scp`: how files are copied, and those of `connect` for connections that it opens itself. */
export type ScpOptions = Omit<ClientOptions, 'sock' | 'signal'> & ScpTransferOptions

/** A path on another machine: whom to ask, and the path as that machine has it; an empty one is the home directory. */
export type ScpRemotePath =
  | readonly [connection: SshClientConnection | Destination, path: string]
  | { readonly connection: SshClientConnection | Destination; readonly path: string }

/**
 * A path: text in the forms of scp(1) (`'local/file'`, `'host:path'`, `'user@host:path'`, `'[v6]:path'`,
 * `'scp://user@host:port/path'`), or a {@link ScpRemotePath}. Text with a colon before any slash is remote: write
 * `'./a:b'` for a local file of that name.
 */
export type ScpPath = string | ScpRemotePath

/** One or more paths. Of text alone, a list is always a list of paths: `['a', 'b']` is two local files. */
export type ScpSources = ScpPath | readonly ScpPath[]
