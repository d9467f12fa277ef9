/** A client that says whatever a test wants, on a server in this process; and programs for it to be forwarded to. */

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { channelTypes, globalRequests, tcpipForwardReply } from '@ssh/wire'
import { onTestFinished } from 'vitest'
import type { ClientLink } from '../../../src/client/client-link.js'
import type { ClientOptions } from '../../../src/client/client-options.js'
import { establishClient } from '../../../src/client/connect.js'
import type { Channel } from '../../../src/connection/channel.js'
import type { ChannelOpenRequest } from '../../../src/connection/channel-open.js'
import type { RequestReply } from '../../../src/connection/replies.js'
import type { ServerCallbacks } from '../../../src/server/server-callbacks.js'
import type { ServerLink } from '../../../src/server/server-link.js'
import { aliceOptions, passwordCallbacks, serving, streamPair, type TestServerOptions } from '../../loopback.js'

export class RawClient {
  readonly link: ClientLink
  readonly server: ServerLink
  /** Channels that the server wants, not answered. */
  readonly wanted: ChannelOpenRequest[] = []

  constructor(link: ClientLink, server: ServerLink) {
    this.link = link
    this.server = server
  }

  /** Opens a channel with any bytes as its type-specific part. @throws ChannelOpenError */
  open(channelType: string, typeData: Uint8Array): Promise<Channel> {
    return new Promise((resolve, reject) => {
      this.link.peer.mux.openChannel(channelType, typeData, {}, { onOpen: resolve, onFailure: reject })
    })
  }

  openTcp(host: string, port: number, origin = { address: '192.0.2.9', port: 4711 }): Promise<Channel> {
    const typeData = channelTypes.encode('direct-tcpip', {
      hostToConnect: host,
      portToConnect: port,
      originatorAddress: origin.address,
      originatorPort: origin.port,
    })
    return this.open('direct-tcpip', typeData)
  }

  openUnix(socketPath: string): Promise<Channel> {
    const reserved = { reservedString: new Uint8Array(0), reservedUint32: 0 }
    return this.open(
      'direct-streamlocal@openssh.com',
      channelTypes.encode('direct-streamlocal@openssh.com', { socketPath, ...reserved }),
    )
  }

  /** Makes a global request with any bytes as its request-specific part. */
  request(requestName: string, data: Uint8Array): Promise<RequestReply> {
    return new Promise((resolve) => this.link.peer.mux.globalRequest(requestName, data, resolve))
  }

  /** @returns the port, or false when it is refused */
  async listen(bindAddress: string, bindPort: number): Promise<number | false> {
    const reply = await this.request('tcpip-forward', globalRequests.encode('tcpip-forward', { bindAddress, bindPort }))
    if (reply.outcome !== 'success') return false
    return reply.data.length === 0 ? bindPort : tcpipForwardReply.decode(reply.data).boundPort
  }

  async cancel(bindAddress: string, bindPort: number): Promise<boolean> {
    const data = globalRequests.encode('cancel-tcpip-forward', { bindAddress, bindPort })
    return (await this.request('cancel-tcpip-forward', data)).outcome === 'success'
  }

  async listenUnix(socketPath: string): Promise<boolean> {
    const data = globalRequests.encode('streamlocal-forward@openssh.com', { socketPath })
    return (await this.request('streamlocal-forward@openssh.com', data)).outcome === 'success'
  }

  async cancelUnix(socketPath: string): Promise<boolean> {
    const data = globalRequests.encode('cancel-streamlocal-forward@openssh.com', { socketPath })
    return (await this.request('cancel-streamlocal-forward@openssh.com', data)).outcome === 'success'
  }

  /** Notes channels that the server opens, without answering. */
  notingForwarded(): this {
    for (const type of ['forwarded-tcpip', 'forwarded-streamlocal@openssh.com']) {
      this.link.incoming.onChannel(type, (request) => void this.wanted.push(request))
    }
    return this
  }

  /** Accepts channels that the server opens; each goes to `onChannel`. */
  acceptingForwarded(onChannel: (channel: Channel, request: ChannelOpenRequest) => void): this {
    for (const type of ['forwarded-tcpip', 'forwarded-streamlocal@openssh.com']) {
      this.link.incoming.onChannel(type, (request) => onChannel(request.accept(), request))
    }
    return this
  }
}

export type RawServerOptions = Omit<TestServerOptions, 'callbacks'> & { readonly callbacks?: ServerCallbacks }

/** Logs in over a stream in memory. @param options of the server; its callbacks come to those that let alice in */
export async function rawClient(options: RawServerOptions = {}, client: ClientOptions = {}): Promise<RawClient> {
  const [near, far] = streamPair()
  const server = await serving(far, { ...options, callbacks: { ...passwordCallbacks, ...options.callbacks } })
  const link = await establishClient('server', { ...aliceOptions, ...client, sock: near })
  await server.authenticated
  onTestFinished(async () => {
    await Promise.all([link.close(), server.close()])
  })
  return new RawClient(link, server)
}

export interface Target {
  readonly port: number
  readonly path: string
  /** Connections that were made to it. */
  readonly sockets: Socket[]
}

/** A program that listens on a port, or on a path when one is given. */
export async function target(onSocket: (socket: Socket) => void, path = ''): Promise<Target> {
  const sockets: Socket[] = []
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  server.listen(path === '' ? { host: '127.0.0.1', port: 0 } : { path })
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: path === '' ? (server.address() as AddressInfo).port : 0, path, sockets }
}

/** Gives back what it gets, until it has got all. */
export const echo = (socket: Socket): void => void socket.pipe(socket)

/** A folder that goes away with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'ssh-forward-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Connects as a program on the server's machine would. */
export async function connectTo(where: number | string): Promise<Socket> {
  const socket =
    typeof where === 'number'
      ? connect({ port: where, host: '127.0.0.1', allowHalfOpen: true })
      : connect({ path: where, allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket.on('error', () => {})
}

/** Everything that a stream brings until it ends; its other direction stays open. */
export async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
  await once(stream, 'end')
  return Buffer.concat(chunks)
}
