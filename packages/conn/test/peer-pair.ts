/**
 * Two whole peers in memory, no sockets: a fake clock, seeded randomness, and a wire of bounded capacity between them
 * that can be cut into any chunks, held up and looked at.
 */

import type { PrivateKey } from '@ssh/crypto'
import { FakeClock, seededRandom } from '@ssh/testkit'
import { concatBytes, type SshError } from '@ssh/wire'
import type { Channel } from '../src/connection/channel.js'
import type { ChannelOpenRequest } from '../src/connection/channel-open.js'
import type { GlobalRequest } from '../src/connection/global-requests.js'
import { Peer } from '../src/peer/peer.js'
import type { PeerHandlers, PeerOptions } from '../src/peer/peer-options.js'
import type { Role } from '../src/transport/role.js'
import type { KeysChanged, TransportOptions } from '../src/transport/transport-options.js'
import type { AuthDecision } from '../src/userauth/auth-decision.js'
import { ClientAuth } from '../src/userauth/client-auth.js'
import type { CredentialQuestion } from '../src/userauth/credential-question.js'
import { ServerAuth } from '../src/userauth/server-auth.js'
import { lend } from './borrowed.js'
import { defaultAlgorithms, testKey } from './transport-pair.js'

/** What a peer told its owner, in order. */
export type PeerEvent =
  | { readonly type: 'hostKey' }
  | { readonly type: 'keysChanged'; readonly change: KeysChanged }
  | { readonly type: 'extensionInfo'; readonly names: readonly string[] }
  | { readonly type: 'debug'; readonly message: string }
  | { readonly type: 'banner'; readonly message: string }
  | { readonly type: 'authenticated' }
  | { readonly type: 'channelOpen'; readonly channelType: string }
  | { readonly type: 'globalRequest'; readonly requestName: string }
  | { readonly type: 'end'; readonly error: SshError | undefined }

export interface PeerEndOptions {
  readonly transport?: Partial<Omit<TransportOptions, 'role' | 'clock' | 'random' | 'hostKeys'>>
  readonly limits?: PeerOptions['limits']
  readonly keepalive?: PeerOptions['keepalive']
  readonly loginTimeoutMs?: number
  readonly idleTimeoutMs?: number
  readonly handlers?: Partial<PeerHandlers>
  /** Client: how to log in; default: `none`, which the default server takes. */
  readonly auth?: Partial<ConstructorParameters<typeof ClientAuth>[0]>
  /** Client: answers questions; default: skips every one. */
  readonly onQuestion?: (question: CredentialQuestion) => void
  /** Server: what to demand. */
  readonly serverAuth?: Partial<ConstructorParameters<typeof ServerAuth>[0]>
  /** Server: decides; default: lets everybody in. */
  readonly onDecision?: (decision: AuthDecision<string>) => void
}

/** One end: the peer, what it told, what it sent, and the bytes that are on their way to it. */
export class PeerEnd {
  readonly role: Role
  readonly peer: Peer
  readonly events: PeerEvent[] = []
  /** Every packet that left, in order. */
  readonly sent: Uint8Array[] = []
  /** Channels the other end opened, accepted. */
  readonly channels: Channel[] = []
  /** On the wire, not received yet. */
  incoming: Uint8Array[] = []
  clientAuth: ClientAuth | undefined
  serverAuth: ServerAuth<string> | undefined
  /** Server: who logged in. */
  userName: string | undefined

  constructor(role: Role, options: PeerEndOptions, shared: Pick<TransportOptions, 'clock' | 'random' | 'hostKeys'>) {
    this.role = role
    const note = (event: PeerEvent) => void this.events.push(event)
    const { hostKeys = [], ...world } = shared
    this.peer = new Peer(
      {
        transport: {
          role,
          identification: role === 'client' ? 'TestClient_1' : 'TestServer_1',
          algorithms: defaultAlgorithms,
          ...(role === 'server' && { serverSigAlgs: ['ssh-ed25519', 'rsa-sha2-512'] }),
          ...options.transport,
          ...(role === 'server' && { hostKeys }),
          ...world,
        },
        ...(options.limits && { limits: options.limits }),
        keepalive: options.keepalive ?? { intervalMs: 0, countMax: 3 },
        loginTimeoutMs: options.loginTimeoutMs ?? 120_000,
        idleTimeoutMs: options.idleTimeoutMs,
      },
      {
        onWake: () => {},
        onHostKey: () => {
          note({ type: 'hostKey' })
          this.peer.acceptHostKey()
        },
        createAuth: (auth) => {
          if (role === 'server') {
            const serverAuth = new ServerAuth<string>(
              {
                sessionIdentifier: auth.sessionIdentifier,
                signatureAlgorithms: ['ssh-ed25519', 'rsa-sha2-512'],
                ...options.serverAuth,
              },
              {
                send: auth.send,
                onDecision: options.onDecision ?? acceptAll,
                onReady: auth.ready,
                onSuccess: (user) => {
                  this.userName = user.userName
                  auth.succeeded()
                },
                onFailure: auth.failed,
              },
            )
            this.serverAuth = serverAuth
            return serverAuth
          }
          const clientAuth = new ClientAuth(
            { userName: 'alice', sessionIdentifier: auth.sessionIdentifier, ...options.auth },
            {
              send: auth.send,
              onQuestion: options.onQuestion ?? ((question) => question.skip()),
              onBanner: (message) => note({ type: 'banner', message }),
              onSuccess: auth.succeeded,
              onFailure: auth.failed,
            },
          )
          this.clientAuth = clientAuth
          clientAuth.start()
          return clientAuth
        },
        onExtensionInfo: (extensions) => note({ type: 'extensionInfo', names: [...extensions.keys()] }),
        onKeysChanged: (change) => note({ type: 'keysChanged', change }),
        onDebug: (message) => note({ type: 'debug', message }),
        onAuthenticated: () => note({ type: 'authenticated' }),
        onChannelOpen: (request: ChannelOpenRequest) => {
          note({ type: 'channelOpen', channelType: request.channelType })
          this.channels.push(request.accept())
        },
        onGlobalRequest: (request: GlobalRequest) => {
          note({ type: 'globalRequest', requestName: request.requestName })
          request.reply(true)
        },
        onEnd: (error) => note({ type: 'end', error }),
        ...options.handlers,
      },
    )
  }

  eventsOf<Type extends PeerEvent['type']>(type: Type): Extract<PeerEvent, { type: Type }>[] {
    return this.events.filter((event): event is Extract<PeerEvent, { type: Type }> => event.type === type)
  }

  get keyExchanges(): number {
    return this.eventsOf('keysChanged').length
  }

  /** The error it ended with; undefined for a normal end or none. Must end once at most. */
  get error(): SshError | undefined {
    const ends = this.eventsOf('end')
    if (ends.length > 1) throw new Error(`The ${this.role} ended ${ends.length} times`)
    return ends[0]?.error
  }

  get incomingLength(): number {
    return this.incoming.reduce((sum, chunk) => sum + chunk.length, 0)
  }

  /** Opens a channel; the other end must be pumped. */
  openChannel(channelType = 'session'): Promise<Channel> {
    return new Promise((resolve, reject) => {
      this.peer.mux.openChannel(channelType, new Uint8Array(0), {}, { onOpen: resolve, onFailure: reject })
    })
  }
}

export interface PeerPairOptions {
  readonly client?: PeerEndOptions
  readonly server?: PeerEndOptions
  readonly hostKeys?: readonly PrivateKey[]
  readonly seed?: number | string
  /** How the wire cuts the bytes: lengths of the chunks; default whatever one take gave. */
  readonly chunkLength?: () => number
  /** Bytes that one direction of the wire holds before its sender must wait; default 256 KiB. */
  readonly wireCapacity?: number
  /** Milliseconds that pass with every round of `pump`; default 0. */
  readonly roundMs?: number
}

/** Bytes asked for at once, as the driver does. */
const quantum = 64 * 1024

export class PeerPair {
  readonly clock = new FakeClock()
  readonly client: PeerEnd
  readonly server: PeerEnd
  readonly #options: PeerPairOptions

  constructor(options: PeerPairOptions & { readonly hostKeys: readonly PrivateKey[] }) {
    const { seed = 1, hostKeys } = options
    const clock = this.clock.now
    this.#options = options
    this.client = new PeerEnd('client', options.client ?? {}, { clock, random: seededRandom(`${seed} c`) })
    this.server = new PeerEnd('server', options.server ?? {}, { clock, random: seededRandom(`${seed} s`), hostKeys })
  }

  other(end: PeerEnd): PeerEnd {
    return end === this.client ? this.server : this.client
  }

  /** Starts both ends and carries bytes until nothing moves. */
  start(): this {
    this.client.peer.start()
    this.server.peer.start()
    return this.pump()
  }

  /** Carries bytes both ways until nothing moves. */
  pump(): this {
    for (let moved = true; moved; ) {
      const sent = [this.send(this.client), this.send(this.server)].some(Boolean)
      const received = [this.receive(this.server), this.receive(this.client)].some(Boolean)
      moved = sent || received
      if (moved && this.#options.roundMs !== undefined) this.advance(this.#options.roundMs)
    }
    return this
  }

  /** Puts what `from` has to send on the wire, as far as there is room. */
  send(from: PeerEnd): boolean {
    const to = this.other(from)
    if (to.incomingLength >= (this.#options.wireCapacity ?? 256 * 1024)) return false
    const packets = from.peer.takeOutput(quantum)
    if (packets.length === 0) return false
    from.sent.push(...packets)
    to.incoming.push(...this.#cut(concatBytes(packets)))
    return true
  }

  /** Hands `to` what is on the wire, as long as it reads. */
  receive(to: PeerEnd): boolean {
    let moved = false
    while (!to.peer.isPaused && to.incoming.length > 0) {
      const chunk = to.incoming.shift()
      if (chunk !== undefined) lend(chunk, (bytes) => to.peer.receive(bytes))
      moved = true
    }
    return moved
  }

  /** Moves the time and tells both ends what is due. */
  advance(ms: number): this {
    this.clock.advance(ms)
    for (const { peer } of [this.client, this.server]) {
      if ((peer.nextDeadline() ?? Number.POSITIVE_INFINITY) <= this.clock.now()) peer.tick(this.clock.now())
    }
    return this
  }

  /** Opens a channel from the client. */
  async openChannel(channelType = 'session'): Promise<{ local: Channel; remote: Channel }> {
    const opening = this.client.openChannel(channelType)
    this.pump()
    const local = await opening
    const remote = this.server.channels.at(-1)
    if (remote === undefined) throw new Error('The server did not accept the channel')
    return { local, remote }
  }

  #cut(bytes: Uint8Array): Uint8Array[] {
    const { chunkLength } = this.#options
    if (chunkLength === undefined) return [bytes]
    const chunks: Uint8Array[] = []
    for (let offset = 0; offset < bytes.length; ) {
      const end = offset + chunkLength()
      chunks.push(bytes.subarray(offset, end))
      offset = end
    }
    return chunks
  }
}

/** A pair with an Ed25519 host key, both ends authenticated unless the options prevent it. */
export async function peerPair(options: PeerPairOptions = {}): Promise<PeerPair> {
  return new PeerPair({ ...options, hostKeys: options.hostKeys ?? [await testKey('ssh-ed25519')] })
}

/** A server that lets everybody in at the first word. */
export function acceptAll(decision: AuthDecision<string>): void {
  decision.answer('accept')
}

/** A server that believes every credential, but wants one. */
export function acceptCredentials(decision: AuthDecision<string>): void {
  if (decision.type === 'begin') decision.answer('authenticate')
  else decision.answer('accept')
}

/** A server that believes none. */
export function rejectAll(decision: AuthDecision<string>): void {
  if (decision.type === 'begin') decision.answer('authenticate')
  else decision.answer('reject')
}
