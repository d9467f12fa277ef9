/** Listening for the streams that forwarding carries: TCP sockets and Unix sockets of this machine. */

import { lookup } from 'node:dns/promises'
import { chmodSync, lstatSync, rmSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { AbortError } from '@ssh/wire'
import { unlessAborted } from '../unless-aborted.js'
import { codeOf, listenFailed } from './listen-failed.js'
import { checkSocketPath } from './socket-path.js'

/** A TCP port to listen on. */
export interface ListenPort {
  /**
   * RFC 4254 §7.1: empty or `*` is every address of this machine, `localhost` both loopback addresses, `0.0.0.0` and
   * `::` every address of one family. Another name stands for all of its addresses.
   */
  readonly host: string
  /** 0 takes a free one, the same for all addresses. */
  readonly port: number
}

/** A Unix socket to listen on. */
export interface ListenPath {
  readonly path: string
  /** Who may connect; default 0600, nobody else. */
  readonly mode?: number | undefined
  /** Removes a socket at `path` that nobody listens on any more (OpenSSH: StreamLocalBindUnlink). Default false. */
  readonly unlink?: boolean | undefined
}

export interface StreamListenerHandlers {
  /**
   * Somebody connected. The socket is half-open capable (`allowHalfOpen`), and is yours to read, close and watch: an
   * `error` that nobody listens for ends the process.
   */
  onConnection(socket: Socket): void
  /** Accepting one connection failed, for instance for want of descriptors; the next one may fit again. */
  onError(error: Error): void
}

/** Where a {@link StreamListener} listens. */
export interface BoundAddress {
  /** Numeric. */
  readonly address: string
  readonly port: number
}

export class StreamListener {
  /** Numeric, all on one port; empty for a Unix socket. */
  readonly addresses: readonly BoundAddress[]
  /** Path of a Unix socket. */
  readonly path: string | undefined
  readonly #servers: readonly Server[]

  private constructor(servers: readonly Server[], path: string | undefined) {
    this.#servers = servers
    this.path = path
    this.addresses = path === undefined ? servers.map(addressOf) : []
  }

  /**
   * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED`; `cause` is the system's error
   * @throws AbortError when `signal` fires first; nothing listens then
   */
  static async open(
    where: ListenPort | ListenPath,
    handlers: StreamListenerHandlers,
    signal?: AbortSignal,
  ): Promise<StreamListener> {
    const listener =
      'path' in where
        ? new StreamListener([await listenOnPath(where, handlers)], where.path)
        : new StreamListener(await listenOnPort(where, handlers, signal), undefined)
    if (signal?.aborted) {
      listener.close()
      throw new AbortError(signal.reason)
    }
    return listener
  }

  /** The port; 0 for a Unix socket. */
  get port(): number {
    return this.addresses[0]?.port ?? 0
  }

  /** Whether it keeps the process alive while it listens; it does at first. */
  keepProcessAlive(keep: boolean): void {
    for (const server of this.#servers) keep ? server.ref() : server.unref()
  }

  /** Stops accepting, at once; connections that are open stay. A Unix socket is removed. */
  close(): void {
    for (const server of this.#servers) if (server.listening) server.close()
  }
}

/** Workers of a cluster would otherwise get each other's connections, and with them each other's tunnels. */
const exclusive = true

/** How often a free port is looked for that no address of a host uses yet. */
const freePortTries = 20

async function listenOnPort(
  where: ListenPort,
  handlers: StreamListenerHandlers,
  signal: AbortSignal | undefined,
): Promise<Server[]> {
  const hosts = await unlessAborted(addressesOf(where), signal)
  for (let tries = 1; ; tries++) {
    try {
      return await listenOnAll(where, hosts, handlers)
    } catch (error) {
      // The port that was free at one address is taken at another one.
      const mayTryAnother = where.port === 0 && hosts.length > 1 && codeOf(error) === 'EADDRINUSE'
      if (!mayTryAnother || tries === freePortTries) throw listenFailed(where, error)
    }
  }
}

async function listenOnAll(
  where: ListenPort,
  hosts: readonly (string | undefined)[],
  handlers: StreamListenerHandlers,
): Promise<Server[]> {
  const servers: Server[] = []
  let port = where.port
  let lacking: unknown
  try {
    for (const host of hosts) {
      const address = { port, exclusive, ...(host !== undefined && { host, ipv6Only: host.includes(':') }) }
      try {
        const server = await listening(handlers, (made) => made.listen(address))
        servers.push(server)
        port = addressOf(server).port
      } catch (error) {
        // Of several addresses one may be of a family that this machine does not have.
        if (hosts.length === 1 || !lacksFamily(error)) throw error
        lacking = error
      }
    }
    if (servers.length === 0) throw lacking
    return servers
  } catch (error) {
    for (const server of servers) server.close()
    throw error
  }
}

/** Undefined is every address, IPv6 and IPv4 in one socket where the system has both. */
async function addressesOf(where: ListenPort): Promise<readonly (string | undefined)[]> {
  const { host } = where
  if (host === '' || host === '*') return [undefined]
  if (host.toLowerCase() === 'localhost') return ['127.0.0.1', '::1']
  try {
    const found = await lookup(host, { all: true })
    return [...new Set(found.map(({ address }) => address))]
  } catch (error) {
    throw listenFailed(where, error)
  }
}

function lacksFamily(error: unknown): boolean {
  return ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL'].includes(codeOf(error) ?? '')
}

async function listenOnPath(where: ListenPath, handlers: StreamListenerHandlers): Promise<Server> {
  const { path, mode = 0o600, unlink = false } = where
  try {
    checkSocketPath(path)
    if (unlink) await removeStaleSocket(path)
    return await listening(handlers, (server) => {
      const restoreMask = maskOthers()
      try {
        server.listen({ path, exclusive })
        if (process.platform !== 'win32' && server.listening) chmodSync(path, mode)
      } finally {
        restoreMask()
      }
    })
  } catch (error) {
    throw listenFailed(where, error)
  }
}

/** A socket is made with the process's mask, and must at no moment let anybody in whom its mode keeps out. */
function maskOthers(): () => void {
  try {
    const previous = process.umask(0o077)
    return () => void process.umask(previous)
  } catch {
    // A worker thread may not change the mask; the mode follows before anybody else has a turn.
    return () => {}
  }
}

/** Leaves what is no socket, and what somebody listens on: listening there then fails as it should. */
async function removeStaleSocket(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return
  const isStale = await new Promise<boolean>((resolve) => {
    const socket = createConnection({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', (error) => resolve(codeOf(error) === 'ECONNREFUSED'))
  })
  if (isStale) rmSync(path, { force: true })
}

/** A server that listens. @throws Error the system's */
function listening(handlers: StreamListenerHandlers, listen: (server: Server) => void): Promise<Server> {
  const options = { noDelay: true, keepAlive: true, allowHalfOpen: true }
  const server = createServer(options, (socket) => handlers.onConnection(socket))
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      server.close()
      reject(error)
    }
    server.once('error', fail)
    server.once('listening', () => {
      server.off('error', fail)
      server.on('error', (error) => handlers.onError(error))
      resolve(server)
    })
    try {
      listen(server)
    } catch (error) {
      fail(error)
    }
  })
}

function addressOf(server: Server): BoundAddress {
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('The server has no address')
  return { address: bound.address, port: bound.port }
}
