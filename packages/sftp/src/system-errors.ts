/** What the system's error codes say. */

import { getSystemErrorMap } from 'node:util'

/** For instance "directory not empty" for `ENOTEMPTY`; undefined for a code that is not the system's. */
export function meaningOf(code: string): string | undefined {
  // Which Linux cannot tell from EOPNOTSUPP, "operation not supported on socket".
  if (code === 'ENOTSUP' || code === 'EOPNOTSUPP') return 'operation not supported'
  for (const [name, meaning] of getSystemErrorMap().values()) if (name === code) return meaning
  return undefined
}
