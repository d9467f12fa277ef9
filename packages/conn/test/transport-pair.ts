/** Two transports in memory: a fake clock, seeded randomness, and a wire that can be cut, changed and looked at. */

import {
  ciphers,
  compressionAlgorithms,
  generatePrivateKey,
  kexAlgorithms,
  macs,
  type PrivateKey,
  signatureAlgorithms,
} from '@ssh/crypto'
import { FakeClock, seededRandom } from '@ssh/testkit'
import { concatBytes, type SshError, services, userauthSuccess } from '@ssh/wire'
import type { Role } from '../src/transport/role.js'
import { Transport } from '../src/transport/transport.js'
import type {
  AlgorithmPreferences,
  HostKeyOffer,
  KeysChanged,
  TransportHandlers,
  TransportOptions,
} from '../src/transport/transport-options.js'
import { lend } from './borrowed.js'

/** What a transport told its owner, in order; payloads as copies. */
export type TransportEvent =
  | { readonly type: 'payload'; readonly payload: Uint8Array }
  | { readonly type: 'hostKey'; readonly offer: HostKeyOffer }
  | { readonly type: 'keysChanged'; readonly change: KeysChanged }
  | { readonly type: 'open' }
  | { readonly type: 'service'; readonly name: string }
  | { readonly type: 'extensionInfo'; readonly extensions: ReadonlyMap<string, Uint8Array> }
  | { readonly type: 'debug'; readonly message: string }
  | { readonly type: 'pong'; readonly data: Uint8Array }
  | { readonly type: 'unimplemented'; readonly packetSequenceNumber: number }
  | { readonly type: 'disconnected'; readonly error: SshError }
  | { readonly type: 'error'; readonly error: SshError }

export const defaultAlgorithms: AlgorithmPreferences = {
  kex: ['curve25519-sha256', ...kexAlgorithms.defaultNames.filter((name) => name !== 'curve25519-sha256')],
  serverHostKey: signatureAlgorithms.defaultNames,
  encryption: ciphers.defaultNames,
  mac: macs.defaultNames,
  compression: compressionAlgorithms.defaultNames,
}

/** Host keys are slow to make, so every test file makes one of each kind at most once. */
const keys = new Map<string, Promise<PrivateKey>>()

export function testKey(
  algorithm: 'ssh-ed25519' | 'ecdsa-sha2-nistp256' | 'ecdsa-sha2-nistp384' | 'ecdsa-sha2-nistp521' | 'ssh-rsa',
): Promise<PrivateKey> {
  const made = keys.get(algorithm) ?? generatePrivateKey(algorithm)
  keys.set(algorithm, made)
  return made
}

export type EndOptions = Partial<Omit<TransportOptions, 'role' | 'clock' | 'random' | 'hostKeys'>> & {
  readonly handlers?: Partial<TransportHandlers>
  /** Client: what to do with a host key; default accept at once. */
  readonly hostKeyVerdict?: 'accept' | 'wait'
}

/** One end: the transport, what it told, and every byte it sent. */
export class TransportEnd {
  readonly role: Role
  readonly transport: Transport
  readonly events: TransportEvent[] = []
  /** Every packet ever taken from the output, in order. */
  readonly sent: Uint8Array[] = []

  constructor(
    role: Role,
    options: EndOptions,
    shared: Pick<TransportOptions, 'clock' | 'random'> & { readonly hostKeys: readonly PrivateKey[] },
  ) {
    this.role = role
    const { handlers = {}, hostKeyVerdict = 'accept', ...transportOptions } = options
    const note = (event: TransportEvent) => void this.events.push(event)
    this.transport = new Transport(
      {
        role,
        identification: role === 'client' ? 'TestClient_1' : 'TestServer_1',
        algorithms: defaultAlgorithms,
        ...(role === 'server' && { serverSigAlgs: ['ssh-ed25519', 'rsa-sha2-512'] }),
        ...transportOptions,
        ...(role === 'server' && { hostKeys: shared.hostKeys }),
        clock: shared.clock,
        random: shared.random,
      },
      {
        onPayload: (payload) => note({ type: 'payload', payload: Uint8Array.from(payload) }),
        onOutput: () => {},
        onHostKey: (offer) => {
          note({ type: 'hostKey', offer })
          if (hostKeyVerdict === 'accept') this.transport.acceptHostKey()
        },
        onKeysChanged: (change) => note({ type: 'keysChanged', change }),
        onOpen: () => note({ type: 'open' }),
        onService: (name) => note({ type: 'service', name }),
        onExtensionInfo: (extensions) => note({ type: 'extensionInfo', extensions }),
        onDebug: (message) => note({ type: 'debug', message }),
        onPong: (data) => note({ type: 'pong', data: Uint8Array.from(data) }),
        onUnimplemented: (packetSequenceNumber) => note({ type: 'unimplemented', packetSequenceNumber }),
        onDisconnected: (error) => note({ type: 'disconnected', error }),
        onError: (error) => note({ type: 'error', error }),
        ...handlers,
      },
    )
  }

  /** Takes what is in the output; the identification string, which comes first, as a chunk of its own. */
  take(): Uint8Array[] {
    const output = this.transport.takeOutput().flatMap((chunk) => {
      const lineEnd = this.sent.length === 0 ? chunk.indexOf(0x0a) + 1 : 0
      return [chunk.subarray(0, lineEnd), chunk.subarray(lineEnd)].filter(({ length }) => length > 0)
    })
    this.sent.push(...output)
    return output
  }

  eventsOf<Type extends TransportEvent['type']>(type: Type): Extract<TransportEvent, { type: Type }>[] {
    return this.events.filter((event): event is Extract<TransportEvent, { type: Type }> => event.type === type)
  }

  /** Payloads received so far. */
  get payloads(): Uint8Array[] {
    return this.eventsOf('payload').map(({ payload }) => payload)
  }

  /** The error that ended this end, whichever side it came from. */
  get error(): SshError | undefined {
    return [...this.eventsOf('error'), ...this.eventsOf('disconnected')][0]?.error
  }

  /** Codes of all fatal errors: must never be more than one. */
  get errorCodes(): string[] {
    return [...this.eventsOf('error'), ...this.eventsOf('disconnected')].map(({ error }) => error.code)
  }

  get keyExchanges(): number {
    return this.eventsOf('keysChanged').length
  }
}

export interface PairOptions {
  readonly client?: EndOptions
  readonly server?: EndOptions
  readonly hostKeys?: readonly PrivateKey[]
  readonly seed?: number | string
  /** How the wire cuts the bytes: the lengths of the chunks; default whole packets. */
  readonly chunkLength?: () => number
}

/** A client and a server with a wire between them. */
export class TransportPair {
  readonly clock = new FakeClock()
  readonly client: TransportEnd
  readonly server: TransportEnd
  readonly #chunkLength: (() => number) | undefined

  constructor(options: PairOptions & { readonly hostKeys: readonly PrivateKey[] }) {
    const seed = options.seed ?? 1
    const clock = this.clock.now
    const { hostKeys } = options
    this.client = new TransportEnd('client', options.client ?? {}, {
      clock,
      random: seededRandom(`${seed} c`),
      hostKeys,
    })
    this.server = new TransportEnd('server', options.server ?? {}, {
      clock,
      random: seededRandom(`${seed} s`),
      hostKeys,
    })
    this.#chunkLength = options.chunkLength
  }

  other(end: TransportEnd): TransportEnd {
    return end === this.client ? this.server : this.client
  }

  /** Starts both ends and carries bytes until nothing moves. */
  start(): this {
    this.client.transport.start()
    this.server.transport.start()
    return this.pump()
  }

  /** Carries bytes both ways until nothing moves. */
  pump(): this {
    while (this.client.transport.outputLength > 0 || this.server.transport.outputLength > 0) {
      this.carry(this.client)
      this.carry(this.server)
    }
    return this
  }

  /** Carries what `from` has sent to the other end, once. */
  carry(from: TransportEnd): void {
    this.deliver(this.other(from), from.take())
  }

  /** Hands bytes to `to`, cut as the wire cuts. */
  deliver(to: TransportEnd, packets: readonly Uint8Array[]): void {
    if (this.#chunkLength === undefined) {
      for (const packet of packets) lend(packet, (bytes) => to.transport.receive(bytes))
      return
    }
    if (packets.length === 0) return
    const bytes = concatBytes(packets)
    for (let offset = 0; offset < bytes.length; ) {
      const end = offset + this.#chunkLength()
      lend(bytes.subarray(offset, end), (borrowed) => to.transport.receive(borrowed))
      offset = end
    }
  }

  /** Brings both ends to `open`: service request, and SUCCESS without asking anybody. */
  authenticate(): this {
    this.client.transport.requestService(services.userauth)
    this.pump()
    this.server.transport.seal([userauthSuccess.encode({})])
    this.server.transport.setAuthenticated()
    this.pump()
    this.client.transport.setAuthenticated()
    return this
  }
}

/** A pair with an Ed25519 host key, started and with keys in use. */
export async function transportPair(options: PairOptions = {}): Promise<TransportPair> {
  return new TransportPair({ ...options, hostKeys: options.hostKeys ?? [await testKey('ssh-ed25519')] })
}
