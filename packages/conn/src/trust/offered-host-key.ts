/** What host key trust is about. */

import type { PublicKey } from '@ssh/crypto'

/** The key that a server proved to hold, and where we meant to go. */
export interface OfferedHostKey {
  /** As the user gave it. */
  readonly host: string
  readonly port: number
  readonly key: PublicKey
}
