/** Whose fault it was that something could not begin. */

import { ConnectionLost, DisconnectError } from '@ssh/conn'

/** It was the connection that failed, and not what was asked of it. */
export function isConnectionFault(error: unknown): boolean {
  return error instanceof ConnectionLost || error instanceof DisconnectError
}
