/** Options of `connect`: those of the protocol, and what all sessions of the connection share. */

import {
  abortSignal,
  assertOptions,
  type ClientOptions as ProtocolOptions,
  parseOptions,
  size,
  x11Options,
} from '@ssh/conn'
import { z } from 'zod'
import { portHint } from './divide-options.js'

export const sessionDefaultsSchema = z.strictObject({
  /** Variables for every command. Most servers accept few names (AcceptEnv in OpenSSH). */
  env: z.record(z.string().min(1), z.string()).optional(),
  /** Names of this process's variables to send with every command; `*` and `?` stand for any text and any character. */
  sendEnv: z.union([z.string(), z.array(z.string()).readonly()]).optional(),
  ...x11Options,
})

/** What all sessions of a connection share. */
export type SessionDefaultOptions = z.input<typeof sessionDefaultsSchema>

/** Options of `connect`. */
export type ClientOptions = ProtocolOptions & SessionDefaultOptions

/** Options of the protocol, apart from what sessions share. @throws OptionsError for the latter, and for what is no object */
export function divideClientOptions<O extends SessionDefaultOptions>(what: string, options: O) {
  assertOptions(what, options, what === 'connect' ? portHint : undefined)
  const isDefault = (name: string) => name in sessionDefaultsSchema.shape
  const entries = Object.entries(options)
  const protocol = Object.fromEntries(entries.filter(([name]) => !isDefault(name)))
  const defaults = Object.fromEntries(entries.filter(([name]) => isDefault(name)))
  return {
    protocol: protocol as Omit<O, keyof SessionDefaultOptions>,
    defaults: parseOptions(what, sessionDefaultsSchema, defaults),
  }
}

export const sftpClientOptionsSchema = z.strictObject({
  /**
   * Bytes of file content that may be asked for or written and not answered, over all files together. Default: 2 MiB,
   * growing to 32 MiB when the link is long and fast. A size fixes it.
   */
  maximumInFlight: size.exactOptional(),
  /**
   * Channels that files are uploaded through at the same time, where the server's window is what limits one of them: on
   * a way of 100 ms OpenSSH's takes 20 MB/s. Others than the first are opened only then, each is a session of the server
   * (OpenSSH allows ten per connection), and they are closed again soon. Default 6 with OpenSSH and Dropbear, else 1: two
   * handles of one file must write to the same file, which servers in front of something else than a disk may not do.
   */
  maximumChannels: z.number().int().min(1).max(64).exactOptional(),
  /**
   * Latest version of the protocol to offer; the server may choose an earlier one, as `version` of the client tells.
   * Later ones have owners by name and nanoseconds (4), rights to open with and renames that replace (5), and locks of
   * ranges (6). Default 3, which every server speaks.
   */
  sftpVersion: z.literal([3, 4, 5, 6]).exactOptional(),
  /** Gives up starting. */
  signal: abortSignal.optional(),
})

/** Options of `startSftpClient`. */
export type SftpClientOptions = z.input<typeof sftpClientOptionsSchema>
