/** Options of `connect`: those of the protocol, and what all sessions of the connection share. */

import type { ClientOptions as ProtocolOptions } from '@ssh/conn'
import { z } from 'zod'

export const sessionDefaultsSchema = z.strictObject({
  /** Variables for every command. Most servers accept few names (AcceptEnv in OpenSSH). */
  env: z.record(z.string().min(1), z.string()).optional(),
  /** Names of this process's variables to send with every command; `*` and `?` stand for any text and any character. */
  sendEnv: z.union([z.string(), z.array(z.string()).readonly()]).optional(),
})

/** Options of `connect`. */
export type ClientOptions = ProtocolOptions & z.input<typeof sessionDefaultsSchema>
