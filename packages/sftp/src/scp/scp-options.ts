/** Options of SCP, for whoever copies. */

import { knownOptions, type OptionNames } from '@ssh/wire'
import { checkCounts, type SftpProgress } from '../client/options.js'

/** What both roles take. */
export interface ScpOptions {
  /** Copies permissions (set-user-ID and the like included), access and modification times. Default false. */
  readonly preserve?: boolean | undefined
  /** Copies directories with all they hold; without it a directory is an error. Default false. */
  readonly recurse?: boolean | undefined
  /** Bytes read or written at once, 4 MiB at most. Default 256 KiB. */
  readonly blockSize?: number | undefined
  /** Told how far it is: at the end of each file, and every 100 ms at most in between. */
  readonly progress?: ((event: SftpProgress) => void) | undefined
  /**
   * Called with what could not be copied (the error's `srcpath` and `dstpath`); the rest is copied all the same.
   * Default: the first error ends the copying.
   */
  readonly onError?: ((error: Error) => void) | undefined
  /** Ends the copying with an AbortError; the channel is aborted, and half a file of this machine removed. */
  readonly signal?: AbortSignal | undefined
}

/** Options of the role that sends files. */
export interface ScpSourceOptions extends ScpOptions {
  /**
   * Whether what a symbolic link points to is copied, as scp(1) does; SCP cannot carry links, so false leaves out those
   * that are met in directories. Default true.
   */
  readonly followSymlinks?: boolean | undefined
  /** Whether the destination is a directory, or an error. Of errors and events only: the program is told by its command. */
  readonly intoDirectory?: boolean | undefined
}

/** Options of the role that takes files. */
export interface ScpSinkOptions extends ScpOptions {
  /** Whether the destination must be a directory, as for several sources; a local one is made if it is missing. */
  readonly intoDirectory?: boolean | undefined
}

/** Bytes read or written at once. */
export const defaultBlockSize = 256 * 1024

/** Most that is read or written at once: several blocks are in memory at the same time. */
const largestBlockSize = 4 * 1024 * 1024

const names: OptionNames<ScpOptions> = {
  preserve: true,
  recurse: true,
  blockSize: true,
  progress: true,
  onError: true,
  signal: true,
}

/** Names of the options of each role. */
export const scpOptionNames = {
  send: { ...names, followSymlinks: true, intoDirectory: true } satisfies OptionNames<ScpSourceOptions>,
  receive: { ...names, intoDirectory: true } satisfies OptionNames<ScpSinkOptions>,
  relay: { ...names, intoDirectory: true } satisfies OptionNames<ScpSinkOptions>,
}

/**
 * The options of a role, with a block size that can be used.
 * @throws OptionsError for an option nobody knows; SftpError `EINVAL` for a block size that is no whole number from 1
 */
export function checkedScpOptions<O extends ScpOptions>(
  what: string,
  options: O,
  optionNames: OptionNames<O>,
): O & { readonly blockSize: number } {
  const { blockSize = defaultBlockSize } = knownOptions(what, options, optionNames)
  checkCounts({ blockSize })
  return { ...options, blockSize: Math.min(blockSize, largestBlockSize) }
}
