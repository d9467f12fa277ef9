/** What a pool itself fails with; everything else is the connection's error. */

import { SshError } from '@ssh/wire'

/** The pool cannot serve: it is closed, or about to be. */
export class PoolError extends SshError {
  constructor(code: `ERR_SSH_POOL_${string}`, message: string) {
    super(code, message)
  }
}

export function poolClosed(): PoolError {
  return new PoolError('ERR_SSH_POOL_CLOSED', 'The connection pool is closed; make another one to go on')
}
