/** Between an agent and somebody it is lent to: each request is looked at before it gets there (draft-ietf-sshm-ssh-agent §5). */

import type { PublicKey } from '@ssh/crypto'
import { type AgentRequest, agentRequests, agentResponses, asBuffer, type ByteChannel, SshError } from '@ssh/wire'
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
  /** Whether it has the agent load a library of the machine it runs on: a PKCS#11 module, or the provider of a security key. */
  readonly loadsLibrary: boolean
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

/** Requests that are answered before everybody else gets a turn: a refusal takes none, and a window has room for many. */
const mostInARow = 32

class AgentRelay {
  readonly #borrower: ByteChannel
  readonly #agent: ByteChannel
  readonly #filter: AgentFilter
  readonly #requests = new FrameReader()
  readonly #replies = new FrameReader()
  /** Bytes that the borrower gets back once nothing waits any more: its window bounds what does. */
  #owed = 0
  #state: 'idle' | 'deciding' | 'asking' | 'resting' | 'closed' = 'idle'
  /** Requests that were answered. */
  #answered = 0
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
        this.#requests.push(chunk)
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
        this.#replies.push(chunk)
        for (let reply = this.#take(this.#replies); reply !== undefined; reply = this.#take(this.#replies)) {
          this.#replied(reply)
        }
      },
      onEnd: () => this.#close(),
      onClose,
    })
  }

  #take(frames: FrameReader): Uint8Array | undefined {
    if (this.#state === 'closed') return undefined
    try {
      return frames.next()
    } catch (error) {
      // A frame that no agent sends or takes: whatever comes next is out of step.
      if (!SshError.isSshError(error)) throw error
      this.#close()
      return undefined
    }
  }

  #next(): void {
    if (this.#state !== 'idle' || this.#isBlocked) return
    const payload = this.#take(this.#requests)
    if (payload !== undefined) {
      this.#state = 'deciding'
      this.#decide(payload).then((isAllowed) => this.#decided(payload, isAllowed))
      return
    }
    const owed = this.#owed
    this.#owed = 0
    if (owed > 0) this.#borrower.release(owed)
    if (this.#hasEnded && this.#state === 'idle') this.#close()
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
    this.#isBlocked = !this.#borrower.write(frame(payload))
    if (this.#state === 'closed') return
    this.#answered += 1
    this.#state = this.#answered % mostInARow === 0 ? 'resting' : 'idle'
    if (this.#state === 'resting') setImmediate(() => this.#rested())
    this.#next()
  }

  #rested(): void {
    if (this.#state !== 'resting') return
    this.#state = 'idle'
    this.#next()
  }

  #close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#borrower.close()
    this.#agent.close()
  }
}

/** @throws WireError when it is malformed, which no filter need think about */
function describe(payload: Uint8Array): LentAgentRequest {
  const nothing = { publicKey: undefined, data: undefined, extensionType: undefined, loadsLibrary: false }
  const [number] = payload
  if (number !== undefined && !agentRequests.has(number)) return { type: undefined, number, ...nothing }
  const request = agentRequests.decode(payload)
  return {
    type: request.type,
    number: number ?? 0,
    publicKey: 'publicKey' in request ? readAgentKey(request.publicKey, '') : undefined,
    data: 'data' in request ? request.data : undefined,
    extensionType: 'extensionType' in request ? request.extensionType : undefined,
    loadsLibrary: loadsLibrary(request),
  }
}

function loadsLibrary(request: AgentRequest): boolean {
  switch (request.type) {
    case 'addSmartcardKey':
    case 'addSmartcardKeyConstrained':
      return true
    case 'addIdConstrained':
      // Wherever it stands: what comes before a constraint is of a length that the key's type alone knows.
      return asBuffer(request.keyData).includes('sk-provider@openssh.com')
    default:
      return false
  }
}
