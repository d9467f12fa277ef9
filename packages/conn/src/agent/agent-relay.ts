/** Between an agent and somebody it is lent to: each request is looked at before it gets there (draft-ietf-sshm-ssh-agent §5). */

import type { PublicKey } from '@ssh/crypto'
import { type AgentRequest, agentRequests, agentResponses, type ByteChannel, SshError } from '@ssh/wire'
import { FrameReader, frame } from './agent-frames.js'
import { readAgentKey } from './agent-key.js'

/** What is asked of an agent that is lent. */
export interface LentAgentRequest {
  /** `requestIdentities` lists keys, `signRequest` signs; undefined for a request that nobody here knows. */
  readonly type: AgentRequest['type'] | undefined
  /** Number of the request's message. */
  readonly number: number
  /** The key to sign with, or to remove. */
  readonly publicKey: PublicKey | undefined
  /** What is to be signed. */
  readonly data: Uint8Array | undefined
  /** Of `extension`: its name. The other end chose it. */
  readonly extensionType: string | undefined
}

/** Exactly true lets a request through; whoever asked is told that the agent refused the others. */
export type AgentFilter = (request: LentAgentRequest) => boolean | Promise<boolean>

const [failure] = agentResponses.definitions

/**
 * Carries requests to the agent that `filter` lets through, and the replies back, one at a time and in order, until
 * either channel is closed; then the other one is too.
 * @param borrower whoever the agent is lent to
 * @returns resolves when both are closed
 */
export function relayAgent(borrower: ByteChannel, agent: ByteChannel, filter: AgentFilter): Promise<void> {
  return new Promise((resolve) => {
    new AgentRelay(borrower, agent, filter, resolve)
  })
}

class AgentRelay {
  readonly #borrower: ByteChannel
  readonly #agent: ByteChannel
  readonly #filter: AgentFilter
  readonly #requests = new FrameReader()
  readonly #replies = new FrameReader()
  /** Requests that wait for their turn. The borrower's window bounds them. */
  readonly #queue: Uint8Array[] = []
  /** Bytes that the borrower gets back once nothing waits any more. */
  #owed = 0
  #state: 'idle' | 'deciding' | 'asking' | 'closed' = 'idle'
  /** The borrower does not read its replies. */
  #isBlocked = false
  #hasEnded = false

  constructor(borrower: ByteChannel, agent: ByteChannel, filter: AgentFilter, onClosed: () => void) {
    let open = 2
    const onClose = (): void => {
      this.#close()
      open -= 1
      if (open === 0) onClosed()
    }
    this.#borrower = borrower
    this.#agent = agent
    this.#filter = filter
    borrower.attach({
      onData: (chunk) => {
        this.#owed += chunk.length
        this.#take(this.#requests, chunk, (payload) => void this.#queue.push(payload))
        this.#next()
      },
      onDrain: () => {
        this.#isBlocked = false
        this.#next()
      },
      onEnd: () => {
        this.#hasEnded = true
        this.#next()
      },
      onClose,
    })
    agent.attach({
      onData: (chunk) => {
        agent.release(chunk.length)
        this.#take(this.#replies, chunk, (payload) => this.#replied(payload))
      },
      onEnd: () => this.#close(),
      onClose,
    })
  }

  #take(frames: FrameReader, chunk: Uint8Array, use: (payload: Uint8Array) => void): void {
    if (this.#state === 'closed') return
    try {
      for (const payload of frames.take(chunk)) use(payload)
    } catch (error) {
      // A frame that no agent sends or takes: whatever comes next is out of step.
      if (!SshError.isSshError(error)) throw error
      this.#close()
    }
  }

  #next(): void {
    if (this.#state !== 'idle' || this.#isBlocked) return
    const payload = this.#queue.shift()
    if (payload !== undefined) {
      this.#state = 'deciding'
      this.#decide(payload).then((isAllowed) => this.#decided(payload, isAllowed))
      return
    }
    const owed = this.#owed
    this.#owed = 0
    if (owed > 0) this.#borrower.release(owed)
    if (this.#hasEnded && this.#state === 'idle' && this.#queue.length === 0) this.#close()
  }

  /** Never rejects: what goes wrong is a refusal. */
  async #decide(payload: Uint8Array): Promise<boolean> {
    try {
      return (await this.#filter(describe(payload))) === true
    } catch {
      return false
    }
  }

  #decided(payload: Uint8Array, isAllowed: boolean): void {
    if (this.#state !== 'deciding') return
    if (isAllowed) {
      this.#state = 'asking'
      this.#agent.write(frame(payload))
    } else {
      this.#reply(failure.encode({}))
    }
  }

  #replied(payload: Uint8Array): void {
    if (this.#state === 'asking') this.#reply(payload)
    // An agent that speaks without having been asked would put its replies out of step.
    else this.#close()
  }

  #reply(payload: Uint8Array): void {
    this.#state = 'idle'
    this.#isBlocked = !this.#borrower.write(frame(payload))
    this.#next()
  }

  #close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#queue.length = 0
    this.#borrower.close()
    this.#agent.close()
  }
}

/** @throws WireError when it is malformed, which no filter need think about */
function describe(payload: Uint8Array): LentAgentRequest {
  const nothing = { publicKey: undefined, data: undefined, extensionType: undefined }
  const [number] = payload
  if (number !== undefined && !agentRequests.has(number)) return { type: undefined, number, ...nothing }
  const request = agentRequests.decode(payload)
  return {
    type: request.type,
    number: number ?? 0,
    publicKey: 'publicKey' in request ? readAgentKey(request.publicKey, '') : undefined,
    data: 'data' in request ? request.data : undefined,
    extensionType: 'extensionType' in request ? request.extensionType : undefined,
  }
}
