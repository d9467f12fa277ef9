/** Two muxes joined in memory, and one mux whose peer the test plays itself. */

import { type ConnectionMessage, concatBytes, connectionMessages } from '@ssh/wire'
import type { Channel } from '../src/connection/channel.js'
import type { ChannelOpenRequest } from '../src/connection/channel-open.js'
import type { ChannelOptions, MuxLimits } from '../src/connection/limits.js'
import { Mux, type MuxHandlers } from '../src/connection/mux.js'

export interface MuxEndOptions {
  readonly limits?: Partial<MuxLimits>
  readonly handlers?: MuxHandlers
  readonly clock?: () => number
}

/** One mux and what it sends, control messages before data, as a peer's outbox has it. */
export class MuxEnd {
  readonly mux: Mux
  /** Everything sent so far, decoded. */
  readonly log: ConnectionMessage[] = []
  /** How often the mux said that there is something to pull. */
  wakes = 0
  readonly #control: Uint8Array[] = []

  constructor(options: MuxEndOptions = {}) {
    this.mux = new Mux(
      {
        ...(options.limits && { limits: options.limits }),
        clock: options.clock ?? (() => 0),
        send: (payload) => void this.#control.push(payload),
        wake: () => void this.wakes++,
      },
      options.handlers,
    )
  }

  /** The next payload to send. */
  take(): Uint8Array | undefined {
    const payload = this.#control.shift() ?? this.#pull()
    if (payload !== undefined) this.log.push(connectionMessages.decode(payload))
    return payload
  }

  /** Takes everything there is to send. @returns only what was taken now, decoded */
  sent(): ConnectionMessage[] {
    const start = this.log.length
    while (this.take() !== undefined);
    return this.log.slice(start)
  }

  /** Messages of one type sent so far. */
  logged<T extends ConnectionMessage['type']>(type: T): Extract<ConnectionMessage, { type: T }>[] {
    return this.log.filter((message) => message.type === type) as Extract<ConnectionMessage, { type: T }>[]
  }

  #pull(): Uint8Array | undefined {
    let payload: Uint8Array | undefined
    this.mux.pull((parts) => {
      payload = concatBytes(parts)
    })
    return payload
  }
}

export interface MuxPair {
  readonly client: MuxEnd
  readonly server: MuxEnd
  /** Carries messages both ways until there are none. */
  flow(): void
}

export function muxPair(client: MuxEndOptions = {}, server: MuxEndOptions = {}): MuxPair {
  const ends = { client: new MuxEnd(client), server: new MuxEnd(server) }
  const carry = (from: MuxEnd, to: MuxEnd): boolean => {
    const payload = from.take()
    if (payload !== undefined) to.mux.receive(payload)
    return payload !== undefined
  }
  const flow = (): void => {
    for (let moved = true; moved; ) {
      const up = carry(ends.client, ends.server)
      const down = carry(ends.server, ends.client)
      moved = up || down
    }
  }
  return { ...ends, flow }
}

/** A pair with one channel that both ends have open. */
export function channelPair(
  client: MuxEndOptions = {},
  server: Omit<MuxEndOptions, 'handlers'> = {},
  channelType = 'session',
): MuxPair & { readonly local: Channel; readonly remote: Channel } {
  const accepted: Channel[] = []
  const handlers = { onChannelOpen: (request: ChannelOpenRequest) => void accepted.push(request.accept()) }
  const pair = muxPair(client, { ...server, handlers })
  const local = openOn(pair, channelType)
  const [remote] = accepted
  if (remote === undefined) throw new Error('The channel was not accepted')
  return { ...pair, local, remote }
}

/** Opens a channel from the client's end. */
export function openOn(pair: MuxPair, channelType = 'session', options: ChannelOptions = {}): Channel {
  let opened: Channel | undefined
  pair.client.mux.openChannel(channelType, new Uint8Array(0), options, {
    onOpen: (channel) => {
      opened = channel
    },
    onFailure: (error) => {
      throw error
    },
  })
  pair.flow()
  if (opened === undefined) throw new Error('The channel was not opened')
  return opened
}

/** Bytes that differ from place to place. */
export function pattern(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index++) bytes[index] = (index * 31 + (index >>> 8) + seed) & 0xff
  return bytes
}

/** The bytes of all chunks, always as a Buffer, because `toEqual` compares classes too. */
export function joined(chunks: readonly Uint8Array[]): Buffer {
  return Buffer.concat(chunks)
}

/** A consumer that keeps everything and gives it back at once. */
export class Collector {
  readonly chunks: Uint8Array[] = []
  readonly events: string[] = []
  closeError: Error | undefined

  /** @param source what to read; @param isHolding keep the credit until `release` of the source is called */
  constructor(source: Pick<Channel, 'attach' | 'release'>, isHolding = false) {
    source.attach({
      onData: (chunk) => {
        this.chunks.push(chunk)
        this.events.push('data')
        if (!isHolding) source.release(chunk.length)
      },
      onEnd: () => void this.events.push('end'),
      onDrain: () => void this.events.push('drain'),
      onClose: (error) => {
        this.closeError = error
        this.events.push('close')
      },
    })
  }

  get bytes(): Uint8Array {
    return joined(this.chunks)
  }

  get length(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  }
}
