/** A listening TCP socket. */

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { ConnectError } from '../errors.js'
import { listenFailed } from './listen-failed.js'

export interface TcpListenerOptions {
  /** Undefined: every address of this machine. */
  readonly host: string | undefined
  /** 0 takes a free one. */
  readonly port: number
  /** Connections that the operating system queues before they are accepted. */
  readonly backlog: number
  /** An IPv6 address takes no IPv4 clients. */
  readonly ipv6Only?: boolean | undefined
  /** Other processes may listen there as well. */
  readonly reusePort?: boolean | undefined
  onConnection(socket: Socket): void
  /** Accepting one connection failed, for instance for want of descriptors; the next one may fit again. */
  onError(error: Error): void
}

export class TcpListener {
  readonly #server: Server
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>

  private constructor(server: Server) {
    this.#server = server
    this.closed = new Promise((resolve) => server.once('close', () => resolve()))
  }

  /** @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED`; `cause` is the system's error */
  static async open(options: TcpListenerOptions): Promise<TcpListener> {
    const { host, port, backlog, ipv6Only = false, reusePort = false } = options
    if (reusePort && !canReusePort()) {
      const text = `Cannot share port ${port}: reusePort needs Node 22.12, or 23.1, or later; this is ${process.version}`
      throw new ConnectError('ERR_SSH_CONNECT_LISTEN_FAILED', text, { details: { host, port } })
    }
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => options.onConnection(socket))
    return await new Promise((resolve, reject) => {
      const onError = (cause: Error) => {
        reject(listenFailed({ host: host ?? '', port }, cause))
      }
      server.once('error', onError)
      // Of an IPv4 address it would be an error.
      const isIpv6Only = ipv6Only && (host === undefined || host.includes(':'))
      const where = {
        port,
        backlog,
        ipv6Only: isIpv6Only,
        ...(host !== undefined && { host }),
        ...(reusePort && { reusePort }),
      }
      server.listen(where, () => {
        server.off('error', onError)
        server.on('error', (error) => options.onError(error))
        resolve(new TcpListener(server))
      })
    })
  }

  /** Where it listens; undefined once closed. */
  get address(): AddressInfo | undefined {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address : undefined
  }

  /** Stops accepting; connections that are open stay. */
  close(): void {
    if (this.#server.listening) this.#server.close()
  }
}

/** Others take no notice of the option. */
function canReusePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)
}
