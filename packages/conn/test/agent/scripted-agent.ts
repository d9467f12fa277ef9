/** An agent in memory whose answers a test writes, byte by byte where it likes. */

import { type PrivateKey, readPrivateKey } from '@ssh/crypto'
import { FakeClock, type MemoryChannel, type MemoryChannelOptions, memoryChannelPair } from '@ssh/testkit'
import {
  type AgentRequest,
  agentRequests,
  agentResponses,
  asBuffer,
  type ByteChannel,
  Reader,
  toUtf8,
  Writer,
} from '@ssh/wire'
import { AgentClient, type AgentClientOptions } from '../../src/agent/agent-client.js'

const [failure, success, identitiesAnswer, signResponse, extensionFailure] = agentResponses.definitions

/** A payload with its length in front. */
export function framed(payload: Uint8Array): Uint8Array {
  return new Writer().writeString(payload).finish()
}

export const replies = {
  failure: failure.encode({}),
  success: success.encode({}),
  extensionFailure: extensionFailure.encode({}),
  identities: (...keys: readonly (readonly [blob: Uint8Array, comment: string])[]): Uint8Array =>
    identitiesAnswer.encode({ identities: keys.map(([publicKey, comment]) => ({ publicKey, comment })) }),
  signature: (signature: Uint8Array): Uint8Array => signResponse.encode({ signature }),
}

/** What an agent answers: a payload, or nothing. */
export type Answer = (request: AgentRequest) => Uint8Array | undefined

/** Answers over a channel. */
export class ScriptedAgent {
  readonly requests: AgentRequest[] = []
  readonly channel: ByteChannel
  isEnded = false
  #bytes: Uint8Array = new Uint8Array(0)

  constructor(channel: ByteChannel, answer: Answer) {
    this.channel = channel
    channel.attach({
      onData: (chunk) => {
        channel.release(chunk.length)
        this.#bytes = Buffer.concat([this.#bytes, chunk])
        for (let payload = this.#take(); payload !== undefined; payload = this.#take()) {
          const request = agentRequests.decode(payload)
          this.requests.push(request)
          const reply = answer(request)
          if (reply !== undefined) channel.write(framed(reply))
        }
      },
      onEnd: () => {
        this.isEnded = true
      },
    })
  }

  #take(): Uint8Array | undefined {
    const length = this.#bytes.length < 4 ? undefined : asBuffer(this.#bytes).readUInt32BE(0)
    if (length === undefined || this.#bytes.length < 4 + length) return undefined
    const payload = Uint8Array.from(this.#bytes.subarray(4, 4 + length))
    this.#bytes = this.#bytes.subarray(4 + length)
    return payload
  }
}

export interface AgentPair {
  readonly client: AgentClient
  readonly agent: ScriptedAgent
  readonly clock: FakeClock
  /** The client's end. */
  readonly near: MemoryChannel
  /** The agent's end. */
  readonly far: MemoryChannel
}

export function agentPair(
  answer: Answer,
  options: Partial<AgentClientOptions> & { readonly channel?: MemoryChannelOptions } = {},
): AgentPair {
  const { channel, ...rest } = options
  const clock = new FakeClock()
  const [near, far] = memoryChannelPair(channel)
  const client = new AgentClient(near, { schedule: clock.schedule, ...rest })
  return { client, agent: new ScriptedAgent(far, answer), clock, near, far }
}

/** An agent that does what it should, with keys in memory. */
export class KeyRing {
  readonly keys: { readonly key: PrivateKey; readonly comment: string; readonly constraints: Uint8Array }[] = []
  #passphrase: string | undefined

  constructor(...keys: readonly PrivateKey[]) {
    for (const key of keys) this.keys.push({ key, comment: key.comment, constraints: new Uint8Array(0) })
  }

  readonly answer: Answer = (request) => {
    const isLocked = this.#passphrase !== undefined
    const find = (blob: Uint8Array) => this.keys.findIndex(({ key }) => asBuffer(key.publicKey.blob).equals(blob))
    switch (request.type) {
      case 'requestIdentities':
        return isLocked
          ? replies.identities()
          : replies.identities(...this.keys.map(({ key, comment }) => [key.publicKey.blob, comment] as const))
      case 'signRequest': {
        const found = this.keys[find(request.publicKey)]
        if (isLocked || found === undefined) return replies.failure
        const { key } = found
        const rsa = request.flags === 4 ? 'rsa-sha2-512' : request.flags === 2 ? 'rsa-sha2-256' : 'ssh-rsa'
        return replies.signature(key.sign(request.data, key.algorithm === 'ssh-rsa' ? rsa : key.algorithm))
      }
      case 'addIdentity':
      case 'addIdConstrained': {
        const reader = new Reader(Buffer.concat([new Writer().writeUtf8(request.keyType).finish(), request.keyData]))
        const key = readPrivateKey(reader)
        this.keys.push({ key, comment: key.comment, constraints: Uint8Array.from(reader.readRest()) })
        return replies.success
      }
      case 'removeIdentity': {
        const index = find(request.publicKey)
        if (index === -1) return replies.failure
        this.keys.splice(index, 1)
        return replies.success
      }
      case 'removeAllIdentities':
        this.keys.length = 0
        return replies.success
      case 'lock':
        if (isLocked) return replies.failure
        this.#passphrase = asBuffer(request.passphrase).toString()
        return replies.success
      case 'unlock':
        if (!isLocked || this.#passphrase !== asBuffer(request.passphrase).toString()) return replies.failure
        this.#passphrase = undefined
        return replies.success
      case 'extension':
        return request.extensionType === 'query'
          ? Buffer.concat([Uint8Array.of(29), new Writer().writeUtf8('query').writeUtf8('a@example.com').finish()])
          : replies.extensionFailure
      default:
        return replies.failure
    }
  }
}

/** A blob that starts with a name and goes on as nobody knows. */
export function strangeBlob(name: string): Uint8Array {
  return new Writer().writeUtf8(name).writeString(toUtf8('whatever')).finish()
}
