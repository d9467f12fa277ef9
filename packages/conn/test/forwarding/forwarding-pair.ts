/** A client's forwarding joined in memory to a server's end that the test plays itself. */

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { ClientForwarding } from '../../src/client/client-forwarding.js'
import { Incoming } from '../../src/connection/incoming.js'
import { Mux } from '../../src/connection/mux.js'
import { Deferred } from '../../src/deferred.js'
import { ConnectionLost } from '../../src/errors.js'
import type { LogEntry } from '../../src/log.js'

/** One end of the connection; messages travel by themselves, in later turns. */
export class ForwardingEnd {
  readonly mux: Mux
  readonly incoming = new Incoming({ reasonCode: 1, description: 'not asked for' })
  other: ForwardingEnd | undefined
  readonly #control: Uint8Array[] = []
  #isScheduled = false

  constructor() {
    this.mux = new Mux(
      {
        clock: () => performance.now(),
        send: (payload) => {
          this.#control.push(payload)
          this.#schedule()
        },
        wake: () => this.#schedule(),
      },
      {
        onChannelOpen: (request) => this.incoming.channelRequested(request),
        onGlobalRequest: (request) => this.incoming.globallyRequested(request),
      },
    )
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      for (let moved = true; moved; ) {
        const payload = this.#control.shift()
        if (payload !== undefined) this.other?.mux.receive(payload)
        else moved = this.mux.pull((parts) => this.other?.mux.receive(Buffer.concat(parts)))
      }
    })
  }
}

export interface ForwardingPair {
  readonly forwarding: ClientForwarding
  readonly client: ForwardingEnd
  readonly server: ForwardingEnd
  readonly logged: LogEntry[]
  /** Ends the connection for both. */
  end(error?: Error): void
}

export function forwardingPair(): ForwardingPair {
  const client = new ForwardingEnd()
  const server = new ForwardingEnd()
  client.other = server
  server.other = client
  const logged: LogEntry[] = []
  const log = (entry: LogEntry) => void logged.push(entry)
  const closed = new Deferred<void>()
  let isClosed = false
  const closedError = () => new ConnectionLost('ERR_SSH_CONNECTION_CLOSED', 'The connection is closed')
  const end = (error: Error = closedError()) => {
    isClosed = true
    client.mux.end(error)
    server.mux.end(error)
    closed.resolve()
  }
  const forwarding = new ClientForwarding({
    peer: { mux: client.mux },
    incoming: client.incoming,
    logger: { debug: log, warn: log },
    closed: closed.promise,
    get isClosed() {
      return isClosed
    },
    closedError,
  })
  onTestFinished(() => end())
  return { forwarding, client, server, logged, end }
}

/** A folder for sockets, gone with the test. */
export function socketFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ssh-fwd-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A server of the test on a port or a path, its sockets half-open capable. */
export async function targetServer(
  onConnection: (socket: Socket) => void,
  path?: string,
): Promise<{ readonly port: number; readonly sockets: readonly Socket[] }> {
  const sockets: Socket[] = []
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    sockets.push(socket)
    onConnection(socket)
  })
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return { port: typeof address === 'object' && address !== null ? address.port : 0, sockets }
}

/** A connection of a program, half-open capable. */
export async function program(where: { readonly port: number; readonly path?: string | undefined }): Promise<Socket> {
  const { port, path } = where
  const socket = connect({ ...(path === undefined ? { host: '127.0.0.1', port } : { path }), allowHalfOpen: true })
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Everything a stream brings until its end; its other direction stays as it is. */
export function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    stream.once('end', () => resolve(Buffer.concat(chunks)))
    stream.once('error', reject)
  })
}

/** Resolves after `condition` holds; turns of the event loop, not time, pass. Fails with the test's own limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
