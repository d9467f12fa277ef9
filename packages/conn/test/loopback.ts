/** A server and clients in this process, over real loopback sockets or over streams in memory. */

import { Duplex } from 'node:stream'
import type { PrivateKey } from '@ssh/crypto'
import { onTestFinished } from 'vitest'
import { ClientConnection } from '../src/client/client-connection.js'
import type { ClientOptions } from '../src/client/client-options.js'
import { establishClient } from '../src/client/connect.js'
import { acceptConnection } from '../src/server/accept-connection.js'
import { listenServer, type SshServer } from '../src/server/listen.js'
import { prepareServerOptions } from '../src/server/prepare-server-options.js'
import type { ServerCallbacks } from '../src/server/server-callbacks.js'
import type { ServerLink } from '../src/server/server-link.js'
import { type ServerOptions, serverConnectionOptionsSchema } from '../src/server/server-options.js'
import { testKey } from './transport-pair.js'

export const hostKey: PrivateKey = await testKey('ssh-ed25519')

/** Fingerprint to pin, so that no test depends on the known_hosts file of whoever runs it. */
export const hostKeyFingerprint = hostKey.getFingerprint()

/** Callbacks that let alice in by the password "secret". */
export const passwordCallbacks: ServerCallbacks = {
  validatePassword: (username, password) => username === 'alice' && password === 'secret',
}

export type TestServerOptions = Partial<ServerOptions> & { readonly callbacks?: ServerCallbacks }

/** A server on a free port of 127.0.0.1, closed when the test is over. */
export async function listening(options: TestServerOptions = {}): Promise<SshServer> {
  const server = await listenServer({ host: '127.0.0.1', port: 0, ...serverOptions(options) })
  onTestFinished(() => server.close())
  return server
}

/** Options that log alice in without touching any file of whoever runs the test. */
export const aliceOptions: ClientOptions = {
  username: 'alice',
  password: 'secret',
  clientKeys: null,
  config: null,
  hostKeyFingerprint,
}

/** Connects as alice, by password, trusting the test host key; closed when the test is over. */
export async function connecting(port: number, options: ClientOptions = {}): Promise<ClientConnection> {
  const link = await establishClient({ host: '127.0.0.1', port }, { ...aliceOptions, ...options })
  onTestFinished(() => link.close())
  return new ClientConnection(link)
}

/** A server's end of a stream that was accepted. */
export async function serving(socket: Duplex, options: TestServerOptions = {}): Promise<ServerLink> {
  const prepared = await prepareServerOptions(serverConnectionOptionsSchema.parse(serverOptions(options)))
  return acceptConnection(socket, prepared)
}

function serverOptions({ callbacks = passwordCallbacks, ...options }: TestServerOptions) {
  return { serverHostKeys: hostKey, serverFactory: () => callbacks, ...options }
}

/** One end of {@link streamPair}. */
export class PairedStream extends Duplex {
  /** Bytes written by this end so far. */
  written = 0
  other: PairedStream | undefined
  /** How many bytes this end may still write before the stream breaks; undefined: no limit. */
  cutAfter: number | undefined
  /** How it breaks: with an error at both ends, or with an end that looks proper. */
  cutKind: 'breaks' | 'ends' = 'breaks'
  #onRead: (() => void) | undefined

  constructor() {
    super({ allowHalfOpen: true })
  }

  override _read(): void {
    this.#onRead?.()
    this.#onRead = undefined
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const allowed = this.cutAfter === undefined ? chunk.length : Math.max(0, this.cutAfter - this.written)
    const passed = Buffer.from(chunk.subarray(0, allowed))
    this.written += passed.length
    const { other } = this
    if (other === undefined || other.destroyed) return done(new Error('write EPIPE'))
    if (passed.length > 0 && !other.push(passed)) {
      other.#onRead = () => done()
    } else if (passed.length === chunk.length) {
      done()
    }
    if (passed.length < chunk.length) this.break()
  }

  override _final(done: () => void): void {
    this.other?.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // What the other end has not read yet stays readable, as with a socket.
    if (this.other?.readableEnded === false) this.other.push(null)
    done(error)
  }

  /** Both ends are gone, as when a cable is cut. */
  break(): void {
    if (this.cutKind === 'ends') {
      this.destroy()
      return
    }
    const error = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    this.destroy(error)
    this.other?.destroy(error)
  }
}

/** Two streams joined in memory. */
export function streamPair(): [client: PairedStream, server: PairedStream] {
  const client = new PairedStream()
  const server = new PairedStream()
  client.other = server
  server.other = client
  return [client, server]
}
