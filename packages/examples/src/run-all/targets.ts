/** What the examples of forwarding reach behind a server: a web server and a Unix socket. */

import { once } from 'node:events'
import { chmod } from 'node:fs/promises'
import { createServer as createWebServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'

export interface Targets {
  /** `host:port` of a web server that says hello. */
  readonly web: string
  /** Path of a Unix socket that answers `ping` with `pong`. */
  readonly socketPath: string
  close(): void
}

/** @param socketPath where the Unix socket is made */
export async function startTargets(socketPath: string): Promise<Targets> {
  const web = createWebServer((_request, response) => response.end('hello from the other side\n'))
  const unix = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('data', (chunk) => void (chunk.toString() === 'ping\n' && socket.write('pong\n')))
    socket.on('end', () => socket.end())
  })
  await Promise.all([once(web.listen(0, '127.0.0.1'), 'listening'), once(unix.listen(socketPath), 'listening')])
  // Servers connect as users of their own.
  await chmod(socketPath, 0o777)
  return {
    web: `127.0.0.1:${(web.address() as AddressInfo).port}`,
    socketPath,
    close: () => {
      web.close()
      unix.close()
    },
  }
}
