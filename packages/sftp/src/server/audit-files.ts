/** Tells of every request a client makes, around any handler. */

import type { SftpHandler } from './handler.js'
import type { SftpRequestEvent } from './request-event.js'

/**
 * The same handler, with `onRequest` told of each request once it is answered: who asked is known to whoever serves the
 * channel. Those that were refused before the handler saw them are told too, and a `close` for each file that was open
 * when the channel ended. What `serveScp` does is told by the names of the requests it stands for, without blocks.
 *
 * @param onRequest called in turn with what happens; what it throws is ignored
 * @example
 * serveSftp(channel, auditFiles(new SftpServer({ root: '/srv/files' }), ({ request, path, code = 'ok' }) => {
 *   console.log(username, request, printable(path ?? ''), code)
 * }))
 */
export function auditFiles<F>(handler: SftpHandler<F>, onRequest: (event: SftpRequestEvent) => void): SftpHandler<F> {
  return new Proxy(handler, {
    has: (target, name) => name === 'onRequest' || name in target,
    get(target, name) {
      if (name === 'onRequest') {
        return (event: SftpRequestEvent) => {
          onRequest(event)
          target.onRequest?.(event)
        }
      }
      // The handler's methods run on the handler itself: they may keep private fields.
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
